"""cancel and expire: how a reward goes back to its submitter."""

import boa

from tests.economy import CANCELLED, EXPIRED, EXPIRY_SECONDS, REWARD, get_event, get_transfers


def assert_refunded(economy, event):
    escrow = economy.escrow
    assert get_event(escrow, event)["refund"] == REWARD
    assert get_transfers(escrow) == [(escrow.address, economy.submitter, REWARD)]
    assert escrow.total_escrowed() == economy.token.balanceOf(escrow) == 0


def test_cancel__posted__refunds(economy):
    task_id = economy.post()
    economy.escrow.cancel(task_id, sender=economy.submitter)
    assert_refunded(economy, "TaskCancelled")
    assert economy.escrow.task_of(task_id).status == CANCELLED
    with boa.reverts("escrow: not posted"):
        economy.escrow.cancel(task_id, sender=economy.submitter)


def test_cancel__refused__reverts(economy):
    task_id = economy.post()
    with boa.reverts("escrow: not the submitter"):
        economy.escrow.cancel(task_id, sender=economy.worker)
    economy.assign(task_id)
    with boa.reverts("escrow: not posted"):
        economy.escrow.cancel(task_id, sender=economy.submitter)
    with boa.reverts("escrow: not posted"):
        economy.escrow.cancel(0, sender=economy.submitter)


def test_expire__after_the_expiry__refunds(economy):
    task_id = economy.post()
    boa.env.time_travel(seconds=EXPIRY_SECONDS)
    with boa.reverts("escrow: not expired"):
        economy.escrow.expire(task_id)
    boa.env.time_travel(seconds=1)
    economy.escrow.expire(task_id, sender=economy.challenger)
    assert_refunded(economy, "TaskExpired")
    assert economy.escrow.task_of(task_id).status == EXPIRED
    with boa.reverts("escrow: not posted"):
        economy.escrow.expire(task_id)


def test_expire__somebody_works__reverts(economy):
    task_id = economy.post()
    economy.assign(task_id)
    boa.env.time_travel(seconds=EXPIRY_SECONDS + 1)
    with boa.reverts("escrow: not posted"):
        economy.escrow.expire(task_id)
    economy.escrow.expire_lease(task_id)
    economy.escrow.expire(task_id)
