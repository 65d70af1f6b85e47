"""The worker's decisions, each beside the case in which it decides otherwise."""

import pytest

from offchain.agents.intents import (
    EndGame,
    ExpireLease,
    Finalise,
    Measure,
    OpenLeaf,
    Play,
    Publish,
    Report,
    ServeAgain,
    Take,
    Train,
    Void,
    WithdrawBond,
    WithdrawReward,
)
from offchain.agents.views import DutyView
from offchain.agents.worker_policy import Known, WorkerPolicy, decide, find_misfit
from offchain.chain.records import ClaimStatus, Share
from offchain.runner.speed import Speed
from protocol import moves
from protocol.game_state import Stage
from tests.agent_views import (
    DRAW,
    ME,
    NO_DRAW,
    NOW,
    OTHER,
    ROOT,
    RULES,
    SPEED,
    build_claim,
    build_game,
    build_lease,
    build_question,
    build_task,
    build_view,
)

POLICY = WorkerPolicy(reward_min=5, stake_max=5, lease_seconds_min=60)
KNOWN = Known(speeds={ROOT: SPEED})


def kinds(intents) -> list[type]:
    return [type(intent) for intent in intents]


def test_decide__acceptable_offer__takes_it_for_what_it_offers():
    assert decide(build_view(build_task()), POLICY, KNOWN) == [Take(build_task(), 10)]


