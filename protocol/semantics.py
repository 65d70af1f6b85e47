"""What each instruction computes, on whole tensors.

Operands arrive as arrays already read through their index maps: a map's operand has the output's
shape, a folded operand has the fold axis last. Results are exact: binary32 add, subtract, multiply,
divide and square root are IEEE 754 operations of numpy, everything else is integer arithmetic or
`protocol.float32` and `protocol.elementary` element by element. Every NaN result is canonical.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol import elementary, threefry
from protocol.instructions import LEGALITY, Instruction, Opcode, Operand
from protocol.types import CANONICAL_NAN, Array

F32Array = npt.NDArray[np.float32]
I32Array = npt.NDArray[np.int32]
I64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Outside:
    """What a step reads from outside itself: the state's tensors and the batch's fields, flat."""

    state: tuple[Array, ...]
    batch: tuple[Array, ...]


# --- Helpers -------------------------------------------------------------------------------------


def canonicalize(values: F32Array) -> F32Array:
    """Replace every NaN by 0x7fc00000."""
    bits = np.array(values, dtype=np.float32).view(np.uint32)
    bits[np.isnan(values)] = CANONICAL_NAN
    return bits.view(np.float32)


def compute_sortable(values: F32Array) -> I32Array:
    """Integers in the order of the floats they stand for, -0 below +0; its own inverse on bits."""
    bits = np.array(values, dtype=np.float32).view(np.int32)
    keys: I32Array = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return keys


def _from_sortable(keys: I32Array) -> F32Array:
    bits = np.array(keys ^ ((keys >> 31) & np.int32(0x7FFFFFFF)), dtype=np.int32)
    return bits.view(np.float32)


def _pointwise(function: Callable[[int], int], x: F32Array) -> F32Array:
    """Apply a function of bit patterns, once per distinct pattern."""
    patterns, inverse = np.unique(x.reshape(-1).view(np.uint32), return_inverse=True)
    results = np.array([function(int(p)) for p in patterns], dtype=np.uint32)
    return results[inverse].reshape(x.shape).view(np.float32)


def _compute_exponent(m: F32Array) -> I64Array:
    """e with 2**(e-1) <= |m| < 2**e, for finite m other than 0."""
    return np.frexp(m.astype(np.float64))[1].astype(np.int64)


# --- Maps ----------------------------------------------------------------------------------------


def add(x: F32Array, y: F32Array) -> F32Array:
    """RN32(x + y)."""
    return canonicalize(x + y)


def sub(x: F32Array, y: F32Array) -> F32Array:
    """RN32(x - y)."""
    return canonicalize(x - y)


def mul(x: F32Array, y: F32Array) -> F32Array:
    """RN32(x * y)."""
    return canonicalize(x * y)


def div(x: F32Array, y: F32Array) -> F32Array:
    """RN32(x / y)."""
    return canonicalize(x / y)


def sqrt(x: F32Array) -> F32Array:
    """RN32 of the square root; -0 for -0, NaN below."""
    return canonicalize(np.sqrt(x))


def neg(x: F32Array) -> F32Array:
    """Sign reversed."""
    return canonicalize(-x)


def absolute(x: F32Array) -> F32Array:
    """Sign cleared."""
    return canonicalize(np.abs(x))


def floor(x: F32Array) -> F32Array:
    """Largest integer not above x; keeps the sign of zero."""
    return canonicalize(np.floor(x))


def exp(x: F32Array) -> F32Array:
    """RN32(e**x)."""
    return _pointwise(elementary.exp, x)


def log(x: F32Array) -> F32Array:
    """RN32 of the natural logarithm; -inf at zeros, NaN below."""
    return _pointwise(elementary.log, x)


def tanh(x: F32Array) -> F32Array:
    """RN32 of the hyperbolic tangent."""
    return _pointwise(elementary.tanh, x)


def erf(x: F32Array) -> F32Array:
    """RN32 of the error function."""
    return _pointwise(elementary.erf, x)


def maximum(x: F32Array, y: F32Array) -> F32Array:
    """The larger; NaN if either is; +0 is larger than -0."""
    result = np.where(compute_sortable(x) >= compute_sortable(y), x, y)
    return canonicalize(np.where(np.isnan(x) | np.isnan(y), np.float32(np.nan), result))


def minimum(x: F32Array, y: F32Array) -> F32Array:
    """The smaller; NaN if either is; -0 is smaller than +0."""
    result = np.where(compute_sortable(x) <= compute_sortable(y), x, y)
    return canonicalize(np.where(np.isnan(x) | np.isnan(y), np.float32(np.nan), result))


def less_than(x: F32Array, y: F32Array) -> I32Array:
    """1 where x < y, else 0 (also where a NaN is involved)."""
    return np.less(x, y).astype(np.int32)


def less_equal(x: F32Array, y: F32Array) -> I32Array:
    """1 where x <= y, else 0."""
    return np.less_equal(x, y).astype(np.int32)


def equal(x: F32Array, y: F32Array) -> I32Array:
    """1 where x equals y (zeros of both signs are equal), else 0."""
    return np.equal(x, y).astype(np.int32)


def bitwise_and(x: I32Array, y: I32Array) -> I32Array:
    """Bitwise and; on booleans the logical one."""
    return np.bitwise_and(x, y)


def bitwise_or(x: I32Array, y: I32Array) -> I32Array:
    """Bitwise or; on booleans the logical one."""
    return np.bitwise_or(x, y)


def logical_not(x: I32Array) -> I32Array:
    """1 where x is 0, else 0."""
    return np.equal(x, 0).astype(np.int32)


def select(condition: I32Array, x: Array, y: Array) -> Array:
    """x where the condition is not 0, else y; bits are kept."""
    return np.where(condition != 0, x.view(np.int32), y.view(np.int32)).view(x.dtype)


def int_add(x: I32Array, y: I32Array) -> I32Array:
    """x + y, wrapping; validation excludes programs that can wrap."""
    return x + y


def int_sub(x: I32Array, y: I32Array) -> I32Array:
    """x - y, wrapping; validation excludes programs that can wrap."""
    return x - y


def int_mul(x: I32Array, y: I32Array) -> I32Array:
    """x * y, wrapping; validation excludes programs that can wrap."""
    return x * y


def int_less_than(x: I32Array, y: I32Array) -> I32Array:
    """1 where x < y, else 0."""
    return np.less(x, y).astype(np.int32)


def int_less_equal(x: I32Array, y: I32Array) -> I32Array:
    """1 where x <= y, else 0."""
    return np.less_equal(x, y).astype(np.int32)


def int_equal(x: I32Array, y: I32Array) -> I32Array:
    """1 where x equals y, else 0."""
    return np.equal(x, y).astype(np.int32)


def from_int(x: I32Array) -> F32Array:
    """RN32(x)."""
    return x.astype(np.float32)


def to_int(x: F32Array) -> I32Array:
    """Truncation towards zero, limited to the range of i32; 0 for NaN."""
    wide = np.where(np.isnan(x), 0.0, x.astype(np.float64))
    whole: I32Array = np.trunc(np.clip(wide, -(2.0**31), 2.0**31 - 1)).astype(np.int32)
    return whole


def quantize(x: F32Array, m: F32Array, bits: int) -> I32Array:
    """Nearest integer to x * 2**(bits-1-e), ties to even, limited to +-(2**(bits-1) - 1).

    e is such that 2**(e-1) <= |m| < 2**e. 0 where m is 0 or not finite and where x is NaN.
    The product is exact in binary64: x has 24 significant bits and the factor is a power of two
    between 2**-128 and 2**171.
    """
    limit = 2.0 ** (bits - 1) - 1
    usable = np.isfinite(m) & (m != 0) & ~np.isnan(x)
    exponent = _compute_exponent(np.where(usable, m, np.float32(1)))
    scaled = np.ldexp(np.where(usable, x, 0).astype(np.float64), bits - 1 - exponent)
    whole: I32Array = np.clip(np.rint(scaled), -limit, limit).astype(np.int32)
    return whole


def dequantize(
    accumulator: I64Array, m_a: F32Array, m_b: F32Array | None, bits_a: int, bits_b: int
) -> F32Array:
    """RN32(accumulator * 2**(e_a-(bits_a-1)) * 2**(e_b-(bits_b-1))), rounded once.

    NaN where an m is not finite, else +0 where an m is 0. The one-operand form has no m_b.
    An accumulator of 53 bits or more first drops its ten lowest bits into a sticky bit (at most
    2**62 by validation), which keeps the single rounding right: binary32 rounds far above them.
    """
    scales = [(m_a, bits_a)] + ([] if m_b is None else [(m_b, bits_b)])
    shift = np.zeros(accumulator.shape, dtype=np.int64)
    zero, bad = accumulator == 0, np.zeros(accumulator.shape, dtype=bool)
    for m, bits in scales:
        bad |= ~np.isfinite(m)
        zero |= m == 0
        shift += _compute_exponent(np.where(np.isfinite(m) & (m != 0), m, np.float32(1)))
        shift -= bits - 1
    size = np.abs(accumulator)
    sticky = (size & ~np.int64(1023)) | np.where((size & 1023) != 0, np.int64(512), np.int64(0))
    exact = np.where(size < 2**53, size, sticky).astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        result = np.ldexp(np.copysign(exact, accumulator), shift).astype(np.float32)
    result = np.where(zero, np.float32(0), result)
    return canonicalize(np.where(bad, np.float32(np.nan), result))


def copy(x: Array) -> Array:
    """The operand itself, bits kept."""
    return np.array(x)


# --- Folds (the last axis of a folded operand is the fold axis) -----------------------------------


def dot(x: I32Array, y: I32Array) -> I64Array:
    """Sum over k of x[k] * y[k], exact."""
    total: I64Array = np.sum(x.astype(np.int64) * y.astype(np.int64), axis=-1)
    return total


def integer_sum(x: I32Array) -> I64Array:
    """Sum over k of x[k], exact."""
    total: I64Array = np.sum(x.astype(np.int64), axis=-1)
    return total


def fold_maximum(x: F32Array) -> F32Array:
    """Largest x[k]; NaN if any is; +0 is larger than -0."""
    result = _from_sortable(compute_sortable(x).max(axis=-1))
    return canonicalize(np.where(np.isnan(x).any(axis=-1), np.float32(np.nan), result))


def fold_absolute_maximum(x: F32Array) -> F32Array:
    """Largest |x[k]|; NaN if any is."""
    return fold_maximum(np.abs(x))


def match_sum(index: I32Array, value: I32Array, wanted: I32Array) -> I64Array:
    """Sum of value[k] over the k with index[k] equal to `wanted`, exact."""
    matches = index == wanted[..., np.newaxis]
    total: I64Array = np.sum(np.where(matches, value, 0).astype(np.int64), axis=-1)
    return total


# --- Memory ---------------------------------------------------------------------------------------


def const(instruction: Instruction) -> Array:
    """Every element is attribute `value`: the bit pattern of an f32, or an i32."""
    bits = np.full(instruction.shape, instruction.attributes[0] % 2**32, dtype=np.uint32)
    return bits.view(instruction.dtype.numpy)


def iota(instruction: Instruction) -> Array:
    """Each element is its own position along attribute `axis`."""
    axis = instruction.attributes[0]
    length = instruction.shape[axis]
    shape = [length if a == axis else 1 for a in range(len(instruction.shape))]
    return np.array(
        np.broadcast_to(np.arange(length, dtype=np.int32).reshape(shape), instruction.shape)
    )


def gather(instruction: Instruction, table: Array, index: I32Array) -> Array:
    """Table element at the operand's position + stride * index; 0 unless 0 <= index < limit."""
    stride, limit = instruction.attributes[:2]
    inside = (index >= 0) & (index < limit)
    positions = compute_positions(instruction.operands[0]) + stride * np.where(inside, index, 0)
    return np.where(inside, table.view(np.int32)[positions], 0).astype(np.int32).view(table.dtype)


