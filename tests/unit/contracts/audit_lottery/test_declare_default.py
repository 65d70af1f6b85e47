import boa
import pytest

from protocol.audit import AuditStatus
from tests.audits import BUDGET, FALSE_ROOT, make_account
from tests.economy import AUDITS, BURNED_BPS, CLAIM_SLASHED, POSTED, STAKE


def test_declare_default__leaf_not_opened__slashes_the_claim(audits, auditor):
    claim_id = audits.committed(auditor)
    segment = audits.segment_of(claim_id, auditor)
    audits.pass_deadline(claim_id, "open_deadline")
    assert audits.settle(claim_id, auditor) == "lottery: too early to settle"
    assert audits.declare_default(claim_id, segment) == ""
    event = audits.get_event("WorkerDefaulted")
    assert (event["claim_id"], event["segment"]) == (claim_id, segment)
    escrow = audits.economy.escrow
    assert escrow.claim_of(claim_id).status == CLAIM_SLASHED
    assert escrow.task_of(1).status == POSTED
    awarded = STAKE * (10_000 - BURNED_BPS) // 10_000
    assert escrow.task_of(1).audit_budget == BUDGET + awarded
    assert audits.settle(claim_id, auditor) == ""
    assert audits.economy.owed_to(auditor) == BUDGET // (2 * AUDITS)


def test_declare_default__refused__reverts(audits, auditor):
    undrawn = audits.claimed()
    assert audits.declare_default(undrawn, 1) == "lottery: no draw"
    claim_id = audits.committed(auditor)
    segment = audits.segment_of(claim_id, auditor)
    boa.env.timestamp = audits.economy.lottery.draw_of(claim_id).open_deadline
    assert audits.declare_default(claim_id, segment) == "lottery: open window open"
    boa.env.timestamp += 1
    assert audits.declare_default(claim_id, 4) == "lottery: nothing committed"
    assert audits.declare_default(claim_id, segment) == ""


def test_declare_default__leaf_open__reverts(audits, auditor):
    claim_id = audits.opened(auditor)
    audits.pass_deadline(claim_id, "open_deadline")
    segment = audits.segment_of(claim_id, auditor)
    assert audits.declare_default(claim_id, segment) == "lottery: already open"


@pytest.mark.parametrize("end", ["slashed", "finalised"])
def test_declare_default__claim_decided__reverts(audits, auditor, end):
    claim_id = audits.committed(auditor)
    segment = audits.segment_of(claim_id, auditor)
    audits.pass_deadline(claim_id, "open_deadline")
    if end == "slashed":
        audits.slash(claim_id)
    else:
        audits.finalise(claim_id)
    assert audits.declare_default(claim_id, segment) == "lottery: claim not pending"
    assert audits.settle(claim_id, auditor) == ""
    assert audits.status_of(claim_id, auditor) is AuditStatus.RELEASED


def test_declare_default__several_leaves_and_auditors__all_of_closed_ones_are_paid(audits):
    accounts = [audits.hire(f"auditor {i}") for i in range(12)]
    audits.warm_up()
    while True:
        claim_id = audits.drawn(segments=25)
        drawn = [account for account in accounts if audits.is_drawn(claim_id, account)][:4]
        asked = [audits.segment_of(claim_id, account) for account in drawn]
        # Two auditors of one leaf, and two leaves besides.
        if len(drawn) == 4 and len(set(asked)) == 3:
            break
    for account in drawn:
        assert audits.commit(claim_id, account, FALSE_ROOT) == ""
    shared = next(segment for segment in asked if asked.count(segment) == 2)
    opened, other = sorted(set(asked) - {shared})
    audits.pass_deadline(claim_id, "commit_deadline")
    assert audits.open_leaf(claim_id, opened) == ""
    fee = audits.economy.lottery.draw_of(claim_id).fee
    audits.pass_deadline(claim_id, "open_deadline")
    assert audits.declare_default(claim_id, shared) == ""
    # One default is enough, and a second does no harm.
    assert audits.declare_default(claim_id, other) == "lottery: claim not pending"
    assert audits.declare_default(claim_id, opened) == "lottery: already open"
    for account, segment in zip(drawn, asked):
        if segment == opened:
            assert audits.settle(claim_id, account) == "lottery: too early to settle"
            # It said something false, and the claim was slashed for another reason.
            assert audits.reveal(claim_id, account, FALSE_ROOT) == ""
        assert audits.settle(claim_id, account) == ""
        assert audits.status_of(claim_id, account) is AuditStatus.PAID
        assert audits.economy.owed_to(account) == fee


def test_declare_default__submitter_cannot_take_the_fees(audits, auditor):
    claim_id = audits.committed(auditor)
    audits.pass_deadline(claim_id, "open_deadline")
    assert audits.declare_default(claim_id, audits.segment_of(claim_id, auditor)) == ""
    escrow, submitter = audits.economy.escrow, audits.economy.submitter
    with boa.reverts("escrow: audits open"):
        escrow.cancel(1, sender=submitter)
    boa.env.timestamp = escrow.offer_of(1).expiry + 1
    with boa.reverts("escrow: audits open"):
        escrow.expire(1, sender=make_account("anybody"))
    assert audits.settle(claim_id, auditor) == ""
    escrow.cancel(1, sender=submitter)
    assert audits.economy.owed_to(auditor) == BUDGET // (2 * AUDITS)
