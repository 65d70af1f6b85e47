import boa
import pytest

from protocol.audit import AuditStatus
from tests.audits import BUDGET, FALSE_ROOT
from tests.economy import AUDITS, BURN_ADDRESS, PENALTY

FEE = BUDGET // (2 * AUDITS)


def end(audits, claim_id, how):
    """Decide the claim, or leave it pending, when all windows of the audit are over."""
    audits.pass_deadline(claim_id, "reveal_deadline")
    if how == "slashed":
        audits.slash(claim_id)
    elif how == "finalised":
        audits.finalise(claim_id)
    elif how == "void":
        audits.economy.hook("process_unavailable", claim_id)


def check_settled(audits, claim_id, auditor, status):
    """The event, the money and the books of a settled audit."""
    stake = audits.economy.lottery.stake_of(auditor)
    assert audits.settle(claim_id, auditor) == ""
    amount = {AuditStatus.PAID: FEE, AuditStatus.PUNISHED: PENALTY}.get(status, 0)
    event = audits.get_event("AuditSettled")
    assert (event["status"], event["amount"]) == (status, amount)
    assert audits.status_of(claim_id, auditor) is status
    taken = PENALTY if status is AuditStatus.PUNISHED else 0
    assert audits.economy.lottery.stake_of(auditor) == stake - taken
    assert audits.economy.owed_to(auditor) == (FEE if status is AuditStatus.PAID else 0)
    assert audits.economy.lottery.unsettled_of(auditor) == 0
    assert audits.economy.lottery.reserved_of(1) == 0
    assert audits.settle(claim_id, auditor) == "lottery: nothing to settle"


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("slashed", AuditStatus.PAID),
        ("finalised", AuditStatus.PUNISHED),
        ("void", AuditStatus.RELEASED),
    ],
)
def test_settle__mismatch__follows_the_claim(audits, auditor, how, status):
    claim_id = audits.opened(auditor, false=True)
    assert audits.reveal(claim_id, auditor, FALSE_ROOT) == ""
    end(audits, claim_id, "pending")
    assert audits.settle(claim_id, auditor) == "lottery: too early to settle"
    end(audits, claim_id, how)
    check_settled(audits, claim_id, auditor, status)


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("pending", AuditStatus.PUNISHED),
        ("slashed", AuditStatus.RELEASED),
        ("finalised", AuditStatus.PUNISHED),
        ("void", AuditStatus.PUNISHED),
    ],
)
def test_settle__no_reveal__costs_the_penalty_unless_slashed(audits, auditor, how, status):
    claim_id = audits.opened(auditor)
    assert audits.settle(claim_id, auditor) == "lottery: too early to settle"
    end(audits, claim_id, how)
    check_settled(audits, claim_id, auditor, status)


@pytest.mark.parametrize("how", ["slashed", "finalised", "void"])
def test_settle__leaf_never_opened__releases(audits, auditor, how):
    claim_id = audits.committed(auditor)
    end(audits, claim_id, how)
    check_settled(audits, claim_id, auditor, AuditStatus.RELEASED)


def test_settle__slashed_while_auditors_work__releases_at_once(audits, auditor):
    claim_id = audits.committed(auditor)
    assert audits.settle(claim_id, auditor) == "lottery: too early to settle"
    audits.slash(claim_id)
    check_settled(audits, claim_id, auditor, AuditStatus.RELEASED)


def test_settle__slashed_after_the_leaf__leaves_time_to_reveal(audits, auditor):
    claim_id = audits.opened(auditor)
    audits.slash(claim_id)
    assert audits.settle(claim_id, auditor) == "lottery: too early to settle"
    assert audits.reveal(claim_id, auditor, audits.answer(claim_id, auditor)) == ""
    assert audits.economy.owed_to(auditor) == FEE


def test_settle__penalty__is_burned_whole(audits, auditor):
    claim_id = audits.opened(auditor)
    end(audits, claim_id, "pending")
    assert audits.settle(claim_id, auditor) == ""
    moved = [log for log in audits.logs if type(log).__name__ == "Transfer"]
    assert {log.receiver for log in moved} == {BURN_ADDRESS}
    assert sum(log.value for log in moved) == PENALTY
    assert audits.economy.vault.locked_of(auditor) == 9 * PENALTY


def test_settle__penalties_of_the_whole_stake__leave_nothing(audits):
    auditor = audits.hire(stake=2 * PENALTY)
    audits.warm_up()
    claims = [audits.committed(auditor) for _ in range(2)]
    audits.pass_deadline(claims[0], "commit_deadline")
    for claim_id in claims:
        assert audits.open_leaf(claim_id, audits.segment_of(claim_id, auditor)) == ""
    end(audits, claims[1], "pending")
    for claim_id in claims:
        assert audits.settle(claim_id, auditor) == ""
    assert audits.economy.lottery.stake_of(auditor) == 0
    assert audits.economy.lottery.total_stake() == 0
    assert audits.leave(auditor) == "lottery: nothing staked"
    audits.economy.stake(auditor, PENALTY)
    assert audits.join(auditor, PENALTY) == ""


def test_settle__nothing_there__reverts(audits, auditor):
    assert audits.settle(audits.claimed(), auditor) == "lottery: nothing to settle"
    assert audits.settle(audits.drawn(), auditor) == "lottery: nothing to settle"


def test_settle__budget_gone_back_to_the_submitter__ends_all_the_same(audits, auditor):
    first = audits.opened(auditor, false=True)
    assert audits.reveal(first, auditor, FALSE_ROOT) == ""
    audits.slash(first)
    second = audits.claim(1, worker=boa.env.generate_address("second"))
    audits.finalise(second)
    # Nobody settled it in the whole time of another claim.
    assert audits.economy.escrow.task_of(1).audit_budget == 0
    assert audits.settle(first, auditor) == ""
    assert audits.get_event("AuditSettled")["amount"] == 0
    assert audits.economy.lottery.unsettled_of(auditor) == 0
