"""Matrix products through int8 matrix units: integers of up to 15 bits as one or two digits.

q = 256 h + l with l in [-128, 127] and h in [-64, 64], so that

    q q' = 65536 h h' + 256 (h l' + l h') + l l',

four products with int32 accumulators, none of which can overflow while K < 2**16. On x86 the
units are VNNI's; without VNNI `torch._int_mm` saturates silently, so a self-test decides.
"""

from dataclasses import dataclass
from functools import cache
from math import prod

import torch
from torch import Tensor

from offchain.kernels import quantising, vnni
from offchain.kernels.probe import find_crossover
from offchain.kernels.rounding import EXPONENT, compute_largest, is_compiled, round_to_grid

DIGIT_BITS = 8
BITS_MAX = 15
LENGTH_MAX = 2**16  # |h l' + l h'| <= 2**14 K
PRODUCTS_MIN: int | None = None  # multiplications from which on this is used; None: see below
SIZES = (16, 32, 64, 128)  # rows, columns and length of the products that are tried
BATCHED_MIN = 2**21  # the same for each product of a batch: they are called one by one
MAGIC = 1.5 * 2**23  # added to |q| < 2**22, it leaves q in the low bits of the word


@dataclass(frozen=True)
class Digits:
    """A quantised operand [..., M, K], laid out as it was, and the power of two of each row."""

    high: Tensor | None
    low: Tensor
    scale: Tensor  # float32 [..., M, 1]


@cache
def is_available() -> bool:
    """Whether this CPU's int8 products are exact, transposed and at the extremes too."""
    length = 2**12
    pairs = [(127, -128), (-128, -128), (127, 127)]
    for left, right in pairs:
        a = torch.full((17, length), left, dtype=torch.int8)
        b = torch.full((length, 24), right, dtype=torch.int8)
        if not bool((torch._int_mm(a, b) == left * right * length).all()):
            return False
    values = torch.arange(-(2**15), 2**15, dtype=torch.int32)
    wrapped = ((values + 128) % 256 - 128).to(torch.float32)
    if not torch.equal(values.to(torch.int8).to(torch.float32), wrapped):
        return False
    a = values.reshape(256, 256).to(torch.int8)
    b = (values * 7919 >> 5).reshape(256, 256).to(torch.int8)
    return all(
        torch.equal(torch._int_mm(x, y).double(), x.double() @ y.double())
        for x in (a, a.T, a[:, 3:200])
        for y in (b, b.T)
        if x.shape[1] == y.shape[0]
    )


def _get_least() -> int:
    return compute_least_products() if PRODUCTS_MIN is None else PRODUCTS_MIN


@cache
def compute_least_products() -> int:
    """Multiplications from which on int8 units are faster than float64: some ms, once."""
    operands = {
        size: torch.randn(2, size, size, generator=torch.Generator().manual_seed(size))
        for size in SIZES
    }

    def by_float64(size: int) -> Tensor:
        left, right = (round_to_grid(x, BITS_MAX).values for x in operands[size])
        return torch.matmul(left, right.mT).float()

    def by_units(size: int) -> Tensor | None:
        a, b = operands[size]
        return matmul(a, b, BITS_MAX, BITS_MAX)

    size = find_crossover(by_units, by_float64, SIZES)
    return (size or 2 * SIZES[-1]) ** 3


def is_usable(a: Tensor, b: Tensor, bits_a: int, bits_b: int) -> bool:
    """Whether operands [..., M, K] and [..., N, K] are for this path."""
    if a.device.type != "cpu" or max(bits_a, bits_b) > BITS_MAX or a.shape[-1] >= LENGTH_MAX:
        return False
    sizes = (*a.shape[-2:], *b.shape[-2:-1])  # M, K, N
    if vnni.is_available():
        lead = a.shape[:-2]
        if lead != b.shape[:-2]:  # PyTorch's function takes as long as a small product
            lead = torch.broadcast_shapes(lead, b.shape[:-2])
        return prod(lead) * prod(sizes) >= _get_least()
    return (
        a.dim() == b.dim() >= 2
        and a.shape[:-2] == b.shape[:-2]
        # With a length of 1 strides are ambiguous, and torch 2.13 then multiplies wrongly.
        and min(sizes) > 1
        and prod(sizes) >= (_get_least() if a.dim() == 2 else BATCHED_MIN)
        and is_available()
    )


