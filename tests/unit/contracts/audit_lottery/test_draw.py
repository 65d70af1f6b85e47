import boa
import pytest

from tests import economy as eco
from tests.audits import BUDGET, deploy_audits
from tests.economy import AUDITS, DRAW_SECONDS


def test_draw__seed_known__fixes_fee_and_deadlines(audits, auditor):
    claim_id = audits.claimed(attestations=3)
    audits.fix(claim_id)
    boa.env.time_travel(seconds=7)
    assert audits.draw(claim_id) == ""
    now, draw = boa.env.timestamp, audits.economy.lottery.draw_of(claim_id)
    assert draw.fee == BUDGET // (2 * AUDITS + 3)
    assert (
        draw.commit_deadline
        == now + eco.COMMIT_SECONDS + 2 * audits.economy.terms.reexecution_seconds
    )
    assert draw.open_deadline == draw.commit_deadline + eco.OPEN_SECONDS
    assert draw.reveal_deadline == draw.open_deadline + eco.REVEAL_SECONDS
    event = audits.get_event("Drawn")
    assert (event["claim_id"], event["seed"]) == (claim_id, audits.economy.beacon.seed_of(claim_id))
    assert (event["fee"], event["total_stake"]) == (draw.fee, draw.total_stake)
    assert event["commit_deadline"] == draw.commit_deadline


def test_draw__last_moment__leaves_the_challengers_their_time(audits, auditor):
    first, second = audits.claimed(), audits.claimed()
    audits.fix(first)
    audits.fix(second)
    boa.env.time_travel(seconds=DRAW_SECONDS)
    assert audits.draw(first) == ""
    claim, draw = audits.economy.escrow.claim_of(first), audits.economy.lottery.draw_of(first)
    assert claim.challenge_deadline - draw.reveal_deadline == eco.CHALLENGE_SECONDS
    boa.env.time_travel(seconds=1)
    assert audits.draw(second) == "lottery: too late to draw"


def test_draw__second__reverts(audits, auditor):
    assert audits.draw(audits.drawn()) == "lottery: already drawn"


def test_draw__seed_not_known__reverts(audits, auditor):
    assert audits.draw(audits.claimed()) == "lottery: seed not known"


def test_draw__no_auditors_at_the_claim__reverts(audits):
    claim_id = audits.claimed()
    audits.fix(claim_id)
    audits.hire()
    assert audits.draw(claim_id) == "lottery: no auditors"


@pytest.mark.parametrize("segments", [1, 2])
def test_draw__claim_without_a_stretch__reverts(audits, auditor, segments):
    claim_id = audits.claimed(segments)
    audits.fix(claim_id)
    assert audits.draw(claim_id) == "lottery: nothing to audit"


def test_draw__task_without_budget__reverts(audits, auditor):
    claim_id = audits.claimed(audit_budget=0)
    # The beacon was never started.
    assert audits.economy.beacon.target_of(claim_id) == 0
    assert audits.draw(claim_id) == "lottery: no audit budget"


def test_draw__budget_below_one_unit_for_each__reverts(audits, auditor):
    for budget, reason in ((2 * AUDITS - 1, "lottery: no audit budget"), (2 * AUDITS, "")):
        claim_id = audits.claimed(audit_budget=budget)
        audits.fix(claim_id)
        assert audits.draw(claim_id) == reason


@pytest.mark.parametrize("end", ["slashed", "finalised", "void"])
def test_draw__claim_decided__reverts(audits, auditor, end):
    claim_id = audits.claimed()
    audits.fix(claim_id)
    if end == "slashed":
        audits.slash(claim_id)
    elif end == "finalised":
        audits.finalise(claim_id)
    else:
        audits.economy.hook("process_unavailable", claim_id)
    assert audits.draw(claim_id) == "lottery: claim not pending"


def test_draw__unknown_claim__reverts(audits, auditor):
    with boa.reverts("escrow: unknown claim"):
        audits.economy.lottery.draw(1)


def test_draw__earlier_audits_not_settled__their_fees_are_kept(audits, auditor):
    first = audits.committed(auditor, segments=5)
    task_id = audits.economy.escrow.claim_of(first).task_id
    fee = audits.economy.lottery.draw_of(first).fee
    audits.slash(first)
    assert audits.economy.lottery.reserved_of(task_id) == fee
    second = audits.claim(task_id, worker=boa.env.generate_address("second"))
    audits.fix(second)
    assert audits.draw(second) == ""
    assert audits.economy.lottery.draw_of(second).fee == (BUDGET - fee) // (2 * AUDITS)


def test_process_claimed__not_by_the_escrow__reverts(audits):
    with boa.reverts("lottery: not escrow"):
        audits.economy.lottery.process_claimed(1)


def test_stretch_of__without_a_draw__reverts(audits, auditor):
    with boa.reverts("lottery: no draw"):
        audits.economy.lottery.stretch_of(audits.claimed(), auditor)


def test_is_drawn__without_a_draw__is_false(audits, auditor):
    assert not audits.is_drawn(audits.claimed(), auditor)


def test_is_drawn__many_auditors__as_many_as_the_parameter_says():
    with boa.env.anchor():
        audits = deploy_audits()
        accounts = [audits.hire(f"auditor {i}", stake=(1 + i % 3) * 50) for i in range(20)]
        audits.warm_up()
        drawn = 0
        for _ in range(30):
            claim_id = audits.drawn(segments=9)
            drawn += sum(audits.is_drawn(claim_id, account) for account in accounts)
        # 60 on average, standard deviation below 7.75.
        assert 35 < drawn < 85
