"""Map instructions that feed each other, as one compiled loop over elements.

Each instruction is one IEEE operation on values that stay in registers, so a chain gives the bits
that its instructions give one by one through memory. NaN bits are not canonical, as in `maps`.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offchain.kernels import buffers, elementary, llvm, threads
from offchain.kernels.emitter import Emitter
from offchain.kernels.reading import TORCH_DTYPES
from protocol.instructions import Instruction, Opcode, Operand, Source
from protocol.types import Array, Dtype
from protocol.views import View, contiguous

AXES = 3  # loops around each other, at most
WORD_BYTES = 4  # of f32 and i32
SLICE_ELEMENTS = 2**15  # per thread at least
ELEMENTS_MIN = 2**10  # below, compiling takes longer than it will ever save

_FLOAT = {Opcode.ADD: "fadd", Opcode.SUB: "fsub", Opcode.MUL: "fmul", Opcode.DIV: "fdiv"}
_INTEGER = {
    Opcode.IADD: "add",
    Opcode.ISUB: "sub",
    Opcode.IMUL: "mul",
    Opcode.AND: "and_",
    Opcode.OR: "or_",
}
_INTRINSIC = {
    Opcode.SQRT: "llvm.sqrt.f32",
    Opcode.ABS: "llvm.fabs.f32",
    Opcode.FLOOR: "llvm.floor.f32",
}
_COMPARISON = {
    Opcode.LT: ("fcmp_ordered", "<"),
    Opcode.LE: ("fcmp_ordered", "<="),
    Opcode.EQ: ("fcmp_ordered", "=="),
    Opcode.ILT: ("icmp_signed", "<"),
    Opcode.ILE: ("icmp_signed", "<="),
    Opcode.IEQ: ("icmp_signed", "=="),
}
_OTHER = {
    Opcode.NEG,
    Opcode.NOT,
    Opcode.SELECT,
    Opcode.MAX,
    Opcode.MIN,
    Opcode.I2F,
    Opcode.F2I,
    Opcode.COPY,
}
SUPPORTED = frozenset(
    {*_FLOAT, *_INTEGER, *_INTRINSIC, *_COMPARISON, *_OTHER, *elementary.SUPPORTED}
)


@dataclass(frozen=True)
class Step:
    """One instruction; an operand >= 0 is a step before it, below that ~operand is a leaf."""

    opcode: Opcode
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Chain:
    """Steps, the last of which is the result, and the operands that are read from memory."""

    steps: tuple[Step, ...]
    leaves: tuple[Operand, ...]
    shape: tuple[int, ...]
    dtype: Dtype


def find_chain(
    instructions: Sequence[Instruction], number: int, users: Sequence[set[int]]
) -> tuple[Chain, list[int]] | None:
    """The chain that ends in an instruction, and its members; None where it is too short.

    A member is read by members only, element by element.
    """
    root = instructions[number]
    if root.opcode not in SUPPORTED or prod(root.shape) < ELEMENTS_MIN:
        return None
    members = {number}
    for k in range(number - 1, -1, -1):
        instruction = instructions[k]
        if instruction.opcode not in SUPPORTED or not users[k] or not users[k] <= members:
            continue
        reads = [
            operand
            for user in users[k]
            for operand in instructions[user].operands
            if operand.source is Source.INSTRUCTION and operand.index == k
        ]
        as_it_lies = all(o.view == contiguous(root.shape) for o in reads)
        if instruction.shape == root.shape and as_it_lies:
            members.add(k)
    places: dict[int, int] = {}
    leaves: dict[Operand, int] = {}
    steps = []
    for place, k in enumerate(sorted(members)):
        places[k] = place
        operands = tuple(
            places[o.index]
            if o.source is Source.INSTRUCTION and o.index in members
            else ~leaves.setdefault(o, len(leaves))
            for o in instructions[k].operands
        )
        steps.append(Step(instructions[k].opcode, operands))
    return Chain(tuple(steps), tuple(leaves), root.shape, root.dtype), sorted(members)


def emit_step(e: Emitter, step: Step, x: list[Any]) -> Any:
    b, opcode = e.b, step.opcode
    if opcode in _FLOAT:
        return getattr(b, _FLOAT[opcode])(*x)
    if opcode in _INTEGER:
        return getattr(b, _INTEGER[opcode])(*x)
    if opcode in _INTRINSIC:
        return e.call(_INTRINSIC[opcode], e.f32, *x)
    if opcode in _COMPARISON:
        name, sign = _COMPARISON[opcode]
        return b.zext(getattr(b, name)(sign, *x), e.i32)
    if opcode in elementary.SUPPORTED:
        return elementary.emit_elementary(e, opcode, *x)
    match opcode:
        case Opcode.NEG:
            return b.fneg(*x)
        case Opcode.NOT:
            return b.zext(b.icmp_signed("==", x[0], e.i32(0)), e.i32)
        case Opcode.SELECT:
            return b.select(b.icmp_signed("!=", x[0], e.i32(0)), x[1], x[2])
        case Opcode.MAX | Opcode.MIN:
            keys = [_emit_sortable(e, value) for value in x]
            chosen = b.icmp_signed(">=" if opcode is Opcode.MAX else "<=", *keys)
            return b.select(b.fcmp_unordered("uno", *x), e.nan, b.select(chosen, *x))
        case Opcode.I2F:
            return b.sitofp(x[0], e.f32)
        case Opcode.F2I:
            return e.call("llvm.fptosi.sat.i32.f32", e.i32, x[0])
    return x[0]


def _emit_sortable(e: Emitter, x: Any) -> Any:
    """See `maps.compute_sortable`."""
    word = e.b.bitcast(x, e.i32)
    mask = e.b.and_(e.b.ashr(word, e.i32(31)), e.i32(2**31 - 1))
    return e.b.xor(word, mask)


@cache
def _get_kernel(
    steps: tuple[Step, ...], floats: tuple[bool, ...], inner: tuple[int, ...], over: int | None
) -> llvm.Function:
    """(leaves, output, sizes): sizes are the lengths, then the strides of each leaf.

    `inner` has 0 and 1 where a leaf's stride along the last axis is known to be that, else 2.
    Results go to the output or, element by element, into the place of leaf number `over`.
    """
    count = len(floats)
    e = Emitter(count + 2, 0)
    *leaves, out, sizes = e.arguments
    b = e.b
    table = [e.load(sizes, e.i64, e.i64(i)) for i in range(AXES * (1 + count))]
    lengths, strides = table[:AXES], [table[AXES * i : AXES * (i + 1)] for i in range(1, count + 1)]

    def do_line(i: Any, j: Any) -> None:
        bases = [b.add(b.mul(i, s[0]), b.mul(j, s[1])) for s in strides]
        line = b.mul(b.add(b.mul(i, lengths[1]), j), lengths[2])

        def do_element(k: Any) -> None:
            values, own = [], b.add(line, k)
            for n, (leaf, base, s, kind) in enumerate(zip(leaves, bases, strides, inner)):
                place = b.add(base, (e.i64(0), k, b.mul(k, s[2]))[kind])
                # Read and written in the same words, else LLVM fears that elements meet others.
                place = own if n == over else place
                values.append(e.load(leaf, e.f32 if floats[n] else e.i32, place))
            results: list[Any] = []
            for step in steps:
                operands = [results[o] if o >= 0 else values[~o] for o in step.operands]
                results.append(emit_step(e, step, operands))
            e.store(results[-1], out if over is None else leaves[over], own)

        e.loop(lengths[2], do_element)

    e.loop(lengths[0], lambda i: e.loop(lengths[1], lambda j: do_line(i, j)))
    b.ret_void()
    types = [ctypes.c_void_p] * (count + 2)
    return llvm.compile_function(e.module, "run", types, optimise=True)


def collapse(
    shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]
) -> tuple[list[int], list[list[int]]]:
    """Lengths, and strides per leaf, with axes joined that every leaf runs through as one."""
    lengths: list[int] = []
    joined: list[list[int]] = [[] for _ in strides]
    for axis, length in enumerate(shape):
        if length == 1:
            continue
        own = [s[axis] for s in strides]
        if lengths and all(j[-1] == s * length for j, s in zip(joined, own)):
            lengths[-1] *= length
            for j, s in zip(joined, own):
                j[-1] = s
        else:
            lengths.append(length)
            for j, s in zip(joined, own):
                j.append(s)
    return lengths, joined


class CompiledChain:
    """A chain made ready for its shape; called with the leaves' sources."""

    def __init__(self, chain: Chain, axes: int = AXES):
        self.chain = chain
        lengths, strides = collapse(chain.shape, [leaf.view.strides for leaf in chain.leaves])
        self.is_usable = len(lengths) <= axes
        missing = axes - len(lengths)
        self.lengths = [1] * missing + lengths
        self.strides = [[0] * missing + own for own in strides]
        self._slices: dict[int, list[tuple[list[int], Array]]] = {}

    def _get_slices(self, parts: int) -> list[tuple[list[int], Array]]:
        """Per thread: where each leaf and the output begin, in bytes, and the table of sizes."""
        if parts not in self._slices:
            axis = next((a for a in range(AXES) if self.lengths[a] >= parts), AXES - 1)
            outer = any(length > 1 for length in self.lengths[:axis])
            cuts = 1 if outer else min(parts, self.lengths[axis])
            bounds = [self.lengths[axis] * p // cuts for p in range(cuts + 1)]
            below = prod(self.lengths[axis + 1 :])
            slices: list[tuple[list[int], Array]] = []
            for low, high in zip(bounds, bounds[1:]):
                offsets = [
                    (leaf.view.offset + own[axis] * low) * WORD_BYTES
                    for leaf, own in zip(self.chain.leaves, self.strides)
                ]
                offsets.append(low * below * WORD_BYTES)
                lengths = [*self.lengths[:axis], high - low, *self.lengths[axis + 1 :]]
                sizes = [*lengths, *sum(self.strides, [])]
                slices.append((offsets, np.array(sizes, dtype=np.int64)))
            self._slices[parts] = slices
        return self._slices[parts]

    def find_overwritable(self) -> dict[int, int]:
        """Inputs that the output fits over, and the leaves that read them: as they lie, once."""
        chain = self.chain
        found: dict[int, int] = {}
        for number, leaf in enumerate(chain.leaves):
            others = [o for o in chain.leaves if o is not leaf and o.source is leaf.source]
            if (
                leaf.source is Source.INPUT
                and not any(other.index == leaf.index for other in others)
                and leaf.view == contiguous(chain.shape)
                and (leaf.size, leaf.dtype) == (prod(chain.shape), chain.dtype)
            ):
                found[leaf.index] = number
        return found

    def __call__(self, sources: Sequence[Tensor], over: int | None = None) -> Tensor:
        """The output, shaped; sources are whole contiguous tensors.

        With `over`, the number of a leaf, the output is that leaf's source, which is lost.
        """
        chain = self.chain
        if over is None:
            out = buffers.empty(chain.shape, dtype=TORCH_DTYPES[chain.dtype])
        else:
            out = sources[over].view(chain.shape)
        addresses = [tensor.data_ptr() for tensor in (*sources, out)]
        parts = max(1, min(torch.get_num_threads(), out.numel() // SLICE_ELEMENTS))
        slices = [
            (*(address + offset for address, offset in zip(addresses, offsets)), sizes.ctypes.data)
            for offsets, sizes in self._get_slices(parts)
        ]
        kernel = _get_kernel(
            chain.steps,
            tuple(leaf.dtype is Dtype.F32 for leaf in chain.leaves),
            tuple(own[-1] if own[-1] in (0, 1) else 2 for own in self.strides),
            over,
        )
        threads.run_slices(kernel, slices)
        return out

    def agrees(self, sources: Sequence[Tensor], expected: Tensor) -> bool:
        """Whether it can be compiled and gives known first elements; any NaN is like any other."""
        try:
            result = self(sources).view(-1)[: expected.numel()].view(expected.shape)
        except Exception:  # whatever a compiler or a driver raises
            return False
        return is_same(result, expected)


def is_same(result: Tensor, expected: Tensor) -> bool:
    """Whether all bits are; any NaN is like any other."""
    same = result.view(torch.int32) == expected.view(torch.int32)
    if result.dtype is torch.float32:
        same |= result.isnan() & expected.isnan()
    return bool(same.all())


def cut(instruction: Instruction, elements: int) -> Instruction:
    """The instruction for its first rows only, so many that they have about that many elements."""
    if not instruction.shape:
        return instruction
    length, *inner = instruction.shape
    return _shorten(instruction, min(length, max(1, elements // max(1, prod(inner)))))


def cut_rows(instructions: Sequence[Instruction], elements: int) -> tuple[Instruction, ...]:
    """Microcode for the first positions of its longest shape's first axis, about as many elements.

    Every instruction's first axis is that one, or it has a single value.
    """
    largest = max((instruction.shape for instruction in instructions), key=prod)
    if len(largest) < 2:
        return tuple(instructions)
    first = min(largest[0], max(1, elements // max(1, prod(largest[1:]))))
    return tuple(_shorten(i, first) if i.shape[:1] == largest[:1] else i for i in instructions)


def _shorten(instruction: Instruction, length: int) -> Instruction:
    shape = (length, *instruction.shape[1:])
    operands = tuple(
        replace(o, view=View(shape, o.view.strides, o.view.offset)) for o in instruction.operands
    )
    return replace(instruction, shape=shape, operands=operands)
