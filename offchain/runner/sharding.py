"""A step computed in shards, with exact reductions: why the number of devices cannot change a bit.

Every map and every fold of the microcode is split along its leading axis, as a batch is split
over devices, and every fold along its fold axis too, as a contraction over a split batch is. The
partial folds are combined as an all-reduce would: integers by addition, maxima by maximum. Both
are exact, and neither depends on order.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor

from offchain.kernels.instructions import execute, get_sources
from offchain.kernels.maps import canonicalize, maximum
from offchain.kernels.memory import Outside
from offchain.runner.plan import Tensors
from protocol.instructions import LEGALITY, Instruction, Kind, Opcode, Operand
from protocol.program import Program

Combine = Callable[[Tensor, Tensor], Tensor]

ALL_REDUCE: dict[Opcode, Combine] = {
    Opcode.DOT: torch.add,
    Opcode.SUM: torch.add,
    Opcode.MATCH_SUM: torch.add,
    Opcode.MAXIMUM: lambda a, b: canonicalize(maximum(a, b)),
    Opcode.ABSMAX: lambda a, b: canonicalize(maximum(a, b)),
}


def compute_parts(length: int, shards: int) -> list[tuple[int, int]]:
    """(start, length) of each shard of an axis, as equal as can be; none is empty."""
    shards = min(shards, length)
    ends = [length * i // shards for i in range(shards + 1)]
    return [(start, end - start) for start, end in zip(ends, ends[1:])]


def split_rows(instruction: Instruction, shards: int) -> list[Instruction]:
    """The instruction over parts of its leading axis; position-dependent ones stay whole."""
    if instruction.kind is Kind.MEMORY or not instruction.shape:
        return [instruction]
    return [
        replace(
            instruction,
            shape=(length, *instruction.shape[1:]),
            operands=tuple(
                replace(operand, view=operand.view.slice(0, start, length))
                for operand in instruction.operands
            ),
        )
        for start, length in compute_parts(instruction.shape[0], shards)
    ]


def split_fold(instruction: Instruction, shards: int) -> list[Instruction]:
    """A fold over parts of its fold axis."""
    folded = LEGALITY[instruction.opcode].folded

    def move(number: int, operand: Operand, start: int) -> Operand:
        if number >= folded:
            return operand
        view = operand.view
        return replace(operand, view=replace(view, offset=view.offset + start))

    return [
        replace(
            instruction,
            fold=length,
            operands=tuple(move(n, o, start) for n, o in enumerate(instruction.operands)),
        )
        for start, length in compute_parts(instruction.fold, shards)
    ]


def execute_sharded(
    instruction: Instruction,
    sources: Tensors,
    outside: Outside,
    device: torch.device,
    shards: int,
) -> Tensor:
    """Output of an instruction, computed in shards."""

    def run(part: Instruction) -> Tensor:
        return execute(part, sources, outside, device)

    parts = []
    for rows in split_rows(instruction, shards):
        if rows.kind is Kind.FOLD:
            partial = [run(part) for part in split_fold(rows, shards)]
            parts.append(reduce(ALL_REDUCE[rows.opcode], partial))
        else:
            parts.append(run(rows))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def run_sharded_step(program: Program, state: Tensors, batch: Tensors, shards: int) -> Tensors:
    """The state after a step whose every map and fold is computed in shards."""
    outside = Outside(state, batch)
    device = state[0].device
    outputs: list[Tensor] = []
    for operator, code in zip(program.operators, program.microcode):
        inputs = tuple(outputs[item.producer] for item in operator.inputs)
        values: list[Tensor] = []
        for instruction in code:
            sources = get_sources(instruction, values, inputs)
            values.append(execute_sharded(instruction, sources, outside, device, shards))
        outputs.append(values[-1])
    return tuple(outputs[slot.producer].reshape(slot.shape) for slot in program.slots)
