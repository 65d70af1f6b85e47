import boa

from tests import economy as eco
from tests.audits import BUDGET, FALSE_ROOT, make_account
from tests.economy import AUDITS, PENALTY, compute_claim_tree


def test_commit__drawn__is_an_audit_with_its_fee_set_aside(audits, auditor):
    claim_id = audits.committed(auditor)
    event = audits.get_event("AuditCommitted")
    first, last = audits.economy.lottery.stretch_of(claim_id, auditor)
    assert (first, last) in ((0, 1), (2, 3))
    assert (event["claim_id"], event["auditor"], event["segment"]) == (claim_id, auditor, last)
    assert event["commitment"] == audits.economy.lottery.audit_of(claim_id, auditor).commitment
    assert audits.economy.lottery.reserved_of(1) == BUDGET // (2 * AUDITS)
    assert audits.economy.lottery.unsettled_of(auditor) == 1


def test_commit__last_second__is_accepted(audits, auditor):
    claim_id, late = audits.drawn(), audits.drawn()
    boa.env.timestamp = audits.economy.lottery.draw_of(claim_id).commit_deadline
    assert audits.commit(claim_id, auditor, FALSE_ROOT) == ""
    boa.env.timestamp += 1
    assert audits.commit(late, auditor, FALSE_ROOT) == "lottery: commit window closed"


def test_commit__refused__reverts(audits, auditor):
    undrawn = audits.claimed()
    assert audits.commit(undrawn, auditor, FALSE_ROOT) == "lottery: no draw"
    claim_id = audits.committed(auditor)
    assert audits.commit(claim_id, auditor, FALSE_ROOT) == "lottery: already committed"
    stranger = make_account("stranger")
    assert audits.commit(claim_id, stranger, FALSE_ROOT) == "lottery: not drawn"


def test_commit__ticket_does_not_win__reverts(audits, auditor):
    small = audits.hire("small", stake=PENALTY)
    big = audits.hire("big", stake=10**6)
    audits.warm_up()
    claim_id = audits.drawn()
    assert audits.is_drawn(claim_id, big) and not audits.is_drawn(claim_id, small)
    assert audits.commit(claim_id, small, FALSE_ROOT) == "lottery: not drawn"


def test_commit__another_claims_root__reverts(audits, auditor):
    claim_id = audits.drawn()
    other = compute_claim_tree(9).root
    answer = audits.answer(claim_id, auditor)
    assert audits.commit(claim_id, auditor, answer, claim_root=other) == "lottery: another claim"
    assert audits.commit(claim_id, auditor, answer) == ""


def test_commit__without_the_role__reverts(audits, auditor):
    """Who was retired ends what it has begun, and begins nothing. [N4]"""
    claim_id, later = audits.committed(auditor), audits.drawn()
    registry = audits.economy.registry
    registry.retire(auditor, sender=registry.payout_of(auditor))
    answer = audits.answer(later, auditor)
    assert audits.commit(later, auditor, answer) == "lottery: not an auditor"
    audits.pass_deadline(claim_id, "commit_deadline")
    assert audits.open_leaf(claim_id, audits.segment_of(claim_id, auditor)) == ""
    assert audits.reveal(claim_id, auditor, audits.answer(claim_id, auditor)) == ""


def test_commit__by_the_worker__reverts(audits):
    worker = audits.economy.worker
    audits.economy.register(worker)
    audits.economy.stake(worker, PENALTY)
    audits.join(worker, PENALTY)
    audits.warm_up()
    claim_id = audits.drawn()
    assert audits.is_drawn(claim_id, worker)
    assert audits.commit(claim_id, worker, FALSE_ROOT) == "lottery: worker cannot audit itself"


def test_commit__more_open_audits_than_penalties__reverts(audits):
    auditor = audits.hire(stake=2 * PENALTY)
    audits.warm_up()
    claims = [audits.drawn() for _ in range(3)]
    assert audits.commit(claims[0], auditor, FALSE_ROOT) == ""
    assert audits.commit(claims[1], auditor, FALSE_ROOT) == ""
    assert audits.commit(claims[2], auditor, FALSE_ROOT) == "lottery: stake below penalty"


def test_commit__stake_shrunk_below_the_penalty__reverts(audits):
    auditor = audits.hire(stake=2 * PENALTY - 1)
    audits.warm_up()
    claim_id = audits.opened(auditor, false=True)
    audits.pass_deadline(claim_id, "reveal_deadline")
    assert audits.settle(claim_id, auditor) == ""
    assert audits.economy.lottery.stake_of(auditor) == PENALTY - 1
    later = audits.drawn()
    assert audits.is_drawn(later, auditor)
    assert audits.commit(later, auditor, FALSE_ROOT) == "lottery: stake below penalty"


def test_commit__twice_as_many_as_wanted__takes_no_more(audits):
    # One ticket wins for sure with half of the stake, so ask for all of them at once: many
    # claims, until one draws more than fees are set aside for.
    accounts = [audits.hire(f"auditor {i}") for i in range(12)]
    audits.warm_up()
    while True:
        claim_id = audits.drawn(segments=9)
        drawn = [account for account in accounts if audits.is_drawn(claim_id, account)]
        if len(drawn) > 2 * AUDITS:
            break
    for account in drawn[: 2 * AUDITS]:
        assert audits.commit(claim_id, account, FALSE_ROOT) == ""
    assert audits.commit(claim_id, drawn[-1], FALSE_ROOT) == "lottery: all audits taken"


def test_commit__claim_decided__reverts(audits, auditor):
    slashed, void = audits.drawn(), audits.drawn()
    audits.slash(slashed)
    assert audits.commit(slashed, auditor, FALSE_ROOT) == "lottery: claim not pending"
    audits.economy.hook("process_unavailable", void)
    assert audits.commit(void, auditor, FALSE_ROOT) == "lottery: claim not pending"


def test_commit__copy_of_anothers__cannot_be_revealed(audits, auditor):
    copier = audits.hire("copier")
    audits.warm_up()
    while True:
        claim_id = audits.drawn(segments=3)
        if audits.is_drawn(claim_id, auditor) and audits.is_drawn(claim_id, copier):
            break
    answer = audits.answer(claim_id, auditor)
    assert audits.commit(claim_id, auditor, answer) == ""
    assert audits.commit(claim_id, copier, answer, of=auditor) == ""
    lottery = audits.economy.lottery
    one, two = (lottery.audit_of(claim_id, account) for account in (auditor, copier))
    assert (one.commitment, one.segment) == (two.commitment, two.segment)
    audits.pass_deadline(claim_id, "commit_deadline")
    assert audits.open_leaf(claim_id, 1) == ""
    assert audits.reveal(claim_id, auditor, answer) == ""
    # L1: the salt and the answer are public now, and do not fit the copier's address.
    assert audits.reveal(claim_id, copier, answer) == "lottery: not the commitment"
    audits.pass_deadline(claim_id, "reveal_deadline")
    assert audits.settle(claim_id, copier) == ""
    assert audits.get_event("AuditSettled")["amount"] == eco.PENALTY
