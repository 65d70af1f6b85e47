"""What a game of `protocol.game` remembers, whose time runs, and who gets the bond."""

from dataclasses import dataclass
from enum import IntEnum

from protocol import clock
from protocol.merkle import ZERO_VALUE
from protocol.types import (
    CHUNK_LENGTH,
    FOLD_MAX,
    INSTRUCTIONS_MAX,
    OPERATORS_MAX,
    PATH_MAX,
    REVEAL_DEPTH,
    SEGMENT_LENGTH_MAX,
    SEGMENTS_MAX,
    SLOTS_MAX,
    Root,
    Seconds,
    Seed,
    StepIndex,
    Wei,
    compute_ceil_log2,
)

WHOLE_BPS = 10_000  # basis points of a whole


class Level(IntEnum):
    """The vectors of a game, from the coarsest to the finest."""

    SEGMENT = 0
    STEP = 1
    SLOT = 2
    OPERATOR = 3
    INSTRUCTION = 4
    ELEMENT = 5
    CHUNK = 6


class Stage(IntEnum):
    """What is owed: PICK and PICK_ELEMENT by the challenger, the others by the worker."""

    REVEAL = 1
    PICK = 2
    EXPAND = 3
    REVEAL_LEAF = 4
    PICK_ELEMENT = 5
    PROVE = 6
    ENDED = 7


class Outcome(IntEnum):
    """How a game has ended."""

    NONE = 0
    WORKER_WON = 1
    CHALLENGER_WON = 2
    DROPPED = 3


# Tallest tree of each level.
HEIGHTS_MAX = {
    Level.SEGMENT: compute_ceil_log2(SEGMENTS_MAX),
    Level.STEP: compute_ceil_log2(SEGMENT_LENGTH_MAX),
    Level.SLOT: compute_ceil_log2(SLOTS_MAX),
    Level.OPERATOR: compute_ceil_log2(OPERATORS_MAX),
    Level.INSTRUCTION: compute_ceil_log2(INSTRUCTIONS_MAX),
    Level.ELEMENT: PATH_MAX,
    Level.CHUNK: compute_ceil_log2(FOLD_MAX // CHUNK_LENGTH),
}


def compute_rounds(height: int) -> int:
    """Picks that lead from a node to a leaf `height` below it."""
    return -(-height // REVEAL_DEPTH)


def compute_depth(height: int) -> int:
    """Generations that the next round goes down: all rounds that are left, as even as can be."""
    return -(-height // compute_rounds(height)) if height > 0 else 0


EXPANSIONS = len(Level) - 1
ROUNDS_MAX = sum(map(compute_rounds, HEIGHTS_MAX.values()))  # = 27
# A pick in each round; a reveal before each, unless an expansion shows the nodes; the expansions;
# the leaf and the element; the proof.
MOVES_MAX = 2 * ROUNDS_MAX + 3  # = 57
# Expansions to these levels make the worker execute again, and their first picks the challenger.
REEXECUTED = (Level.STEP, Level.OPERATOR, Level.INSTRUCTION)
# A worker's time to execute again grows with the games opened against its claim, up to so many.
COUNTED_GAMES_MAX = 2**4  # = 16


@dataclass(frozen=True)
class Preset:
    """What a deployment chooses."""

    worker_seconds: Seconds
    challenger_seconds: Seconds
    minimum_move_seconds: Seconds
    worker_award_bps: int


@dataclass(frozen=True)
class Subject:
    """What a game is about: a claim and the terms of its task."""

    worker: str
    claim_root: Root
    program_root: Root
    genesis_root: Root
    dataset_root: Root
    seed: Seed
    records: int
    segments: int
    segment_length: int
    reexecution_seconds: Seconds
    bond: Wei  # of each of its games


@dataclass(frozen=True)
class Game:
    """One game. `index` is the contested node's place at `height` above its vector's leaves."""

    preset: Preset
    subject: Subject
    challenger: str
    node: Root
    count: int  # leaves of the level's vector
    height: int
    since: Seconds
    worker_left: Seconds
    challenger_left: Seconds
    stage: Stage
    level: Level = Level.SEGMENT
    outcome: Outcome = Outcome.NONE
    move: int = 0  # moves made so far
    index: int = 0
    indices: tuple[int, ...] = (0,) * len(Level)  # contested leaves; the element for ELEMENT
    posted: Root = ZERO_VALUE  # digest of the roots posted so far, `moves.Posted`
    size: int = 0  # elements of the contested tensor
    dtype: int = 0
    chunks: int = 0  # accumulators of one element's fold; 1 where there is no level CHUNK
    claim_slashed: bool = False
    opened: int = 1  # games opened against the claim so far, counted up to COUNTED_GAMES_MAX

    @property
    def depth(self) -> int:
        """Generations that the round goes down."""
        return compute_depth(self.height)

    @property
    def step(self) -> StepIndex:
        """The contested step since genesis, once it is known."""
        segment, step = self.indices[Level.SEGMENT], self.indices[Level.STEP]
        return StepIndex(segment * self.subject.segment_length + step)

    def is_expanded(self) -> bool:
        """Whether an expansion has shown the nodes that are owed a pick, and no reveal."""
        untouched = self.height == compute_ceil_log2(self.count)
        return self.stage is Stage.PICK and self.level > Level.SEGMENT and untouched

    def is_challenger_owing(self) -> bool:
        """Whether the challenger owes the move; otherwise the worker, until the game has ended."""
        return self.stage in (Stage.PICK, Stage.PICK_ELEMENT)


# --- Clocks and money -----------------------------------------------------------------------------


def compute_extra(game: Game) -> Seconds:
    """Uncharged time of the owed move, where the party has to execute again.

    A challenger plays one game against a claim. The worker plays all of them and may have to
    execute once for each before it gets to this one.
    """
    seconds = game.subject.reexecution_seconds
    if game.stage is Stage.EXPAND and game.level + 1 in REEXECUTED:
        return Seconds(seconds * game.opened)
    return seconds if game.is_expanded() and game.level in REEXECUTED else Seconds(0)


def compute_allowance(game: Game) -> Seconds:
    """Time from `since` that the owed move has."""
    left = game.challenger_left if game.is_challenger_owing() else game.worker_left
    return clock.compute_allowance(left, game.preset.minimum_move_seconds, compute_extra(game))


def compute_deadline(game: Game) -> Seconds:
    """The last second at which the owed move can be made; 0 when the game has ended."""
    return Seconds(0 if game.stage is Stage.ENDED else game.since + compute_allowance(game))


def compute_max_duration(preset: Preset, reexecution_seconds: Seconds) -> Seconds:
    """Time after which anybody can end a game, whatever both sides do (G5)."""
    budgets = preset.worker_seconds + preset.challenger_seconds
    extras = len(REEXECUTED) * (COUNTED_GAMES_MAX + 1) * reexecution_seconds
    return Seconds(budgets + MOVES_MAX * preset.minimum_move_seconds + extras)


def compute_settlement(preset: Preset, bond: Wei, outcome: Outcome) -> tuple[Wei, Wei, Wei]:
    """(to the worker, to the challenger, burned) of the bond of a game that has ended so."""
    if outcome is not Outcome.WORKER_WON:
        return Wei(0), bond, Wei(0)
    award = Wei(bond * preset.worker_award_bps // WHOLE_BPS)
    return award, Wei(0), Wei(bond - award)
