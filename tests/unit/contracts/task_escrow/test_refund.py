"""cancel and expire: how a reward and its audit budget go back to their submitter."""

import boa

from tests.economy import (
    AUDITS,
    CANCELLED,
    DELAY_BLOCKS,
    EXPIRED,
    EXPIRY_SECONDS,
    PENALTY,
    REWARD,
    WARMUP_SECONDS,
    get_event,
    get_transfers,
)

BUDGET = 77


def assert_refunded(economy, event):
    escrow = economy.escrow
    assert get_event(escrow, event)["refund"] == REWARD + BUDGET
    assert get_transfers(escrow) == [(escrow.address, economy.submitter, REWARD + BUDGET)]
    assert escrow.task_of(1).audit_budget == 0
    assert escrow.total_escrowed() == economy.token.balanceOf(escrow) == 0


def test_cancel__posted__refunds(economy):
    task_id = economy.post(audit_budget=BUDGET)
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
    task_id = economy.post(audit_budget=BUDGET)
    boa.env.time_travel(seconds=EXPIRY_SECONDS)
    with boa.reverts("escrow: not expired"):
        economy.escrow.expire(task_id)
    boa.env.time_travel(seconds=1)
    economy.escrow.expire(task_id, sender=economy.challenger)
    assert_refunded(economy, "TaskExpired")
    assert economy.escrow.task_of(task_id).status == EXPIRED
    with boa.reverts("escrow: not posted"):
        economy.escrow.expire(task_id)


def test_cancel__auction__pays_the_maximum_back(economy):
    task_id = economy.post(min_reward=1, max_reward=REWARD, auction_seconds=50)
    economy.escrow.cancel(task_id, sender=economy.submitter)
    assert economy.token.balanceOf(economy.submitter) == REWARD


def test_cancel__budget_partly_spent__pays_the_rest_back(economy):
    claim_id = economy.claimed(audit_budget=BUDGET)
    economy.hook("pay_audit", claim_id, economy.auditor, 7)
    economy.hook("process_unavailable", claim_id)
    economy.escrow.cancel(1, sender=economy.submitter)
    assert get_event(economy.escrow, "TaskCancelled")["refund"] == REWARD + BUDGET - 7
    assert economy.escrow.total_escrowed() == economy.token.balanceOf(economy.escrow) == 0


def test_cancel__after_an_audit_default__pays_the_award_too(economy):
    claim_id = economy.claimed()
    economy.hook("process_audit_default", claim_id)
    economy.escrow.cancel(1, sender=economy.submitter)
    assert economy.token.balanceOf(economy.submitter) == REWARD + 40


def test_expire__somebody_works__reverts(economy):
    task_id = economy.post()
    economy.assign(task_id)
    boa.env.time_travel(seconds=EXPIRY_SECONDS + 1)
    with boa.reverts("escrow: not posted"):
        economy.escrow.expire(task_id)
    economy.escrow.expire_lease(task_id)
    economy.escrow.expire(task_id)


def test_refund__fees_of_a_slashed_claim_unsettled__waits_for_them(economy):
    """A submitter cannot take back what auditors of a slashed claim have earned."""
    escrow, lottery = economy.escrow, economy.lottery
    economy.register(economy.auditor)
    economy.stake(economy.auditor, PENALTY)
    lottery.join(PENALTY, sender=economy.auditor)
    boa.env.time_travel(seconds=WARMUP_SECONDS)
    claim_id = economy.claimed(audit_budget=BUDGET)
    boa.env.evm.patch.block_number += DELAY_BLOCKS + 1
    economy.beacon.fix(claim_id)
    lottery.draw(claim_id)
    root = economy.escrow.claim_of(claim_id).root
    lottery.commit(claim_id, root, bytes(32), sender=economy.auditor)
    segment = lottery.stretch_of(claim_id, economy.auditor)[1]
    boa.env.timestamp = lottery.draw_of(claim_id).open_deadline + 1
    economy.ensure_game()
    lottery.declare_default(claim_id, segment)

    fee = BUDGET // (2 * AUDITS)
    assert lottery.reserved_of(1) == fee
    with boa.reverts("escrow: audits open"):
        escrow.cancel(1, sender=economy.submitter)
    boa.env.timestamp = escrow.offer_of(1).expiry + 1
    with boa.reverts("escrow: audits open"):
        escrow.expire(1)
    lottery.settle(claim_id, economy.auditor)
    assert economy.owed_to(economy.auditor) == fee
    escrow.expire(1)
    assert get_event(escrow, "TaskExpired")["refund"] == REWARD + BUDGET + 40 - fee
