"""Map instructions on tensors that were read through their index maps.

The results equal `protocol.semantics` bit for bit but for the bits of a NaN, which differ by
device; `canonicalize` makes them equal. No instruction looks at a NaN's bits, so a whole step may
run without it and canonicalise what leaves the step.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from offchain.kernels import unary
from protocol.instructions import Opcode

canonicalize = unary.canonicalize_nan

F64_BIAS = 1023
F64_FRACTION = 52


def compute_sortable(x: Tensor) -> Tensor:
    """Integers in the order of the floats they stand for, -0 below +0."""
    bits = x.contiguous().view(torch.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def compute_floats(keys: Tensor) -> Tensor:
    """The floats that sortable integers stand for."""
    return (keys ^ ((keys >> 31) & 0x7FFFFFFF)).view(torch.float32)


def compute_exponent(m: Tensor) -> Tensor:
    """e with 2**(e-1) <= |m| < 2**e as int64, for finite m other than 0."""
    biased = (m.double().view(torch.int64) >> F64_FRACTION) & 0x7FF
    return biased - (F64_BIAS - 1)


def compute_power(exponent: Tensor) -> Tensor:
    """2**exponent as float64, exactly, for int64 exponents from -1022 to 1023."""
    return ((exponent + F64_BIAS) << F64_FRACTION).view(torch.float64)


def _select_by_key(x: Tensor, y: Tensor, chosen: Tensor) -> Tensor:
    # A sum with a NaN operand is NaN; with none, `chosen` decides, so its value does not matter.
    result = torch.where(chosen, x, y)
    return torch.where(x.isnan() | y.isnan(), torch.nan, result)


def maximum(x: Tensor, y: Tensor) -> Tensor:
    """The larger; NaN if either is; +0 is larger than -0 (torch.maximum leaves that open)."""
    return _select_by_key(x, y, compute_sortable(x) >= compute_sortable(y))


def minimum(x: Tensor, y: Tensor) -> Tensor:
    """The smaller; NaN if either is; -0 is smaller than +0."""
    return _select_by_key(x, y, compute_sortable(x) <= compute_sortable(y))


def select(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """x where the condition is not 0, else y; bits are kept."""
    return torch.where(condition != 0, x, y)


def to_int(x: Tensor) -> Tensor:
    """Truncation towards zero, limited to the range of i32; 0 for NaN."""
    wide = x.double().nan_to_num(nan=0.0).clamp(-(2.0**31), 2.0**31 - 1)
    return wide.trunc().to(torch.int32)


def sqrt(x: Tensor) -> Tensor:
    """RN32 of the square root."""
    return x.double().sqrt_().float()


def quantize(x: Tensor, m: Tensor, bits: int) -> Tensor:
    """See `protocol.semantics.quantize`; every step but the rounding is exact in float64."""
    limit = 2.0 ** (bits - 1) - 1
    usable = m.isfinite() & (m != 0) & ~x.isnan()
    exponent = compute_exponent(torch.where(usable, m, 1.0))
    scaled = torch.where(usable, x, 0.0).double() * compute_power(bits - 1 - exponent)
    return scaled.round_().clamp_(-limit, limit).to(torch.int32)


def dequantize(
    accumulator: Tensor, m_a: Tensor, m_b: Tensor | None, bits_a: int, bits_b: int
) -> Tensor:
    """See `protocol.semantics.dequantize`; the sticky bit keeps wide accumulators exact."""
    zero = accumulator == 0
    bad = torch.zeros_like(zero)
    shift = torch.zeros_like(accumulator)
    for m, bits in [(m_a, bits_a)] + ([] if m_b is None else [(m_b, bits_b)]):
        finite, nonzero = m.isfinite(), m != 0
        bad, zero = bad | ~finite, zero | ~nonzero
        shift = shift + compute_exponent(torch.where(finite & nonzero, m, 1.0)) - (bits - 1)
    size = accumulator.abs()
    sticky = (size & ~1023) | torch.where((size & 1023) != 0, 512, 0)
    exact = torch.where(size < 2**53, size, sticky).double()
    exact = torch.where(accumulator < 0, -exact, exact)
    result = (exact * compute_power(shift)).float()
    return torch.where(bad, torch.nan, torch.where(zero, 0.0, result))


FUNCTIONS: dict[Opcode, Callable[..., Tensor]] = {
    Opcode.ADD: torch.add,
    Opcode.SUB: torch.sub,
    Opcode.MUL: torch.mul,
    Opcode.DIV: torch.div,
    Opcode.SQRT: sqrt,
    Opcode.NEG: torch.neg,
    Opcode.ABS: torch.abs,
    Opcode.FLOOR: torch.floor,
    Opcode.EXP: unary.exp,
    Opcode.LOG: unary.log,
    Opcode.TANH: unary.tanh,
    Opcode.ERF: unary.erf,
    Opcode.MAX: maximum,
    Opcode.MIN: minimum,
    Opcode.LT: lambda x, y: torch.lt(x, y).to(torch.int32),
    Opcode.LE: lambda x, y: torch.le(x, y).to(torch.int32),
    Opcode.EQ: lambda x, y: torch.eq(x, y).to(torch.int32),
    Opcode.AND: torch.bitwise_and,
    Opcode.OR: torch.bitwise_or,
    Opcode.NOT: lambda x: torch.eq(x, 0).to(torch.int32),
    Opcode.SELECT: select,
    Opcode.IADD: torch.add,
    Opcode.ISUB: torch.sub,
    Opcode.IMUL: torch.mul,
    Opcode.I2F: lambda x: x.to(torch.float32),
    Opcode.F2I: to_int,
    Opcode.COPY: torch.clone,
    Opcode.ILT: lambda x, y: torch.lt(x, y).to(torch.int32),
    Opcode.ILE: lambda x, y: torch.le(x, y).to(torch.int32),
    Opcode.IEQ: lambda x, y: torch.eq(x, y).to(torch.int32),
}

# The instructions that can bring a NaN into being: only their results need canonical bits. The
# others return integers or keep the bits of an operand, which is canonical already (NEG and ABS
# change a NaN's sign, so they are here).
MAKES_NAN = frozenset(
    {
        Opcode.ADD,
        Opcode.SUB,
        Opcode.MUL,
        Opcode.DIV,
        Opcode.SQRT,
        Opcode.NEG,
        Opcode.ABS,
        Opcode.FLOOR,
        Opcode.EXP,
        Opcode.LOG,
        Opcode.TANH,
        Opcode.ERF,
        Opcode.MAX,
        Opcode.MIN,
        Opcode.DEQUANTIZE,
        Opcode.MAXIMUM,
        Opcode.ABSMAX,
    }
)
