"""The challenger's decisions, each beside the case in which it decides otherwise."""

import pytest

from offchain.agents.challenger_policy import decide
from offchain.agents.intents import Check, EndGame, Play, WithdrawBond, WithdrawReward
from offchain.chain.records import ClaimStatus
from protocol import moves
from protocol.game_state import Stage
from tests.agent_views import ME, NOW, OTHER, build_claim, build_game, build_view


def test_decide__pending_claim__checks_it():
    claim = build_claim()
    assert decide(build_view(claim)) == [Check(claim)]


@pytest.mark.parametrize(
    "claim",
    [
        build_claim(worker=ME),
        build_claim(challenged=True),
        build_claim(challenge_deadline=NOW - 1),
    ],
    ids=["own", "challenged", "late"],
)
def test_decide__claim_that_is_none_of_its_business__is_left(claim):
    assert decide(build_view(claim)) == []


def test_decide__checked_before__is_left():
    assert decide(build_view(build_claim()), frozenset({1})) == []


def test_decide__several_claims__the_window_that_closes_first():
    claims = [build_claim(id=i, challenge_deadline=NOW + left) for i, left in ((1, 9), (2, 5))]
    assert [intent.view.claim.id for intent in decide(build_view(*claims))] == [2, 1]


@pytest.mark.parametrize("stage", [Stage.PICK, Stage.PICK_ELEMENT])
def test_decide__move_owed__plays_it(stage):
    game = build_game(stage=stage)
    claim = build_claim(game, challenged=True)
    assert decide(build_view(claim)) == [Play(claim, game)]


def test_decide__game_of_another_challenger__is_left():
    game = build_game(stage=Stage.PICK, challenger=OTHER)
    assert decide(build_view(build_claim(game, challenged=True))) == []


def test_decide__silent_worker__is_timed_out_when_its_clock_has_run_out():
    def decide_at(since: int):
        return decide(build_view(build_claim(build_game(since=since), challenged=True)))

    assert decide_at(NOW - 1_200) == []
    (intent,) = decide_at(NOW - 1_201)
    assert isinstance(intent, EndGame) and intent.move == moves.Timeout()


def test_decide__claim_refuted_in_another_game__drops_its_own():
    game = build_game(claim_slashed=True, stage=Stage.PICK)
    claim = build_claim(game, challenged=True, status=ClaimStatus.SLASHED)
    (intent,) = decide(build_view(claim))
    assert isinstance(intent, EndGame) and intent.move == moves.Drop()


def test_decide__money_owed__withdraws_before_it_checks():
    view = build_view(build_claim(), owed_rewards=1, owed_bonds=1)
    kinds = [type(intent) for intent in decide(view)]
    assert kinds == [WithdrawReward, WithdrawBond, Check]
