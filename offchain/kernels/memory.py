"""Memory instructions: elements chosen by position, by an index, or from outside the step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from offchain.kernels import buffers
from offchain.kernels.reading import TORCH_DTYPES, read
from protocol.instructions import Instruction, Opcode
from protocol.threefry import PARITY, ROTATIONS, ROUNDS, WORD
from protocol.views import View


@dataclass(frozen=True)
class Outside:
    """What a step reads from outside itself, as tensors on the device."""

    state: tuple[Tensor, ...]
    batch: tuple[Tensor, ...]


def const(instruction: Instruction, device: torch.device) -> Tensor:
    """Every element is attribute `value`: the bit pattern of an f32, or an i32."""
    signed = (instruction.attributes[0] + 2**31) % 2**32 - 2**31
    bits = torch.full(instruction.shape, signed, dtype=torch.int32, device=device)
    return bits.view(TORCH_DTYPES[instruction.dtype])


def iota(instruction: Instruction, device: torch.device) -> Tensor:
    """Each element is its own position along attribute `axis`."""
    axis = instruction.attributes[0]
    shape = [n if a == axis else 1 for a, n in enumerate(instruction.shape)]
    positions = torch.arange(instruction.shape[axis], dtype=torch.int32, device=device)
    return positions.reshape(shape).expand(instruction.shape).contiguous()


def compute_positions(view: View, device: torch.device) -> Tensor:
    """Position of each element in the flat source (int64)."""
    positions = torch.full((1,) * len(view.shape), view.offset, device=device)
    for axis, (length, stride) in enumerate(zip(view.shape, view.strides)):
        steps = torch.arange(length, device=device) * stride
        positions = positions + steps.reshape([-1] + [1] * (len(view.shape) - 1 - axis))
    return positions


def gather(instruction: Instruction, table: Tensor, index: Tensor) -> Tensor:
    """Table element at the operand's position + stride * index; 0 unless 0 <= index < limit."""
    stride, limit = instruction.attributes[:2]
    inside = (index >= 0) & (index < limit)
    if _takes_rows(instruction):
        rows = torch.where(inside, index, 0)[..., 0].reshape(-1)
        own = table.reshape(-1)[instruction.operands[0].view.offset :][: limit * stride]
        out = buffers.empty((len(rows), stride), table.dtype, table.device)
        values = torch.index_select(own.view(limit, stride), 0, rows, out=out)
        values = values.view(instruction.shape)
        # One pass less where no index misses the table; looking would make a device wait.
        if table.device.type == "cpu" and bool(inside.all()):
            return values
        return torch.where(inside, values.view(torch.int32), 0).view(values.dtype)
    offsets = torch.where(inside, index, 0).to(torch.int64) * stride
    positions = compute_positions(instruction.operands[0].view, table.device) + offsets
    values = table.reshape(-1).view(torch.int32)[positions]
    return torch.where(inside, values, 0).view(TORCH_DTYPES[instruction.dtype])


def _takes_rows(instruction: Instruction) -> bool:
    """Whether each index picks a row of the table, and the last axis runs along it."""
    table, index = (operand.view for operand in instruction.operands)
    stride = instruction.attributes[0]
    return (
        len(instruction.shape) > 1
        and instruction.shape[-1] == stride > 1
        and not any(table.strides[:-1])
        and (table.strides[-1], index.strides[-1]) == (1, 0)
    )


def concat(instruction: Instruction, first: Tensor, second: Tensor) -> Tensor:
    """Along `axis`: the first operand below `split`, the second, counted from there, above."""
    axis, split = instruction.attributes[:2]
    length = instruction.shape[axis]
    low, high = (operand.view for operand in instruction.operands)
    parts = []
    if split > 0:
        parts.append(read(first, low.slice(axis, 0, split)))
    if split < length:
        parts.append(read(second, high.slice(axis, 0, length - split)))
    out = buffers.empty(instruction.shape, first.dtype, first.device)
    return torch.cat(parts, dim=axis, out=out)


def random(instruction: Instruction, counter: Tensor) -> Tensor:
    """24 random bits: threefry2x32 keyed by the attributes, at (position, counter)."""
    key_0, key_1 = (a % 2**32 for a in instruction.attributes[:2])
    schedule = (key_0, key_1, PARITY ^ key_0 ^ key_1)
    device = counter.device
    # 32-bit words are held in int64, because torch shifts and adds no unsigned integers.
    position = torch.arange(instruction.size, device=device).reshape(instruction.shape)
    word_0 = (position + schedule[0]) & WORD
    word_1 = (counter.to(torch.int64) + schedule[1]) & WORD
    for number in range(ROUNDS):
        distance = ROTATIONS[number % 8]
        word_0 = (word_0 + word_1) & WORD
        word_1 = (((word_1 << distance) | (word_1 >> (32 - distance))) & WORD) ^ word_0
        if number % 4 == 3:
            injection = number // 4 + 1
            word_0 = (word_0 + schedule[injection % 3]) & WORD
            word_1 = (word_1 + schedule[(injection + 1) % 3] + injection) & WORD
    return (word_0 >> 8).to(torch.int32)


def execute_memory(
    instruction: Instruction, sources: tuple[Tensor, ...], outside: Outside, device: torch.device
) -> Tensor:
    """Output of a memory instruction, shaped. What comes from outside is an alias, no copy."""
    attributes, shape = instruction.attributes, instruction.shape
    match instruction.opcode:
        case Opcode.CONST:
            return const(instruction, device)
        case Opcode.IOTA:
            return iota(instruction, device)
        case Opcode.GATHER:
            return gather(instruction, sources[0], read(sources[1], instruction.operands[1].view))
        case Opcode.CONCAT:
            return concat(instruction, sources[0], sources[1])
        case Opcode.LOAD_STATE:
            return outside.state[attributes[0]].reshape(shape)
        case Opcode.LOAD_BATCH:
            return outside.batch[attributes[0]].reshape(shape)
        case Opcode.RANDOM:
            return random(instruction, read(sources[0], instruction.operands[0].view))
    raise AssertionError(f"{instruction.opcode!r} is no memory instruction")