def concat(instruction: Instruction, first: Array, second: Array) -> Array:
    """Along `axis`: the first operand below `split`, the second, counted from there, above.

    The second operand's index map reads with (position along the axis - split).
    """
    axis, split = instruction.attributes[:2]
    low, high = instruction.operands
    length = instruction.shape[axis]
    parts = [
        first[compute_positions(low, low.view.slice(axis, 0, split).shape)],
        second[compute_positions(high, high.view.slice(axis, 0, length - split).shape)],
    ]
    return np.concatenate(parts, axis=axis)


def random(instruction: Instruction, counter: I32Array) -> I32Array:
    """24 random bits: threefry2x32 keyed by the attributes, at (position, counter)."""
    key_0, key_1 = (a % 2**32 for a in instruction.attributes[:2])
    positions = np.arange(instruction.size, dtype=np.int64).reshape(instruction.shape)
    counters = counter.astype(np.int64) % 2**32
    words = [
        threefry.random24(key_0, key_1, int(p) % 2**32, int(c))
        for p, c in zip(positions.reshape(-1), np.broadcast_to(counters, positions.shape).flat)
    ]
    return np.array(words, dtype=np.int32).reshape(instruction.shape)


# --- Execution of one instruction -----------------------------------------------------------------


def compute_positions(operand: Operand, shape: tuple[int, ...] | None = None) -> I64Array:
    """Position in the operand's flat source of each output element."""
    positions = np.array(operand.view.offset, dtype=np.int64)
    shape = operand.view.shape if shape is None else shape
    for axis, (length, stride) in enumerate(zip(shape, operand.view.strides)):
        steps = np.arange(length, dtype=np.int64) * stride
        positions = positions + steps.reshape([length] + [1] * (len(shape) - 1 - axis))
    return np.broadcast_to(positions, shape)


