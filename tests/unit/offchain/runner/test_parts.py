"""The parts of an instruction, put together, are the whole."""

from collections import Counter
from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
import torch
from torch import Tensor

from offchain.kernels.instructions import execute, get_sources
from offchain.kernels.memory import Outside
from offchain.kernels.reading import to_torch
from offchain.runner.parts import Part, Period, Ranks, compute_part
from offchain.runner.sharding import ALL_REDUCE
from protocol.execution import compute_batch
from protocol.instructions import Instruction, Kind, Opcode, Operand, Source
from protocol.program import Program
from protocol.types import Dtype, StepIndex
from protocol.views import View, contiguous
from scripts.zoo import plain
from scripts.zoo.measure import capture_entry
from tests.disputes import SEED, make_dispute_program
from tests.programs import make_dataset, make_state
from tests.unit.offchain.kernels.samples import is_same

CPU = torch.device("cpu")
NOTHING = Outside((), ())


def take(whole: Tensor, period: int, ranks: Ranks) -> Tensor:
    parts = whole.reshape(-1, ranks.count, period // ranks.count)
    return parts[:, ranks.rank].reshape(-1).contiguous()


def put_together(parts: list[Part], outputs: list[Tensor], instruction: Instruction) -> Tensor:
    first = parts[0]
    assert {(p.period, p.is_partial, p.gathered) for p in parts} == {
        (first.period, first.is_partial, first.gathered)
    }
    if first.is_partial:
        return reduce(ALL_REDUCE[instruction.opcode], outputs)
    if first.period is None:
        assert all(is_same(output, outputs[0]) for output in outputs)
        return outputs[0]
    rows = [output.reshape(-1, first.period // len(parts)) for output in outputs]
    return torch.stack(rows, dim=1).reshape(instruction.shape)


def execute_parts(
    instruction: Instruction,
    sources: tuple[Tensor, ...],
    periods: tuple[Period, ...],
    outside: Outside,
    count: int,
) -> tuple[Tensor, Part]:
    """What so many processes compute together, and the first one's part."""
    parts, outputs = [], []
    for rank in range(count):
        ranks = Ranks(count, rank)
        part = compute_part(instruction, periods, ranks)
        own = tuple(
            source if period is None or gathered is not None else take(source, period, ranks)
            for source, period, gathered in zip(
                sources, periods, part.gathered or [None] * len(sources)
            )
        )
        batch = tuple(take(field, field.numel(), ranks) for field in outside.batch)
        parts.append(part)
        outputs.append(execute(part.instruction, own, Outside(outside.state, batch), CPU))
    return put_together(parts, outputs, instruction), parts[0]


def run_in_parts(program: Program, count: int) -> Counter[str]:
    """Compare every instruction of a step with the whole; what kinds of parts there were."""
    state = tuple(to_torch(tensor) for tensor in make_state(program))
    dataset = make_dataset(program, records=program.rows)
    batch = tuple(map(to_torch, compute_batch(program, dataset, SEED, StepIndex(0))))
    outside, met = Outside(state, batch), Counter[str]()
    outputs: list[Tensor] = []
    periods: list[Period] = []
    for operator, code in zip(program.operators, program.microcode):
        inputs = tuple(outputs[item.producer] for item in operator.inputs)
        before = [periods[item.producer] for item in operator.inputs]
        values: list[Tensor] = []
        own: list[Period] = []
        for instruction in code:
            sources = get_sources(instruction, values, inputs)
            read = tuple(
                (own if o.source is Source.INSTRUCTION else before)[o.index]
                for o in instruction.operands
            )
            values.append(execute(instruction, sources, outside, CPU))
            together, part = execute_parts(instruction, sources, read, outside, count)
            assert is_same(together.reshape(instruction.shape), values[-1]), instruction
            own.append(part.period)
            met["partial"] += part.is_partial
            met["split"] += part.period is not None
            met["gathered"] += any(part.gathered)
            met["refined"] += len(part.instruction.shape) > len(instruction.shape)
        outputs.append(values[-1])
        periods.append(own[-1])
    return met


@pytest.mark.parametrize("name", ["CNN", "U-Net", "LSTM", "TransformerEncoder, dropout"])
def test_compute_part__every_instruction_of_a_model__parts_make_the_whole(name: str) -> None:
    entry = next(entry for entry in plain.ENTRIES if entry.name == name)
    batch = entry.make_batch(torch.Generator().manual_seed(1))
    _, captured = capture_entry(entry, batch)
    met = run_in_parts(captured.program, count=2)
    assert met["partial"] > 20 and met["split"] > 100
    assert met["gathered"] == 0  # the rows of these models never need each other
    # Their time comes before their batch.
    assert (met["refined"] > 0) == (name in ("LSTM", "TransformerEncoder, dropout"))


def test_compute_part__every_kind_of_instruction__parts_make_the_whole() -> None:
    met = run_in_parts(make_dispute_program(), count=3)
    assert met["partial"] and met["split"]


def make_copy(source: tuple[int, ...], view: View) -> Instruction:
    operand = Operand(Source.INPUT, 0, Dtype.F32, int(np.prod(source)), view)
    return Instruction(Opcode.COPY, Dtype.F32, view.shape, (operand,))


def make_random_view(rng: np.random.Generator, shape: tuple[int, ...]) -> View:
    view = contiguous(shape).permute(tuple(rng.permutation(len(shape)).tolist()))
    for axis in range(len(shape)):
        choice = rng.random()
        if choice < 0.15:
            view = view.flip(axis)
        elif choice < 0.3:
            start = int(rng.integers(0, view.shape[axis]))
            view = view.slice(axis, start, view.shape[axis] - start)
        elif choice < 0.35:
            view = view.slice(axis, 0, -(-view.shape[axis] // 2), 2)
    if rng.random() < 0.3:
        view = view.expand((2, *view.shape))
    return view


@pytest.mark.parametrize("count", [2, 3, 4])
def test_compute_part__random_views__parts_make_the_whole(count: int) -> None:
    rng, met = np.random.default_rng(count), Counter[str]()
    for _ in range(400):
        shape = tuple(int(n) for n in rng.choice([1, 2, 3, count, 2 * count], size=3))
        axis = int(rng.integers(0, 3))
        period = int(np.prod(shape[axis:]))
        if shape[axis] % count:
            continue
        source = torch.arange(np.prod(shape), dtype=torch.float32)
        instruction = make_copy(shape, make_random_view(rng, shape))
        whole = execute(instruction, (source,), NOTHING, CPU)
        together, part = execute_parts(instruction, (source,), (period,), NOTHING, count)
        assert is_same(together.reshape(whole.shape), whole), (shape, period, instruction)
        met["split" if part.period is not None else "whole"] += 1
        met["gathered"] += part.gathered != (None,)
    assert met["split"] > 50 and met["whole"] > 30 and met["gathered"] >= met["whole"]


def test_compute_part__batch_against_itself__one_side_is_gathered() -> None:
    """As in a contrastive loss: every row meets every other."""
    x = torch.arange(4 * 6, dtype=torch.int32)
    left = Operand(Source.INPUT, 0, Dtype.I32, 24, View((4, 4), (6, 0)))
    right = replace(left, view=View((4, 4), (0, 6)))
    dot = Instruction(Opcode.DOT, Dtype.I64, (4, 4), (left, right), fold=6)
    together, part = execute_parts(dot, (x, x), (24, 24), NOTHING, count=2)
    assert torch.equal(together, execute(dot, (x, x), NOTHING, CPU))
    assert part.gathered == (None, 24) and part.period == 16 and dot.kind is Kind.FOLD


def test_compute_part__largest_accumulator_that_is_accepted__does_not_overflow() -> None:
    """Bits and length of (bA-1) + (bB-1) + ceil(log2 K) = 62, every product at its extreme."""
    length, largest = 2**18, 2**22 - 1
    x = torch.full((length,), largest, dtype=torch.int32)
    operand = Operand(Source.INPUT, 0, Dtype.I32, length, View((1,), (0,)))
    dot = Instruction(Opcode.DOT, Dtype.I64, (1,), (operand, operand), fold=length)
    together, part = execute_parts(dot, (x, x), (length, length), NOTHING, count=4)
    assert part.is_partial and int(together) == length * largest**2 > 2**61
