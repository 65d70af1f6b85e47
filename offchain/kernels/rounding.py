"""QUANTIZE without integers: rounding to a power-of-two grid, and keeping the scale.

QUANTIZE turns x into an integer q, and DEQUANTIZE multiplies sums of products of such q by powers
of two. Here q * 2**-s is formed at once, with s = bits - 1 - e: the multiple of 2**-s nearest to
x. Sums and products of these are the same sums and products of integers times a power of two, so
a float64 holds them exactly, and no pass over the result is needed to scale it.

Adding and subtracting C = 1.5 * 2**p * 2**-s, with p the fraction bits of the format, rounds to a
multiple of 2**-s, ties to even, because that is the spacing of the format near C.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from offchain.kernels import llvm, quantising
from offchain.kernels.maps import compute_exponent, compute_power

FRACTION = 2**23 - 1
EXPONENT = 0x7F800000
SMALLEST, LARGEST = 2.0**-100, 2.0**100  # maxima between which no float32 constant leaves range
F32_BITS_MAX = 22  # so that |x| * 2**s <= 2**21 stays well inside the spacing around C
USUAL_BITS_MAX = 24  # so that the constant of a vector of zeros is a number


@dataclass(frozen=True)
class Grid:
    """An operand rounded to its grid. `values` is float64, laid out as the operand was."""

    values: Tensor
    bad: Tensor | None  # vectors whose maximum is not finite, their values are 0; None: no vector


def compute_largest(x: Tensor, axis: int = -1) -> Tensor:
    """Largest |x| along an axis, which stays; NaN if any is NaN."""
    return torch.maximum(x.amax(axis, keepdim=True), x.amin(axis, keepdim=True).neg_()).abs_()


@cache
def is_compiled() -> bool:
    """Whether the loops of `quantising` can be compiled here and agree with the ones below."""
    if llvm.LLVM is None:
        return False
    x = torch.randn(66, 70, generator=torch.Generator().manual_seed(0))
    x *= 2.0 ** (torch.arange(66)[:, None] - 33)
    x[:, 0] = torch.where(x[:, 0] < 0, 0.0, x.amax(dim=1).log2().ceil().exp2() * (1 - 2.0**-24))
    x[5] = 0.0
    try:
        return all(_agrees(vectors, bits) for vectors in (x, x.T) for bits in (8, 15, 24))
    except RuntimeError:
        return False


def _agrees(x: Tensor, bits: int) -> bool:
    expected = _round_any(x, compute_largest(x), bits).values
    if not torch.equal(quantising.round_vectors(x, bits)[1], expected):
        return False
    if bits == USUAL_BITS_MAX:
        sums = expected.sum(dim=-1).float()
        return torch.equal(quantising.sum_vectors(x, bits), sums)
    tops, scale, low, high = quantising.compute_digits(x, bits, True)
    total = high.double() * 256 + low.double()
    return torch.equal(total * scale.double()[:, None], expected)


def round_to_grid(x: Tensor, bits: int) -> Grid:
    """Round to one grid per vector along the last axis (strides of x may be any)."""
    largest = compute_largest(x)
    if x.device.type == "cpu" and is_compiled():
        tops, values = quantising.round_vectors(x, bits)
        is_bad = int(tops.max()) >= quantising.INFINITY
        return Grid(values, (tops >= quantising.INFINITY).unsqueeze(-1) if is_bad else None)
    if x.device.type == "cpu" and bits <= USUAL_BITS_MAX:
        values = _round_usual(x, largest, bits)
        if values is not None:
            return Grid(values, None)
    return _round_any(x, largest, bits)


def _round_usual(x: Tensor, largest: Tensor, bits: int) -> Tensor | None:
    """The grid values with the fewest passes, or None where a maximum is out of the usual range.

    Looking at a value stalls an accelerator, so this path is the CPU's.
    """
    low, high = largest.aminmax()
    if not float(high) <= LARGEST:
        return None
    if float(low) < SMALLEST and bool(((largest > 0) & (largest < SMALLEST)).any()):
        return None
    words = largest.view(torch.int32)
    exponent = words & EXPONENT
    # 1.5 * 2**23 * 2**-s: the exponent field moves by 24 - bits + 1, the half sets the next bit.
    constant = (exponent + ((25 - bits) * 2**23 + 2**22)).view(torch.float32)
    if bits <= F32_BITS_MAX:
        values = torch.add(x, constant).sub_(constant)
    else:
        constant = constant.double().mul_(2.0**29)
        values = x.double().add_(constant).sub_(constant)
    # A maximum this close below 2**e rounds to 2**(bits-1), one beyond the symmetric range.
    if int((words & FRACTION).max()) >= 2**23 - 2 ** (24 - bits):
        power = (exponent + 2**23).view(torch.float32)
        limit = torch.where(largest > 0, power * (1 - 2.0 ** (1 - bits)), 0.0)
        values = torch.minimum(torch.maximum(values, -limit), limit)
    if values.dim() > 2:
        # A batched product would copy anything else again, in twice the width.
        return values.to(torch.float64, memory_format=torch.contiguous_format)
    return values.double()


def _round_any(x: Tensor, largest: Tensor, bits: int) -> Grid:
    """Any float32 operand, without looking at a value."""
    bad = ~largest.isfinite()
    usable = largest.isfinite() & (largest != 0)
    exponent = compute_exponent(torch.where(usable, largest, 1.0))
    constant = compute_power(exponent + (52 - (bits - 1))) * 1.5
    limit = compute_power(exponent) * (1 - 2.0 ** (1 - bits))
    wide = torch.where(usable, x, 0.0).double().add_(constant).sub_(constant)
    return Grid(torch.minimum(torch.maximum(wide, -limit), limit), bad)
