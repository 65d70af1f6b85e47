"""Time in games: every play of a small game, and workers that execute one thing after the other.

A play is a list of turns: how long who owes the move waits, whether a flood of other games opens
before it, and which move it is. Only waits at the edges matter: none, all the time that is free of
charge and not, and everything up to the last second.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from heapq import heappop, heappush

import boa
import pytest

from protocol import moves, verifier
from protocol.clock import is_expired
from protocol.game import (
    Game,
    Level,
    Outcome,
    Stage,
    compute_allowance,
    compute_deadline,
    compute_max_duration,
    process_game_opened,
    process_move,
    process_open,
)
from protocol.game_state import COUNTED_GAMES_MAX, REEXECUTED, compute_extra
from protocol.refusals import ZeroPadding
from protocol.strategy import build_pick, compute_worker_move
from protocol.types import Seconds
from tests.disputes import (
    CHALLENGER,
    PRESET,
    REEXECUTION_SECONDS,
    STRANGER,
    WORKER,
    make_subject,
    make_tiny_program,
    make_tiny_run,
    make_truth,
)
from tests.evidence import Run, SpecEvidence
from tests.game_table import lay_table

START = Seconds(1_000)
SEGMENTS, SEGMENT_LENGTH = 3, 2  # a padding leaf among the segments
FLOOD = COUNTED_GAMES_MAX - 1  # other games


@dataclass(frozen=True)
class Turn:
    """One move of a play."""

    flood: bool
    wait: int  # seconds; beyond the allowance it is a timeout
    move: moves.Move


@cache
def make_small_run() -> Run:
    tiny = make_tiny_run()
    program = make_tiny_program()
    return replace(tiny, program=program, segments=SEGMENTS, segment_length=SEGMENT_LENGTH)


class Search:
    """The longest play from a state on; what a state was reached by does not matter."""

    def __init__(self, claimed: SpecEvidence):
        self.claimed = claimed
        self.longest: dict[Game, tuple[int, tuple[Turn, ...]]] = {}
        self.met: Counter[str] = Counter()

    def compute_longest(self, game: Game) -> tuple[int, tuple[Turn, ...]]:
        """(seconds until the end, turns)."""
        if game.stage is Stage.ENDED:
            self.met[game.outcome.name] += 1
            return 0, ()
        game = replace(game, since=START)  # only differences of times count
        if game not in self.longest:
            self.longest[game] = max(self._follow(game), key=lambda play: play[0])
        return self.longest[game]

    def _follow(self, game: Game) -> Iterator[tuple[int, tuple[Turn, ...]]]:
        # Of plays as long as each other the first counts: the flood as early as can be, because
        # the escrow closes its window.
        for flood in (True, False) if game.opened == 1 else (False,):
            now = flood_game(game) if flood else game
            allowance = compute_allowance(now)
            late = process_move(
                now, moves.Timeout(), STRANGER, Seconds(START + allowance + 1), verifier
            )
            self.compute_longest(late)
            yield allowance + 1, (Turn(flood, allowance + 1, moves.Timeout()),)
            extra = compute_extra(now)
            for wait in sorted({0, extra, extra + 1, allowance}):
                for move in self._get_moves(now):
                    caller = CHALLENGER if now.is_challenger_owing() else WORKER
                    try:
                        after = process_move(now, move, caller, Seconds(START + wait), verifier)
                    except ZeroPadding:
                        self.met["padding"] += 1
                        continue
                    self.met[f"{now.level.name} {now.stage.name}"] += 1
                    seconds, turns = self.compute_longest(after)
                    yield wait + seconds, (Turn(flood, wait, move), *turns)

    def _get_moves(self, game: Game) -> list[moves.SideMove]:
        if game.stage is Stage.PICK:
            shown = self._get_shown(game)
            return [build_pick(game, child, shown) for child in range(2**game.depth)]
        if game.stage is Stage.PICK_ELEMENT:
            return [moves.PickElement(game.move, 0)]
        owed = compute_worker_move(game, self.claimed)
        assert owed is not None
        return [owed]

    def _get_shown(self, game: Game) -> list[moves.Root]:
        tree = self.claimed.claim_tree()
        if game.level is Level.STEP:
            tree = self.claimed.step_tree(game.indices[Level.SEGMENT])
        assert game.level <= Level.STEP, "all other vectors have one leaf"
        return tree.get_descendants(game.height, game.index, game.depth)


def flood_game(game: Game) -> Game:
    """As many other games as count are opened against the claim."""
    for _ in range(FLOOD):
        game = process_game_opened(game)
    return game


@cache
def search() -> tuple[Search, int, tuple[Turn, ...]]:
    claimed = make_truth(make_small_run())
    found = Search(claimed)
    subject = make_subject(claimed)
    opened = process_open(PRESET, subject, subject.claim_root, CHALLENGER, START)
    return found, *found.compute_longest(opened)


def test_duration__every_play_of_a_small_game__is_within_the_bound() -> None:
    found, longest, turns = search()
    for stage in ("SEGMENT REVEAL", "SEGMENT PICK", "STEP PICK", "ELEMENT PROVE", "padding"):
        assert found.met[stage] > 0, stage
    for level in Level:
        assert level >= Level.ELEMENT or found.met[f"{level.name} EXPAND"] > 0, level
    assert found.met[Outcome.WORKER_WON.name] > 0 and found.met[Outcome.CHALLENGER_WON.name] > 0
    assert len(found.longest) > 200
    # The worst play makes all eleven moves, each side's first one with its whole budget, or is
    # late with the last; every expansion that executes has the time of the whole flood.
    assert len(turns) == 11 and [turn.flood for turn in turns].count(True) == 1
    budgets = PRESET.worker_seconds + PRESET.challenger_seconds
    minima = (len(turns) - 2) * PRESET.minimum_move_seconds
    # Picks: of the step only, the traces have one leaf.
    executions = (len(REEXECUTED) * COUNTED_GAMES_MAX + 1) * REEXECUTION_SECONDS
    assert longest == budgets + minima + executions + 1  # the second after the last
    assert longest <= compute_max_duration(PRESET, REEXECUTION_SECONDS)


def test_duration__worst_play__is_the_same_on_chain() -> None:
    _, longest, turns = search()
    with boa.env.anchor():
        table = lay_table(make_truth(make_small_run()))
        game_id, opened = table.open(), boa.env.timestamp
        for turn in turns:
            game = table.games[game_id]
            if turn.flood:
                for _ in range(FLOOD):
                    table.open(boa.env.generate_address())
                game = table.games[game_id]
            boa.env.timestamp = game.since + turn.wait
            late = is_expired(game.since, Seconds(boa.env.timestamp), compute_allowance(game))
            assert late == isinstance(turn.move, moves.Timeout)
            if not late:
                assert table.play(game_id, moves.Timeout(), table.worker) == "clock: not expired"
            caller = game.challenger if game.is_challenger_owing() else table.worker
            assert table.play(game_id, turn.move, caller) == ""
        assert table.games[game_id].stage is Stage.ENDED
        assert boa.env.timestamp - opened == longest
        assert longest <= table.contract.max_duration(REEXECUTION_SECONDS)


# --- One thing after the other --------------------------------------------------------------------


class Bench:
    """A worker with one machine: executions in the order in which they are asked for, each as
    long as the task pays for, nothing kept."""

    def __init__(self, claimed: SpecEvidence, rng: random.Random):
        self.claimed, self.rng = claimed, rng
        self.games: dict[int, Game] = {}
        self.free = 0  # when the machine is
        self.events: list[tuple[int, int, bool]] = []  # time, game, whether to execute or to move
        self.executions = 0

    def play(self, openings: list[int]) -> int:
        """How often the worker was late."""
        self.events = [(time, number, False) for number, time in enumerate(sorted(openings))]
        late = 0
        while self.events:
            now, number, executed = heappop(self.events)
            if number not in self.games:
                self._open(number, now)
            elif not executed:
                self._make(number, now)
            elif now > compute_deadline(self.games[number]):
                late += 1
                continue
            else:
                self._make(number, now)
            self._plan(number, now)
        return late

    def _open(self, number: int, now: int) -> None:
        for other, game in self.games.items():
            self.games[other] = process_game_opened(game)
        subject, before = make_subject(self.claimed), len(self.games)
        challenger = f"{CHALLENGER} {number}"
        self.games[number] = process_open(
            PRESET, subject, subject.claim_root, challenger, Seconds(now), before
        )

    def _plan(self, number: int, now: int) -> None:
        """The game's next move: at once, after an execution, or when its challenger likes to."""
        game = self.games[number]
        if game.stage is Stage.ENDED:
            return
        if game.is_challenger_owing():
            wait = self.rng.choice([0, 1, compute_deadline(game) - now])
            heappush(self.events, (now + wait, number, False))
        elif game.stage is Stage.EXPAND and game.level + 1 in REEXECUTED:
            self.executions += 1
            self.free = max(self.free, now) + REEXECUTION_SECONDS
            heappush(self.events, (self.free, number, True))
        else:
            heappush(self.events, (now, number, False))

    def _make(self, number: int, now: int) -> None:
        game = self.games[number]
        move: moves.Move | None
        if game.is_challenger_owing():
            move = moves.PickElement(game.move, 0)
        else:
            move = compute_worker_move(game, self.claimed)
        assert move is not None
        caller = game.challenger if game.is_challenger_owing() else WORKER
        self.games[number] = process_move(game, move, caller, Seconds(now), verifier)


def count_late(games: int, seed: int, all_at_once: bool = False) -> tuple[int, int]:
    """(times late, executions) of a worker without a second of its budget left over."""
    rng = random.Random(seed)
    bench = Bench(make_truth(make_tiny_run()), rng)
    spread = 1 if all_at_once else rng.choice([1, 2, 60, 400, 3_000])
    late = bench.play([START + rng.randrange(spread) for _ in range(games)])
    return late, bench.executions


@pytest.mark.parametrize("games", [1, 2, 5, COUNTED_GAMES_MAX])
def test_executions__one_after_the_other__are_in_time(games: int) -> None:
    executions = 0
    for seed in range(40):
        late, executed = count_late(games, seed)
        assert late == 0
        executions += executed
    assert executions == 40 * games * len(REEXECUTED)


def test_executions__more_games_at_once_than_count__can_be_late() -> None:
    """The limit of what is promised, and that the test above could fail."""
    budget = PRESET.worker_seconds // REEXECUTION_SECONDS
    late, _ = count_late(3 * (COUNTED_GAMES_MAX + budget), 0, all_at_once=True)
    assert late > 0
