"""Disputes about models of the zoo: one lie somewhere in a step, decided by the real contracts."""

import random
from dataclasses import dataclass

import boa
import numpy as np
import torch

from offchain.agents.faults import WrongElement
from offchain.runner.evidence import Evidence
from protocol.execution import Dataset
from protocol.game import Level, Outcome
from protocol.program import Program
from protocol.types import Dtype, Seed
from scripts.zoo.entry import Batch, Entry
from scripts.zoo.measure import capture_entry
from tests.evidence import Run
from tests.game_table import lay_table

SEED = Seed(bytes(range(32)))
SEGMENTS, SEGMENT_LENGTH = 1, 2
BATCHES = 3  # that the dataset is made of
GAS_MAX = 16_700_000  # of a transaction


class RunnerEvidence(Evidence):
    """The runner's evidence, with what the game's table asks about the run."""

    def __init__(self, run: Run, strategy: WrongElement | None = None):
        super().__init__(
            run.program,
            run.dataset,
            run.genesis,
            run.seed,
            run.segments,
            run.segment_length,
            strategy=strategy,
        )
        self.run = run


@dataclass(frozen=True)
class Decided:
    """How the two games about one place ended."""

    place: WrongElement
    liar_lost: bool
    came_to: tuple[int, int, int, int]  # step, operator, instruction, element
    accused_won: bool
    gas_max: int  # of a transaction


def make_run(entry: Entry) -> Run:
    """A short run of a model on what its batches are made of."""
    generator = torch.Generator().manual_seed(1)
    batches = [entry.make_batch(generator) for _ in range(BATCHES)]
    _, captured = capture_entry(entry, batches[0])
    fields = tuple(_join(batches, name) for name in batches[0])
    dataset = Dataset(fields, BATCHES * captured.program.rows)
    return Run(captured.program, dataset, captured.genesis, SEED, SEGMENTS, SEGMENT_LENGTH)


def _join(batches: list[Batch], name: str) -> np.ndarray:
    values = torch.cat([batch[name] for batch in batches]).reshape(-1).numpy()
    return values if values.dtype == np.float32 else values.astype(np.int32)


def choose_lie(program: Program, rng: random.Random) -> WrongElement:
    """One element of one instruction of a random operator in a random step."""
    operator = rng.randrange(len(program.operators))
    number = rng.randrange(len(program.microcode[operator]))
    code = program.microcode[operator][number]
    # Low bits of an accumulator are rounded away; half of a float's fraction is not.
    bit = {Dtype.F32: 22, Dtype.I32: 0, Dtype.I64: 24}[code.dtype]
    element = rng.randrange(code.size)
    step = rng.randrange(SEGMENTS * SEGMENT_LENGTH)
    return WrongElement(program, step, operator, number, element, bit)


def dispute(run: Run, truth: RunnerEvidence, lie: WrongElement) -> Decided | None:
    """Both games: the liar challenged, and the honest worker challenged by who holds the lie.

    None where the lie changes no state: it is of something that the rest of the run masks.
    """
    liar = RunnerEvidence(run, lie)
    if liar.claim_tree().root == truth.claim_tree().root:
        return None
    with boa.env.anchor():
        table = lay_table(liar)
        game_id = table.open()
        lost = table.play_out(game_id, truth) is Outcome.CHALLENGER_WON
        game, gas = table.games[game_id], table.gas
        operator, instruction, element = game.indices[Level.OPERATOR : Level.CHUNK]
        came_to = game.step, operator, instruction, element
    with boa.env.anchor():
        table = lay_table(truth)
        won = table.play_out(table.open(), liar) is Outcome.WORKER_WON
    return Decided(lie, lost, came_to, won, max(used for _, used in [*gas, *table.gas]))


def check_disputes(entry: Entry, lies: int, seed: int = 0) -> None:
    """So many lies that change a state, each in an operator of its own."""
    run, rng = make_run(entry), random.Random(seed)
    truth, decided, met = RunnerEvidence(run), 0, set[int]()
    while decided < lies:
        lie = choose_lie(run.program, rng)
        if lie.operator in met:
            continue
        met.add(lie.operator)
        result = dispute(run, truth, lie)
        if result is None:
            continue
        decided += 1
        words = run.program.describe(lie.operator)
        assert result.came_to == (lie.step, lie.operator, lie.instruction, lie.element), words
        assert result.liar_lost and result.accused_won, words
        assert result.gas_max < GAS_MAX, words
