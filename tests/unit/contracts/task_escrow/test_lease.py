"""assign, abandon and expire_lease: who works on a task, and how it is given back."""

import boa

from tests.economy import (
    ASSIGNED,
    EXPIRY_SECONDS,
    LEASE_SECONDS,
    POSTED,
    STAKE,
    ZERO_ADDRESS,
    get_event,
)


def assert_reopened(economy, task_id):
    task = economy.escrow.task_of(task_id)
    assert (task.status, task.worker, task.lease_end, task.claim_id) == (POSTED, ZERO_ADDRESS, 0, 0)
    assert economy.vault.locked_of(economy.worker) == 0
    assert economy.vault.free_of(economy.worker) == STAKE


def test_assign__staked__locks_the_stake(economy):
    task_id = economy.post()
    economy.assign(task_id)
    lease_end = boa.env.timestamp + LEASE_SECONDS
    event = get_event(economy.escrow, "TaskAssigned")
    assert (event["task_id"], event["worker"]) == (task_id, economy.worker)
    assert event["lease_end"] == lease_end
    task = economy.escrow.task_of(task_id)
    assert (task.status, task.worker, task.lease_end) == (ASSIGNED, economy.worker, lease_end)
    assert economy.vault.lock_of(task_id) == (economy.worker, STAKE)
    assert economy.vault.free_of(economy.worker) == 0


def test_assign__too_little_stake__reverts(economy):
    task_id = economy.post()
    economy.stake(economy.worker, STAKE - 1)
    with boa.reverts("vault: insufficient stake"):
        economy.escrow.assign(task_id, sender=economy.worker)


def test_assign__taken_or_unknown__reverts(economy):
    task_id = economy.post()
    economy.assign(task_id)
    for unavailable in (task_id, 0, task_id + 1):
        with boa.reverts("escrow: not posted"):
            economy.escrow.assign(unavailable, sender=economy.worker)


def test_assign__at_the_expiry__is_the_last_moment(economy):
    first, second = economy.post(), economy.post()
    boa.env.time_travel(seconds=EXPIRY_SECONDS)
    economy.assign(first)
    boa.env.time_travel(seconds=1)
    with boa.reverts("escrow: expired"):
        economy.escrow.assign(second, sender=economy.worker)


def test_abandon__by_the_worker__reopens(economy):
    task_id = economy.post()
    economy.assign(task_id)
    economy.escrow.abandon(task_id, sender=economy.worker)
    event = get_event(economy.escrow, "LeaseEnded")
    assert (event["task_id"], event["worker"]) == (task_id, economy.worker)
    assert_reopened(economy, task_id)
    economy.assign(task_id, economy.challenger)


def test_abandon__refused__reverts(economy):
    task_id = economy.post()
    with boa.reverts("escrow: not assigned"):
        economy.escrow.abandon(task_id, sender=economy.worker)
    economy.assign(task_id)
    with boa.reverts("escrow: not the worker"):
        economy.escrow.abandon(task_id, sender=economy.submitter)
    economy.claim(task_id)
    with boa.reverts("escrow: not assigned"):
        economy.escrow.abandon(task_id, sender=economy.worker)


def test_expire_lease__lease_over__reopens(economy):
    task_id = economy.post()
    economy.assign(task_id)
    boa.env.time_travel(seconds=LEASE_SECONDS)
    with boa.reverts("escrow: lease not over"):
        economy.escrow.expire_lease(task_id)
    boa.env.time_travel(seconds=1)
    economy.escrow.expire_lease(task_id, sender=economy.challenger)
    assert get_event(economy.escrow, "LeaseEnded")["worker"] == economy.worker
    assert_reopened(economy, task_id)


def test_expire_lease__nobody_works__reverts(economy):
    task_id = economy.post()
    with boa.reverts("escrow: not assigned"):
        economy.escrow.expire_lease(task_id)