def compute_digits(x: Tensor, bits: int) -> Digits | None:
    """Quantise rows of [..., M, K]; None where a maximum is out of the usual range."""
    if not is_compiled():
        return _compute_digits(x, bits)
    two = bits > DIGIT_BITS
    tops, scale, low, high = quantising.compute_digits(x, bits, two)
    if not vnni.is_usual(tops.view(torch.float32)):
        return None
    return Digits(high if two else None, low, scale.unsqueeze(-1))


def _compute_digits(x: Tensor, bits: int) -> Digits | None:
    """The same without compiled code."""
    largest = compute_largest(x)
    if not vnni.is_usual(largest):
        return None
    exponent = largest.view(torch.int32) & EXPONENT
    one = 127 << 23
    # The power 2**-s with s = bits - 1 - e; a row of zeros may have any.
    power = torch.where(largest > 0, exponent + ((2 - bits) << 23), one)
    limit = 2 ** (bits - 1) - 1
    scaled = x * (2 * one - power).view(torch.float32)
    words = scaled.clamp_(-limit, limit).add_(MAGIC).view(torch.int32)
    digit = words.to(torch.int8)
    if bits <= DIGIT_BITS:
        return Digits(None, digit, power.view(torch.float32))
    above = words.add_(128).bitwise_right_shift_(DIGIT_BITS).to(torch.int8)
    return Digits(above, digit, power.view(torch.float32))


def matmul(a: Tensor, b: Tensor, bits_a: int, bits_b: int) -> Tensor | None:
    """[..., M, K] against [..., N, K] -> [..., M, N], or None where `fused` has to do it."""
    if vnni.is_available():
        return vnni.matmul(a, b, bits_a, bits_b)
    left, right = compute_digits(a, bits_a), compute_digits(b, bits_b)
    if left is None or right is None:
        return None
    if a.dim() == 2:
        return _multiply(left, right)
    results = [_multiply(x, y) for x, y in zip(_split(left), _split(right))]
    return torch.stack(results).reshape(*a.shape[:-1], b.shape[-2])


def _split(digits: Digits) -> list[Digits]:
    """The parts of a batch."""
    low, scale = digits.low.flatten(0, -3), digits.scale.flatten(0, -3)
    high = [None] * len(low) if digits.high is None else digits.high.flatten(0, -3)
    return [Digits(h, x, s) for h, x, s in zip(high, low, scale)]


def _multiply(left: Digits, right: Digits) -> Tensor:
    low = torch._int_mm(left.low, right.low.T)
    middles = []
    if left.high is not None:
        middles.append(torch._int_mm(left.high, right.low.T))
    if right.high is not None:
        middles.append(torch._int_mm(left.low, right.high.T))
    high = None
    if left.high is not None and right.high is not None:
        high = torch._int_mm(left.high, right.high.T)
    combine = quantising.combine if is_combined() else _combine
    return combine(low, middles, high, left.scale, right.scale)


def _combine(
    low: Tensor, middles: list[Tensor], high: Tensor | None, rows: Tensor, columns: Tensor
) -> Tensor:
    """RN32 of the integer sums, scaled; a zero is +0. The middle products may be overwritten."""
    total = low.double()
    if middles:
        summed = middles[0] if len(middles) == 1 else middles[0].add_(middles[1])
        total.add_(summed.double(), alpha=2.0**DIGIT_BITS)
    if high is not None:
        total.add_(high.double(), alpha=2.0 ** (2 * DIGIT_BITS))
    return total.float().mul_(rows).mul_(columns.T)


@cache
def is_combined() -> bool:
    """Whether compiled code adds up the products of digits as `_combine` does."""
    if not is_compiled():
        return False
    generator = torch.Generator().manual_seed(0)
    low, *middles, high = torch.randint(
        -(2**30), 2**30, (4, 9, 70), dtype=torch.int32, generator=generator
    )
    rows, columns = (2.0 ** (torch.arange(n)[:, None] - n // 2) for n in low.shape)
    for count, top in ((0, None), (1, None), (2, high)):
        result = quantising.combine(low, middles[:count], top, rows, columns)
        copies = [middle.clone() for middle in middles[:count]]
        if not torch.equal(result, _combine(low, copies, top, rows, columns)):
            return False
    return True
