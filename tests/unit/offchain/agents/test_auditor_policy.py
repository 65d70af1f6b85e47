"""The auditor's decisions, each beside the case in which it decides otherwise."""

from dataclasses import replace

import pytest

from offchain.agents.auditor_policy import AuditorPolicy
from offchain.agents.auditor_policy import decide as decide_all
from offchain.agents.intents import (
    Attest,
    Check,
    Commit,
    DeclareDefault,
    DrawAuditors,
    FixSeed,
    Intent,
    Join,
    Play,
    Reveal,
    Settle,
    WithdrawReward,
)
from offchain.chain.lottery import AuditStatus
from offchain.chain.records import ClaimStatus
from protocol.game_state import Stage
from tests.agent_views import (
    DRAW,
    ME,
    NO_DRAW,
    NOW,
    ROOT,
    RULES,
    build_audit,
    build_claim,
    build_game,
    build_view,
)

COMMITTED, MISMATCHED = AuditStatus.COMMITTED, AuditStatus.MISMATCHED


def decide(*claims, refused=frozenset(), checked=frozenset(), **changes) -> list[Intent]:
    view = build_view(*claims, **{"audit_stake": 40, **changes})
    return decide_all(view, AuditorPolicy(), refused, checked)


def kinds(intents: list[Intent]) -> list[type]:
    return [type(intent) for intent in intents]


def test_decide__nothing_staked__joins_with_some_penalties_or_what_was_said():
    view = build_view()
    assert decide_all(view, AuditorPolicy()) == [Join(40)]
    assert decide_all(view, AuditorPolicy(stake=15)) == [Join(15)]
    # What a lost audit took is not put in again.
    assert decide_all(replace(view, audit_stake=1), AuditorPolicy()) == []


def test_decide__no_draw_yet__fixes_the_seed_then_draws():
    waiting = build_audit(draw=NO_DRAW, drawn=False)
    assert decide(build_claim(audit=waiting)) == []
    assert kinds(decide(build_claim(audit=replace(waiting, seed_fixable=True)))) == [FixSeed]
    known = build_claim(audit=replace(waiting, seed_known=True))
    assert kinds(decide(known)) == [DrawAuditors]
    assert decide(known, now=known.claim.claimed_at + 101) == []
    unpaid = replace(known, task=replace(known.task, audit_budget=0))
    short = replace(known, terms=replace(known.terms, segments=2))
    settled = build_claim(audit=known.audit, status=ClaimStatus.SLASHED)
    for claim in (unpaid, short, settled):
        assert decide(claim) == []


def test_decide__drawn__commits_once_and_in_time():
    claim = build_claim(audit=build_audit())
    assert kinds(decide(claim)) == [Commit]
    assert kinds(decide(claim, now=DRAW.commit_deadline)) == [Commit]
    assert decide(claim, now=DRAW.commit_deadline + 1) == []


@pytest.mark.parametrize(
    "claim",
    [
        build_claim(audit=build_audit(drawn=False)),
        build_claim(audit=build_audit(draw=replace(DRAW, commitments=4))),
        build_claim(audit=build_audit(), worker=ME),
        build_claim(audit=build_audit(), status=ClaimStatus.SLASHED),
    ],
    ids=["not drawn", "all taken", "own", "slashed"],
)
def test_decide__audit_that_is_not_to_be_had__is_left(claim):
    assert decide(claim) == []


def test_decide__stake_for_one_more_penalty__is_needed():
    claim = build_claim(audit=build_audit())
    assert kinds(decide(claim, unsettled=3)) == [Commit]
    assert decide(claim, unsettled=4) == []
    assert decide(claim, refused=frozenset({1})) == []


def test_decide__committed__reveals_when_the_leaf_is_open():
    closed = build_claim(audit=build_audit(COMMITTED))
    opened = build_claim(audit=build_audit(COMMITTED, leaf=ROOT))
    assert decide(closed, now=DRAW.open_deadline) == []
    assert kinds(decide(opened, now=DRAW.open_deadline)) == [Reveal]
    assert kinds(decide(opened, now=DRAW.reveal_deadline)) == [Reveal]
    # An audit is never given up because something about its task failed once.
    assert kinds(decide(opened, refused=frozenset({1}))) == [Reveal]


def test_decide__leaf_not_opened_in_time__declares_default_then_settles():
    closed = build_claim(audit=build_audit(COMMITTED))
    assert kinds(decide(closed, now=DRAW.open_deadline + 1)) == [DeclareDefault]
    slashed = build_claim(audit=build_audit(COMMITTED), status=ClaimStatus.SLASHED)
    assert kinds(decide(slashed)) == [Settle]


def test_decide__mismatch__checks_the_whole_claim_then_settles():
    claim = build_claim(audit=build_audit(MISMATCHED))
    assert kinds(decide(claim)) == [Check]
    assert decide(claim, checked=frozenset({1})) == []
    assert decide(build_claim(audit=build_audit(MISMATCHED), challenged=True)) == []
    assert decide(claim, now=claim.claim.challenge_deadline + 1) == []
    for status in (ClaimStatus.SLASHED, ClaimStatus.FINALISED):
        settled = build_claim(audit=build_audit(MISMATCHED), status=status)
        assert kinds(decide(settled)) == [Settle]


def test_decide__paid__nothing_is_left_to_do():
    assert decide(build_claim(audit=build_audit(AuditStatus.PAID))) == []


def test_decide__may_attest__does():
    audit = build_audit(AuditStatus.PAID, attest_until=NOW)
    assert kinds(decide(build_claim(audit=audit))) == [Attest]
    assert decide(build_claim(audit=audit, worker=ME)) == []
    assert decide(build_claim(audit=audit), refused=frozenset({1})) == []


def test_decide__drawn_and_not_committed__does_not_attest():
    """The state before the stretch may be withheld, and with it the audit."""
    early = build_claim(audit=build_audit(attest_until=NOW + 5))
    assert kinds(decide(early)) == [Commit]
    late = build_audit(attest_until=DRAW.commit_deadline + 5)
    assert decide(build_claim(audit=late), now=DRAW.commit_deadline + 1) == []
    committed = build_audit(COMMITTED, attest_until=NOW + 5)
    assert kinds(decide(build_claim(audit=committed))) == [Attest]
    taken = replace(DRAW, commitments=2 * RULES.audits)
    others = build_audit(attest_until=NOW + 5, draw=taken)
    assert kinds(decide(build_claim(audit=others))) == [Attest]
    not_drawn = build_audit(attest_until=NOW + 5, drawn=False)
    assert kinds(decide(build_claim(audit=not_drawn))) == [Attest]


def test_decide__own_game_beside_an_audit__money_then_the_nearest_deadline():
    game = build_game(stage=Stage.PICK)
    audit = build_audit(MISMATCHED)
    playing = build_claim(game, challenged=True, audit=audit)
    other = build_claim(audit=build_audit(COMMITTED, leaf=ROOT), id=2)
    intents = decide(playing, other, owed_rewards=1)
    assert kinds(intents) == [WithdrawReward, Reveal, Play]
    assert NOW < DRAW.reveal_deadline