MAPS: dict[Opcode, Callable[..., Array]] = {
    Opcode.ADD: add,
    Opcode.SUB: sub,
    Opcode.MUL: mul,
    Opcode.DIV: div,
    Opcode.SQRT: sqrt,
    Opcode.NEG: neg,
    Opcode.ABS: absolute,
    Opcode.FLOOR: floor,
    Opcode.EXP: exp,
    Opcode.LOG: log,
    Opcode.TANH: tanh,
    Opcode.ERF: erf,
    Opcode.MAX: maximum,
    Opcode.MIN: minimum,
    Opcode.LT: less_than,
    Opcode.LE: less_equal,
    Opcode.EQ: equal,
    Opcode.AND: bitwise_and,
    Opcode.OR: bitwise_or,
    Opcode.NOT: logical_not,
    Opcode.SELECT: select,
    Opcode.IADD: int_add,
    Opcode.ISUB: int_sub,
    Opcode.IMUL: int_mul,
    Opcode.I2F: from_int,
    Opcode.F2I: to_int,
    Opcode.COPY: copy,
    Opcode.ILT: int_less_than,
    Opcode.ILE: int_less_equal,
    Opcode.IEQ: int_equal,
}

FOLDS: dict[Opcode, Callable[..., Array]] = {
    Opcode.DOT: dot,
    Opcode.SUM: integer_sum,
    Opcode.MAXIMUM: fold_maximum,
    Opcode.ABSMAX: fold_absolute_maximum,
    Opcode.MATCH_SUM: match_sum,
}


