"""Hypothesis strategies for instructions with operands that meet every edge of the arithmetic."""

from dataclasses import dataclass
from math import prod

import numpy as np
from hypothesis import strategies as st

from protocol.instructions import LEGALITY, Instruction, Kind, Opcode, Operand, Source
from protocol.types import Array, Dtype
from protocol.views import View

EDGES_F32 = [
    0x00000000,  # +0
    0x80000000,  # -0
    0x00000001,  # smallest subnormal
    0x80000001,
    0x007FFFFF,  # largest subnormal
    0x00800000,  # smallest normal
    0x3F000000,  # 0.5, a tie when rounded
    0x3F800000,  # 1
    0xBFC00000,  # -1.5
    0x40200000,  # 2.5
    0x3F7FFFFF,  # just below 1: rounds up to the limit of a quantised range
    0x4B7FFFFF,  # 24 ones
    0x4F000000,  # 2**31, above every i32
    0xCF000000,  # -2**31
    0x7F7FFFFF,  # largest finite
    0xFF7FFFFF,
    0x7F800000,  # infinities
    0xFF800000,
    0x7FC00000,  # NaN
]
EDGES_I32 = [0, 1, -1, 2, 127, -128, 2**14, -(2**14), 2**21 - 1, 2**23 - 1, -(2**23) + 1]
EDGES_I64 = [0, 1, -1, 2**24 + 1, 2**53 - 1, 2**53, 2**53 + 1, 2**62, -(2**62), 2**61 + 2**37 + 1]

SMALL_I32 = frozenset({Opcode.GATHER, Opcode.MATCH_SUM})  # operands are indices
F32_BITS = st.one_of(st.sampled_from(EDGES_F32), st.integers(0, 2**32 - 1))
MODERATE_BITS = st.integers(0x3B000000, 0x43000000)  # about 2**-9 to 2**7
I32_VALUES = st.one_of(st.sampled_from(EDGES_I32), st.integers(-(2**21), 2**21))
I64_VALUES = st.one_of(st.sampled_from(EDGES_I64), st.integers(-(2**62), 2**62))


@dataclass(frozen=True)
class Case:
    """An instruction and its operands' flat sources."""

    instruction: Instruction
    sources: tuple[Array, ...]


@st.composite
def sources_of(draw: st.DrawFn, dtype: Dtype, size: int, small: bool) -> Array:
    """A flat tensor; one in two holds moderate values only, so that NaN does not hide the rest."""
    if dtype is Dtype.F32:
        bits = draw(st.sampled_from([F32_BITS, MODERATE_BITS]))
        words = draw(st.lists(bits, min_size=size, max_size=size))
        values = np.array(words, dtype=np.uint32).view(np.float32)
        return np.where(np.isnan(values), np.float32(np.nan), values)
    values_of = I64_VALUES if dtype is Dtype.I64 else I32_VALUES
    if small:
        values_of = st.integers(-2, 4)
    return np.array(draw(st.lists(values_of, min_size=size, max_size=size)), dtype=dtype.numpy)


@st.composite
def views_of(draw: st.DrawFn, shape: tuple[int, ...], fold: int) -> tuple[View, int]:
    """A random index map into a source, and that source's size."""
    strides = [draw(st.sampled_from([0, 0, 1, 1, 2, 3, -1, -2])) for _ in shape]
    low = sum(s * (n - 1) for s, n in zip(strides, shape) if s < 0)
    high = sum(s * (n - 1) for s, n in zip(strides, shape) if s > 0)
    offset = draw(st.integers(0, 2)) - low
    size = offset + high + fold + draw(st.integers(0, 2))
    return View(shape, tuple(strides), offset), size


@st.composite
def cases_of(draw: st.DrawFn, opcode: Opcode) -> Case:
    """A legal instruction of that opcode with random index maps and operands."""
    legality = LEGALITY[opcode]
    types, dtype = draw(st.sampled_from(legality.types))
    rank = draw(st.integers(1 if opcode in (Opcode.IOTA, Opcode.CONCAT) else 0, 3))
    shape = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    fold = draw(st.sampled_from([1, 2, 5])) if legality.kind is Kind.FOLD else 1
    operands, sources = [], []
    for number, kind in enumerate(types):
        view, size = draw(views_of(shape, fold if number < legality.folded else 1))
        is_table = opcode is Opcode.GATHER and number == 0
        size += 12 if is_table else 0
        source = draw(sources_of(kind, size, opcode in SMALL_I32 and not is_table))
        operands.append(Operand(Source.INPUT, number, kind, size, view))
        sources.append(source)
    attributes: tuple[int, ...] = ()
    match opcode:
        case Opcode.QUANTIZE:
            attributes = (draw(st.sampled_from([8, 14, 15, 22, 24])),)
        case Opcode.DEQUANTIZE:
            pair = (15, 22) if len(types) == 3 else (24, 0)
            attributes = draw(st.sampled_from([pair, (8, 8) if len(types) == 3 else (24, 0)]))
        case Opcode.CONST:
            attributes = (draw(F32_BITS if dtype is Dtype.F32 else I32_VALUES),)
        case Opcode.IOTA:
            attributes = (draw(st.integers(0, rank - 1)),)
        case Opcode.GATHER:
            attributes = (draw(st.integers(0, 3)), 4)
        case Opcode.CONCAT:
            axis = draw(st.integers(0, rank - 1))
            attributes = (axis, draw(st.integers(0, shape[axis])))
        case Opcode.LOAD_STATE | Opcode.LOAD_BATCH:
            attributes = (0,)
            sources = [draw(sources_of(dtype, prod(shape), False))]
        case Opcode.RANDOM:
            attributes = (draw(st.integers(-(2**31), 2**31)), draw(st.integers(0, 2**31)))
    instruction = Instruction(opcode, dtype, shape, tuple(operands), fold, attributes)
    return Case(instruction, tuple(sources))
