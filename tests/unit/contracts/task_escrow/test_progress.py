"""report_progress: a worker that shows nothing loses the task. [E12]"""

import boa
import pytest

from tests.economy import LEASE_SECONDS, compute_hash, get_event

HEARTBEAT = 300
ROOT = compute_hash("progress")


@pytest.fixture
def task_id(economy):
    task_id = economy.post(heartbeat_seconds=HEARTBEAT)
    economy.assign(task_id)
    return task_id


def report(economy, task_id, segments, sender=None):
    economy.escrow.report_progress(task_id, segments, ROOT, sender=sender or economy.worker)


def test_assign__heartbeat__begins(economy, task_id):
    task = economy.escrow.task_of(task_id)
    assert task.heartbeat_end == boa.env.timestamp + HEARTBEAT
    assert task.lease_end == boa.env.timestamp + LEASE_SECONDS
    assert task.progress == 0


def test_report_progress__in_time__renews_the_heartbeat(economy, task_id):
    boa.env.time_travel(seconds=HEARTBEAT)
    report(economy, task_id, 2)
    heartbeat_end = boa.env.timestamp + HEARTBEAT
    event = get_event(economy.escrow, "ProgressReported")
    assert (event["task_id"], event["worker"], event["segments"]) == (task_id, economy.worker, 2)
    assert (event["progress_root"], event["heartbeat_end"]) == (ROOT, heartbeat_end)
    task = economy.escrow.task_of(task_id)
    assert (task.progress, task.heartbeat_end) == (2, heartbeat_end)
    boa.env.time_travel(seconds=HEARTBEAT)
    with boa.reverts("escrow: lease not over"):
        economy.escrow.expire_lease(task_id)
    boa.env.time_travel(seconds=1)
    economy.escrow.expire_lease(task_id)


def test_report_progress__one_second_late__reverts(economy, task_id):
    boa.env.time_travel(seconds=HEARTBEAT + 1)
    with boa.reverts("escrow: lease over"):
        report(economy, task_id, 1)
    with boa.reverts("escrow: lease over"):
        economy.claim(task_id)
    economy.escrow.expire_lease(task_id)


def test_claim__at_the_heartbeats_last_second__works(economy, task_id):
    boa.env.time_travel(seconds=HEARTBEAT)
    economy.claim(task_id)


def test_report_progress__near_the_end__never_outlasts_the_lease(economy):
    task_id = economy.post(heartbeat_seconds=LEASE_SECONDS - 1)
    economy.assign(task_id)
    lease_end = economy.escrow.task_of(task_id).lease_end
    for segments, seconds in ((1, 1), (2, LEASE_SECONDS - 1)):
        boa.env.time_travel(seconds=seconds)
        report(economy, task_id, segments)
        assert economy.escrow.task_of(task_id).heartbeat_end == lease_end
    boa.env.time_travel(seconds=1)
    with boa.reverts("escrow: lease over"):
        report(economy, task_id, 3)


def test_report_progress__up_to_the_last_segment__then_no_more(economy, task_id):
    report(economy, task_id, 1)
    for segments in (0, 1):
        with boa.reverts("escrow: no progress"):
            report(economy, task_id, segments)
    for segments in (6, 2**256 - 1):
        with boa.reverts("escrow: segments out of range"):
            report(economy, task_id, segments)
    report(economy, task_id, 5)
    with boa.reverts("escrow: no progress"):
        report(economy, task_id, 5)


def test_report_progress__nothing_done__reverts(economy, task_id):
    with boa.reverts("escrow: no progress"):
        report(economy, task_id, 0)


def test_report_progress__not_by_the_worker_or_not_assigned__reverts(economy, task_id):
    with boa.reverts("escrow: not the worker"):
        report(economy, task_id, 1, economy.submitter)
    with boa.reverts("escrow: not assigned"):
        report(economy, economy.post(), 1)
    economy.claim(task_id)
    with boa.reverts("escrow: not assigned"):
        report(economy, task_id, 1)


def test_report_progress__next_worker__starts_from_nothing(economy, task_id):
    report(economy, task_id, 4)
    economy.escrow.abandon(task_id, sender=economy.worker)
    economy.assign(task_id, economy.challenger)
    assert economy.escrow.task_of(task_id).progress == 0
    report(economy, task_id, 1, economy.challenger)