@pytest.mark.parametrize(
    "changes",
    [
        {"max_reward": 4},
        {"stake": 6},
        {"lease_seconds": 59},
        {"expiry": NOW - 1},
        {"submitter": ME},
        {"had_lease": True},
        {"attestations": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_decide__offer_outside_the_policy__is_left(changes):
    assert decide(build_view(build_task(**changes)), POLICY, KNOWN) == []


def test_decide__attestations__are_counted_against_the_auditors_there_are():
    task = build_task(attestations=2)
    assert decide(build_view(task, auditors=1), POLICY, KNOWN) == []
    assert kinds(decide(build_view(task, auditors=2), POLICY, KNOWN)) == [Take]


def test_decide__split__only_the_workers_part_counts():
    # Of 10 a share of 5,001 basis points takes 5, rounded down; of 6,000 it takes 6.
    enough = build_task(shares=(Share(OTHER, 5_001),))
    assert kinds(decide(build_view(enough), POLICY, KNOWN)) == [Take]
    assert decide(build_view(build_task(shares=(Share(OTHER, 6_000),))), POLICY, KNOWN) == []


def test_decide__auction__waits_until_it_has_come_to_the_least_reward():
    task = build_task(min_reward=1, max_reward=11, auction_seconds=100, posted_at=NOW)
    for elapsed, reward in ((39, None), (40, 5), (99, 10), (100, 11)):
        intents = decide(build_view(task, now=NOW + elapsed), POLICY, KNOWN)
        assert intents == ([] if reward is None else [Take(task, reward)])


def test_decide__unknown_program__is_measured_before_it_is_taken():
    task = build_task(min_reward=1, max_reward=11, auction_seconds=100, posted_at=NOW)
    assert decide(build_view(task), POLICY) == [Measure(task)]


@pytest.mark.parametrize(
    ("changes", "speed", "said"),
    [
        # 4 steps and 4 states in 60 + 60 seconds, twice.
        ({}, Speed(14.0, 1.1, 1.0), "a move of a game takes 60.4 s"),
        ({}, Speed(1.0, 0.1, 61.0), "a move of a game takes 61 s"),
        ({"reexecution_seconds": 600, "heartbeat_seconds": 79}, Speed(9.9, 0.1, 1), "a segment"),
        ({"reexecution_seconds": 600, "lease_seconds": 399}, Speed(9.9, 0.4, 1), "the run"),
    ],
    ids=["segment", "trace", "heartbeat", "lease"],
)
def test_decide__machine_too_slow_for_the_task__is_left(changes, speed, said):
    task = build_task(**changes)
    known = Known(speeds={ROOT: speed})
    assert decide(build_view(task), POLICY, known) == []
    assert find_misfit(task, speed, RULES).startswith(said)


def test_decide__machine_just_fast_enough__takes_it():
    known = Known(speeds={ROOT: Speed(14.0, 1.0, 60.0)})
    assert kinds(decide(build_view(build_task()), POLICY, known)) == [Take]


def test_decide__refused_or_slashed_before__is_left():
    view = build_view(build_task())
    assert decide(view, POLICY, Known(frozenset({1}), {ROOT: SPEED})) == []
    assert decide(build_view(build_task(), slashed=frozenset({1})), POLICY, KNOWN) == []


def test_decide__own_lease__trains_and_takes_no_more_than_allowed():
    mine = build_lease(id=2)
    view = build_view(build_task(), mine)
    assert decide(view, POLICY, KNOWN) == [Train(mine)]
    assert kinds(decide(view, WorkerPolicy(tasks_max=2), KNOWN)) == [Train, Take]


def test_decide__lease_or_heartbeat_over__frees_the_stake_and_does_not_train():
    for end in ("lease_end", "heartbeat_end"):
        late = build_lease(**{end: NOW - 1})
        assert decide(build_view(late), POLICY, KNOWN) == [ExpireLease(late)]
        on_time = build_lease(**{end: NOW})
        assert decide(build_view(on_time), POLICY, KNOWN) == [Train(on_time)]


def test_decide__lease_of_another__is_ended_where_the_task_is_wanted():
    late = build_lease(worker=OTHER, heartbeat_end=NOW - 1)
    assert decide(build_view(late), POLICY, KNOWN) == [ExpireLease(late)]
    assert decide(build_view(late), WorkerPolicy(reward_min=11), KNOWN) == []
    assert decide(build_view(build_lease(worker=OTHER)), POLICY, KNOWN) == []


def test_decide__half_of_the_heartbeat_over__reports_progress():
    def decide_with(done: int, **changes):
        known = Known(speeds={ROOT: SPEED}, done={1: done})
        return kinds(decide(build_view(build_lease(**changes)), POLICY, known))

    soon, late = NOW + 199, NOW + 99
    assert decide_with(2, heartbeat_end=NOW + 200) == [Train]
    assert decide_with(2, heartbeat_end=soon) == [Report, Train]
    # The root over one segment is a state root: it is shown only when nothing else is there.
    assert decide_with(1, heartbeat_end=soon) == [Train]
    assert decide_with(1, heartbeat_end=late) == [Report, Train]
    # Nothing new, or nothing to gain.
    assert decide_with(2, heartbeat_end=late, progress=2) == [Train]
    assert decide_with(2, heartbeat_end=late, lease_end=late) == [Train]


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


def test_decide__drawn_claim__publishes_then_opens():
    def decide_at(now: int, known: Known = KNOWN):
        duty = DutyView(DRAW, starts=(0, 2), unopened=(3,))
        return decide(build_view(build_claim(worker=ME, duty=duty), now=now), POLICY, known)

    (intent,) = decide_at(DRAW.commit_deadline)
    assert isinstance(intent, Publish) and intent.segments == (0, 2)
    (intent,) = decide_at(DRAW.commit_deadline, Known(published=frozenset({(1, 0)})))
    assert intent.segments == (2,)
    assert decide_at(DRAW.commit_deadline, Known(published=frozenset({(1, 0), (1, 2)}))) == []
    (intent,) = decide_at(DRAW.commit_deadline + 1)
    assert isinstance(intent, OpenLeaf) and intent.segment == 3
    assert decide_at(DRAW.open_deadline + 1) == []


def test_decide__leaf_and_game__the_deadline_that_comes_first():
    game = build_game(worker=ME, challenger=OTHER, since=NOW - 1_235)
    duty = DutyView(DRAW, unopened=(3,))
    for since, expected in ((NOW - 1_100, [OpenLeaf, Play]), (NOW - 1_180, [Play, OpenLeaf])):
        game = build_game(worker=ME, challenger=OTHER, since=since)
        view = build_view(build_claim(game, worker=ME, duty=duty), now=DRAW.commit_deadline + 1)
        assert kinds(decide(view, POLICY)) == expected


def test_decide__nobody_attests__serves_again_then_gives_up():
    def decide_with(now: int = NOW, **changes):
        duty = DutyView(NO_DRAW, question=build_question(**changes))
        return kinds(decide(build_view(build_claim(worker=ME, duty=duty), now=now), POLICY))

    assert decide_with(deadline=NOW) == []
    assert decide_with() == [ServeAgain]
    assert decide_with(settled=True) == []
    # The last round, or too late to serve: void only behind the challenge deadline.
    for changes in ({"round": 2}, {"deadline": NOW - 51}):
        assert decide_with(**changes) == []
        assert decide_with(now=NOW + 101, **changes) == [Void]


def test_decide__window_over_and_no_game__finalises():
    claim = build_claim(worker=ME, challenge_deadline=NOW - 1)
    assert decide(build_view(claim), POLICY) == [Finalise(claim)]


def test_decide__result_not_attested__does_not_finalise():
    for settled, expected in ((False, []), (True, [Finalise])):
        question = build_question(deadline=NOW, settled=settled)
        duty = DutyView(NO_DRAW, question=question)
        claim = build_claim(worker=ME, challenge_deadline=NOW - 1, duty=duty)
        assert kinds(decide(build_view(claim), POLICY)) == expected


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
    view = build_view(build_lease(), owed_rewards=1, owed_bonds=1)
    assert kinds(decide(view, POLICY)) == [WithdrawReward, WithdrawBond, Train]
