"""The worker's decisions, each beside the case in which it decides otherwise."""

import pytest

from offchain.agents.intents import (
    EndGame,
    Finalise,
    Play,
    Take,
    Train,
    WithdrawBond,
    WithdrawReward,
)
from offchain.agents.worker_policy import WorkerPolicy, decide
from offchain.chain.records import ClaimStatus, TaskStatus
from protocol import moves
from protocol.game_state import Stage
from tests.agent_views import (
    ME,
    NOW,
    OTHER,
    build_claim,
    build_game,
    build_task,
    build_view,
)

POLICY = WorkerPolicy(reward_min=5, stake_max=5, lease_seconds_min=60)


def kinds(intents) -> list[type]:
    return [type(intent) for intent in intents]


def test_decide__acceptable_offer__takes_it():
    assert decide(build_view(build_task()), POLICY) == [Take(build_task())]


@pytest.mark.parametrize(
    "changes",
    [
        {"reward": 4},
        {"stake": 6},
        {"lease_seconds": 59},
        {"expiry": NOW - 1},
        {"submitter": ME},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_decide__offer_outside_the_policy__is_left(changes):
    assert decide(build_view(build_task(**changes)), POLICY) == []


def test_decide__refused_or_slashed_before__is_left():
    view = build_view(build_task())
    assert decide(view, POLICY, frozenset({1})) == []
    assert decide(build_view(build_task(), slashed=frozenset({1})), POLICY) == []


def test_decide__own_lease__trains_and_takes_no_more_than_allowed():
    mine = build_task(id=2, status=TaskStatus.ASSIGNED, worker=ME, lease_end=NOW)
    view = build_view(build_task(), mine)
    assert decide(view, POLICY) == [Train(mine)]
    assert kinds(decide(view, WorkerPolicy(tasks_max=2))) == [Train, Take]


def test_decide__lease_over_or_anothers__does_not_train():
    late = build_task(status=TaskStatus.ASSIGNED, worker=ME, lease_end=NOW - 1)
    others = build_task(status=TaskStatus.ASSIGNED, worker=OTHER, lease_end=NOW)
    assert decide(build_view(late, others), POLICY) == []


def test_decide__move_owed__plays():
    game = build_game(worker=ME, challenger=OTHER, stage=Stage.REVEAL)
    claim = build_claim(game, worker=ME)
    assert decide(build_view(claim), POLICY) == [Play(claim, game)]


@pytest.mark.parametrize("stage", [Stage.PICK, Stage.PICK_ELEMENT])
def test_decide__challenger_owes__waits_until_the_clock_has_run_out(stage):
    def decide_at(since: int):
        game = build_game(worker=ME, challenger=OTHER, stage=stage, since=since)
        return decide(build_view(build_claim(game, worker=ME)), POLICY)

    assert decide_at(NOW - 1_200) == []
    (intent,) = decide_at(NOW - 1_201)
    assert isinstance(intent, EndGame) and intent.move == moves.Timeout()


def test_decide__own_clock_run_out__wastes_no_gas():
    game = build_game(worker=ME, challenger=OTHER, since=NOW - 1_201)
    assert decide(build_view(build_claim(game, worker=ME)), POLICY) == []


def test_decide__several_games__the_least_time_first():
    games = [build_game(worker=ME, challenger=OTHER, since=NOW - age) for age in (100, 900, 500)]
    intents = decide(build_view(build_claim(*games, worker=ME)), POLICY)
    assert [NOW - intent.game.game.since for intent in intents] == [900, 500, 100]


def test_decide__window_over_and_no_game__finalises():
    claim = build_claim(worker=ME, challenge_deadline=NOW - 1)
    assert decide(build_view(claim), POLICY) == [Finalise(claim)]


def test_decide__window_open_or_game_open__does_not_finalise():
    game = build_game(worker=ME, challenger=OTHER, stage=Stage.PICK)
    for claim in (
        build_claim(worker=ME, challenge_deadline=NOW),
        build_claim(game, worker=ME, challenge_deadline=NOW - 1),
        build_claim(worker=ME, challenge_deadline=NOW - 1, status=ClaimStatus.SLASHED),
        build_claim(worker=OTHER, challenge_deadline=NOW - 1),
    ):
        assert decide(build_view(claim), POLICY) == []


def test_decide__money_owed__withdraws_before_it_trains():
    mine = build_task(status=TaskStatus.ASSIGNED, worker=ME, lease_end=NOW)
    view = build_view(mine, owed_rewards=1, owed_bonds=1)
    assert kinds(decide(view, POLICY)) == [WithdrawReward, WithdrawBond, Train]
