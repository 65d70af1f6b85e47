import boa

from tests import economy as eco
from tests.audits import BUDGET, FALSE_ROOT, SALT
from tests.economy import AUDITS, PENALTY, compute_hash


def test_reveal__match__is_paid_at_once(audits, auditor):
    claim_id = audits.opened(auditor)
    answer = audits.answer(claim_id, auditor)
    fee = BUDGET // (2 * AUDITS)
    assert audits.reveal(claim_id, auditor, answer) == ""
    event = audits.get_event("AuditRevealed")
    assert (event["auditor"], event["state_root"], event["matches"]) == (auditor, answer, True)
    event = audits.get_event("AuditSettled")
    assert (event["claim_id"], event["auditor"]) == (claim_id, auditor)
    assert (event["status"], event["amount"]) == (4, fee)
    # L6: the payout gets it, in the splitter, from the budget.
    payout = audits.economy.registry.payout_of(auditor)
    assert payout != auditor and audits.economy.splitter.owed_to(payout) == fee
    assert audits.economy.escrow.task_of(1).audit_budget == BUDGET - fee
    assert audits.economy.lottery.reserved_of(1) == 0
    assert audits.economy.lottery.unsettled_of(auditor) == 0
    assert audits.reveal(claim_id, auditor, answer) == "lottery: not committed"


def test_reveal__mismatch__is_not_settled(audits, auditor):
    claim_id = audits.opened(auditor, false=True)
    assert audits.reveal(claim_id, auditor, FALSE_ROOT) == ""
    assert audits.get_event("AuditRevealed")["matches"] is False
    assert audits.economy.owed_to(auditor) == 0
    assert audits.economy.lottery.unsettled_of(auditor) == 1
    assert audits.economy.lottery.reserved_of(1) != 0
    assert audits.reveal(claim_id, auditor, FALSE_ROOT) == "lottery: not committed"


def test_reveal__refused__reverts(audits, auditor):
    drawn = audits.drawn()
    assert audits.reveal(drawn, auditor, FALSE_ROOT) == "lottery: not committed"
    closed = audits.committed(auditor)
    answer = audits.answer(closed, auditor)
    assert audits.reveal(closed, auditor, answer) == "lottery: leaf not open"
    opened = audits.opened(auditor)
    answer, other = audits.answer(opened, auditor), compute_hash("other")
    assert audits.reveal(opened, auditor, other) == "lottery: not the commitment"
    assert audits.reveal(opened, auditor, answer, other) == "lottery: not the commitment"
    assert audits.reveal(opened, auditor, answer, SALT) == ""


def test_reveal__deadline__is_the_last_second(audits, auditor):
    first, second = audits.committed(auditor), audits.committed(auditor)
    audits.pass_deadline(first, "commit_deadline")
    for claim_id in (first, second):
        assert audits.open_leaf(claim_id, audits.segment_of(claim_id, auditor)) == ""
    boa.env.timestamp = audits.economy.lottery.draw_of(first).reveal_deadline
    assert audits.settle(first, auditor) == "lottery: too early to settle"
    assert audits.reveal(first, auditor, audits.answer(first, auditor)) == ""
    boa.env.timestamp += 1
    answer = audits.answer(second, auditor)
    assert audits.reveal(second, auditor, answer) == "lottery: reveal window closed"


def test_reveal__all_of_them__are_paid_in_full(audits):
    """L3: with as many audits as are accepted, and all attestations, the budget suffices."""
    accounts = [audits.hire(f"auditor {i}") for i in range(12)]
    audits.warm_up()
    while True:
        claim_id = audits.drawn(attestations=1)
        drawn = [account for account in accounts if audits.is_drawn(claim_id, account)]
        if len(drawn) >= 2 * AUDITS:
            break
    drawn, fee = drawn[: 2 * AUDITS], audits.economy.lottery.draw_of(claim_id).fee
    assert fee == BUDGET // (2 * AUDITS + 1)
    assert audits.attest(claim_id, drawn[0]) == ""
    for account in drawn:
        assert audits.commit(claim_id, account, audits.answer(claim_id, account)) == ""
    audits.pass_deadline(claim_id, "commit_deadline")
    for segment in {audits.segment_of(claim_id, account) for account in drawn}:
        assert audits.open_leaf(claim_id, segment) == ""
    for i, account in enumerate(drawn):
        assert audits.reveal(claim_id, account, audits.answer(claim_id, account)) == ""
        assert audits.economy.owed_to(account) == fee * (2 if i == 0 else 1)
    task_id = audits.economy.escrow.claim_of(claim_id).task_id
    assert audits.economy.escrow.task_of(task_id).audit_budget == BUDGET % (2 * AUDITS + 1)


def test_reveal__stake_joined_meanwhile__changes_nothing(audits, auditor):
    claim_id = audits.opened(auditor)
    audits.economy.stake(auditor, PENALTY)
    assert audits.join(auditor, PENALTY) == ""
    assert not audits.is_drawn(claim_id, auditor)
    assert audits.reveal(claim_id, auditor, audits.answer(claim_id, auditor)) == ""


def test_reveal__retired_auditor__is_paid(audits, auditor):
    claim_id = audits.opened(auditor)
    audits.economy.register(auditor, 0)
    assert not audits.economy.registry.is_auditor(auditor)
    assert audits.reveal(claim_id, auditor, audits.answer(claim_id, auditor)) == ""
    assert audits.leave(auditor) == ""
    assert audits.economy.vault.free_of(auditor) == 10 * eco.PENALTY
