"""abandon, expire_lease and had_lease: how a task is given back. [E12]"""

import boa

from tests.economy import LEASE_SECONDS, POSTED, STAKE, ZERO_ADDRESS, get_event


def assert_reopened(economy, task_id):
    event = get_event(economy.escrow, "LeaseEnded")
    assert (event["task_id"], event["worker"]) == (task_id, economy.worker)
    task = economy.escrow.task_of(task_id)
    assert (task.status, task.posted_at) == (POSTED, boa.env.timestamp)
    assert (task.worker, task.reward, task.claim_id) == (ZERO_ADDRESS, 0, 0)
    assert (task.lease_end, task.heartbeat_end, task.progress) == (0, 0, 0)
    assert economy.vault.locked_of(economy.worker) == 0
    assert economy.vault.free_of(economy.worker) == STAKE


def test_abandon__by_the_worker__reopens(economy):
    task_id = economy.post()
    economy.assign(task_id)
    economy.escrow.report_progress(task_id, 2, bytes(32), sender=economy.worker)
    economy.escrow.abandon(task_id, sender=economy.worker)
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
    assert_reopened(economy, task_id)


def test_expire_lease__nobody_works__reverts(economy):
    task_id = economy.post()
    for unavailable in (task_id, 0, task_id + 1):
        with boa.reverts("escrow: not assigned"):
            economy.escrow.expire_lease(unavailable)
    economy.assign(task_id)
    economy.claim(task_id)
    boa.env.time_travel(seconds=LEASE_SECONDS + 1)
    with boa.reverts("escrow: not assigned"):
        economy.escrow.expire_lease(task_id)


def test_had_lease__lost_without_claim__bars_from_that_task_only(economy):
    escrow, worker = economy.escrow, economy.worker
    first, second, other = economy.post(), economy.post(), economy.post()
    for task_id in (first, second):
        assert not escrow.had_lease(task_id, worker)
        economy.assign(task_id)
        assert not escrow.had_lease(task_id, worker)
    escrow.abandon(first, sender=worker)
    boa.env.time_travel(seconds=LEASE_SECONDS + 1)
    escrow.expire_lease(second)
    for task_id in (first, second):
        assert escrow.had_lease(task_id, worker)
        with boa.reverts("escrow: had a lease"):
            economy.assign(task_id)
    assert not escrow.had_lease(other, worker)
    assert not escrow.had_lease(first, economy.challenger)
    economy.assign(other)
    economy.assign(first, economy.challenger)


def test_had_lease__void_claim__bars_from_that_task_only(economy):
    claim_id, other = economy.claimed(), economy.post()
    economy.hook("process_unavailable", claim_id)
    assert economy.escrow.had_lease(1, economy.worker)
    with boa.reverts("escrow: had a lease"):
        economy.assign(1)
    economy.assign(1, economy.challenger)
    economy.assign(other)


def test_had_lease__slashed_claim__is_no_lost_lease(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_worker_lost", claim_id, economy.challenger)
    assert not economy.escrow.had_lease(1, economy.worker)
    economy.assign(1)