def execute(instruction: Instruction, sources: tuple[Array, ...], outside: Outside) -> Array:
    """Output of an instruction, shaped; `sources` are the operands' flat source tensors."""
    opcode, attributes = instruction.opcode, instruction.attributes
    folded = LEGALITY[opcode].folded
    whole = opcode in (Opcode.GATHER, Opcode.CONCAT)
    read: list[npt.NDArray[Any]] = []
    for number, (operand, source) in enumerate(zip(instruction.operands, sources)):
        if whole and not (opcode is Opcode.GATHER and number == 1):
            read.append(source)
            continue
        positions = compute_positions(operand)
        if number < folded:
            positions = positions[..., np.newaxis] + np.arange(instruction.fold)
        read.append(source[positions])
    with np.errstate(all="ignore"):
        if opcode in MAPS:
            return MAPS[opcode](*read)
        if opcode in FOLDS:
            return FOLDS[opcode](*read)
        match opcode:
            case Opcode.QUANTIZE:
                return quantize(read[0], read[1], attributes[0])
            case Opcode.DEQUANTIZE:
                m_b = read[2] if len(read) == 3 else None
                return dequantize(read[0], read[1], m_b, attributes[0], attributes[1])
            case Opcode.CONST:
                return const(instruction)
            case Opcode.IOTA:
                return iota(instruction)
            case Opcode.GATHER:
                return gather(instruction, read[0], read[1])
            case Opcode.CONCAT:
                return concat(instruction, read[0], read[1])
            case Opcode.LOAD_STATE:
                return outside.state[attributes[0]].reshape(instruction.shape)
            case Opcode.LOAD_BATCH:
                return outside.batch[attributes[0]].reshape(instruction.shape)
            case Opcode.RANDOM:
                return random(instruction, read[0])
    raise AssertionError(f"no semantics for {opcode!r}")
