"""Runs to dispute about: a program that reaches every level, and a tiny one."""

import random
from functools import cache

from protocol.game import Game, Preset, Subject
from protocol.instructions import Kind
from protocol.program import Field, Program, Slot
from protocol.types import CHUNK_LENGTH, Dtype, Seconds, Seed, Wei
from tests.evidence import Lie, Run, SpecEvidence, compute_genesis_root
from tests.programs import FLOAT, INTEGER, Draft, make_dataset, make_state, to_pattern

WORKER, CHALLENGER, STRANGER = "worker", "challenger", "stranger"
SEED = Seed(bytes(range(32)))
PRESET = Preset(
    worker_seconds=Seconds(600),
    challenger_seconds=Seconds(300),
    minimum_move_seconds=Seconds(20),
    worker_award_bps=6_000,
)
BOND = Wei(1_001)
REEXECUTION_SECONDS = Seconds(120)

LONG = 300  # a fold of two chunks
LENGTHY = 8_500  # a tensor of 34 leaves, and a fold of 34 chunks: two rounds each
SCALARS = 30  # enough slots and operators for two rounds


def make_dispute_program() -> Program:
    """Every level with two rounds where the specification is fast enough for it."""
    draft = Draft()
    slots: list[Slot] = []

    def keep(name: str, dtype: Dtype, shape: tuple[int, ...], producer: int) -> None:
        slots.append(Slot(name, dtype, shape, producer))

    weight = draft.add("load_state", slot=0, shape=(LONG, 2), dtype=FLOAT)
    counter = draft.add("load_state", slot=1, shape=(), dtype=INTEGER)
    lengthy = draft.add("load_state", slot=2, shape=(LENGTHY,), dtype=FLOAT)
    x = draft.add("load_batch", field=0, shape=(3, LONG), dtype=FLOAT)
    index = draft.add("load_batch", field=1, shape=(3, 2), dtype=INTEGER)
    bits = {"bits_a": 15, "bits_b": 15}
    product = draft.add("matmul", x, weight, **bits)
    activated = draft.add("gelu", product)
    shares = draft.add("softmax", activated)
    logs = draft.add("log_softmax", product)
    back = draft.add("mul", shares, logs)
    gradient = draft.add("matmul", (x, draft.get_view(x).permute((1, 0))), back, **bits)
    updated = draft.add("sub", weight, gradient)
    keep("weight", Dtype.F32, (LONG, 2), updated)

    mask = draft.add("full", value=2**20 - 1, shape=(), dtype=INTEGER)
    one = draft.add("full", value=1, shape=(), dtype=INTEGER)
    counted = draft.add("int_add", draft.add("bitwise_and", counter, mask), one)
    keep("counter", Dtype.I32, (), counted)
    half = draft.add("full", value=to_pattern(0.5), shape=(), dtype=FLOAT)
    shrunk = draft.add("mul", lengthy, half)
    keep("lengthy", Dtype.F32, (LENGTHY,), shrunk)

    rows = draft.add("embedding", (weight, draft.get_view(weight).slice(0, 0, 50)), index)
    flat = draft.get_view(rows).reshape((6, 2)), draft.get_view(index).reshape((6,))
    added = draft.add("index_add", (index, flat[1]), (rows, flat[0]), rows=100)
    keep("added", Dtype.F32, (100, 2), added)
    positions = draft.add("arange", shape=(4, 2), axis=0)
    joined = draft.add("cat", positions, index, axis=0)
    keep("joined", Dtype.I32, (7, 2), joined)
    drawn = draft.add("random", counter, shape=(2, 5), key_0=7, key_1=9)
    keep("drawn", Dtype.I32, (2, 5), drawn)
    total = draft.add("sum", lengthy)
    keep("total", Dtype.F32, (), total)
    largest = draft.add("amax", lengthy)
    keep("largest", Dtype.F32, (), largest)
    for number in range(SCALARS):
        scalar = draft.add("load_state", slot=len(slots), shape=(), dtype=FLOAT)
        scaled = draft.add("add", scalar, half)
        keep(f"scalar {number}", Dtype.F32, (), scaled)
    return Program(
        slots=tuple(slots),
        fields=(Field("x", Dtype.F32, (LONG,), LONG), Field("index", Dtype.I32, (2,), 2)),
        rows=3,
        operators=tuple(draft.operators),
    )


def make_tiny_program() -> Program:
    """One slot, one operator, one instruction, one element: every tree is a single leaf."""
    draft = Draft()
    value = draft.add("load_state", slot=0, shape=(), dtype=INTEGER)
    fields = (Field("unread", Dtype.F32, (1,), 1),)
    return Program((Slot("value", Dtype.I32, (), value),), fields, 1, tuple(draft.operators))


@cache
def make_run(segments: int = 3, segment_length: int = 3) -> Run:
    program = make_dispute_program()
    dataset = make_dataset(program, records=11)
    return Run(program, dataset, make_state(program), SEED, segments, segment_length)


@cache
def make_tiny_run() -> Run:
    program = make_tiny_program()
    return Run(program, make_dataset(program, records=1), make_state(program), SEED, 1, 1)


@cache
def make_truth(run: Run) -> SpecEvidence:
    return SpecEvidence(run)


def make_subject(evidence: SpecEvidence, worker: str = WORKER) -> Subject:
    """What a game about a claim of this run is about."""
    run = evidence.run
    return Subject(
        worker=worker,
        claim_root=evidence.claim_tree().root,
        program_root=run.program.root,
        genesis_root=compute_genesis_root(run),
        dataset_root=run.dataset.root,
        seed=run.seed,
        records=run.dataset.records,
        segments=run.segments,
        segment_length=run.segment_length,
        reexecution_seconds=REEXECUTION_SECONDS,
        bond=BOND,
    )


def get_inside(game: Game) -> list[int]:
    """The children of the contested node that hold more than padding."""
    first, below = game.index << game.depth, game.height - game.depth
    return [c for c in range(2**game.depth) if (first + c) << below < game.count]


def make_lies(run: Run, rng: random.Random, count: int) -> list[Lie]:
    places: dict[str, list[tuple[int, int]]] = {}
    for j, microcode in enumerate(run.program.microcode):
        for m, instruction in enumerate(microcode):
            places.setdefault(instruction.opcode.name, []).append((j, m))
    lies = []
    for _ in range(count):
        operator, number = rng.choice(places[rng.choice(sorted(places))])
        instruction = run.program.microcode[operator][number]
        chunks = -(-instruction.fold // CHUNK_LENGTH) if instruction.kind is Kind.FOLD else 1
        # The lowest bits of an accumulator are rounded away, and the lie with them.
        lowest = 20 if instruction.dtype is Dtype.I64 else 0
        bits = 1 << rng.randrange(lowest, instruction.dtype.size_bytes * 8)
        lies.append(
            Lie(
                rng.randrange(run.steps),
                operator,
                number,
                rng.randrange(instruction.size),
                bits,
                rng.randrange(chunks),
            )
        )
    return lies
