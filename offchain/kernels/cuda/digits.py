"""QUANTIZE on a device: rows of float32 as one to three signed digits of a byte each.

The base is 2**8, or 2**7 for two digits of 14 bits, so that their sum fits a byte too
(Karatsuba's middle product). Rows that fit a program's registers are read once. Longer ones, and
columns, are read twice, by programs that share a row; their maxima meet in an atomic maximum.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from offchain.kernels.cuda.launch import OPTIONS

BITS_MAX = 23  # what three digits hold with room for the carries
ALIGNMENT = 16  # bytes of a row of digits: what vector loads ask for
HELD_LENGTH_MAX = 2**12
HELD_ELEMENTS = 2**12
WIDTH, HEIGHT = 2**10, 8  # of a block of rows that are read twice
ACROSS = 64  # rows and positions of a block that is read across


@dataclass(frozen=True)
class Digits:
    """An operand [B, M, K]: its digits, lowest first, int8 [B, M, padded K], and the units of
    rows, float64 [B, M]."""

    places: tuple[Tensor, ...]
    unit: Tensor
    base_bits: int


@triton.jit
def get_unit(largest, bits):
    """(power of two by which a row is divided, its inverse, whether it has one); float64."""
    # The exponent field of the maximum as a float64, where subnormals of float32 have one too.
    wide = largest.to(tl.float32, bitcast=True).to(tl.float64).to(tl.int64, bitcast=True)
    exponent = (wide >> 52) - 1022
    usable = (largest < 0x7F800000) & (largest != 0)
    shift = tl.where(usable, exponent - (bits - 1), 0)
    unit = ((1023 + shift) << 52).to(tl.float64, bitcast=True)
    inverse = ((1023 - shift) << 52).to(tl.float64, bitcast=True)
    nan = tl.full([1], 0x7FF8000000000000, tl.int64).to(tl.float64, bitcast=True)
    return tl.where(largest < 0x7F800000, unit, nan), inverse, usable


@triton.jit
def get_size(value):
    """The absolute value's bits, which are ordered as the values are."""
    return value.to(tl.int32, bitcast=True) & 0x7FFFFFFF


@triton.jit
def quantize(value, inverse, usable, bits):
    """QUANTIZE, as whole numbers in float64; 0 where a row has no unit."""
    limit = (1 << (bits - 1)) - 1
    magic = tl.full([1, 1], 6755399441055744.0, tl.float64)  # 1.5 * 2**52
    scaled = tl.where(usable, value, 0.0).to(tl.float64) * inverse
    rounded = (scaled + magic) - magic
    return tl.minimum(tl.maximum(rounded, -limit), limit)


@triton.jit
def _store_digits(
    value, inverse, usable, bits, place, written, p0, p1, p2,
    BASE_BITS: tl.constexpr, DIGITS: tl.constexpr,
):  # fmt: skip
    q = quantize(value, inverse, usable, bits).to(tl.int32)
    half: tl.constexpr = 1 << (BASE_BITS - 1)
    if DIGITS > 1:
        digit = ((q + half) & (2 * half - 1)) - half
        tl.store(p0 + place, digit.to(tl.int8), mask=written)
        q = (q - digit) >> BASE_BITS
        if DIGITS > 2:
            digit = ((q + half) & (2 * half - 1)) - half
            tl.store(p1 + place, digit.to(tl.int8), mask=written)
            tl.store(p2 + place, ((q - digit) >> BASE_BITS).to(tl.int8), mask=written)
        else:
            tl.store(p1 + place, q.to(tl.int8), mask=written)
    else:
        tl.store(p0 + place, q.to(tl.int8), mask=written)


@triton.jit
def _quantize_held(
    x, p0, p1, p2, unit, rows, length, padded, stride_batch, stride_row, bits,
    BASE_BITS: tl.constexpr, DIGITS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Some rows, whole."""
    batch = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    is_row = row < rows
    k = tl.arange(0, WIDTH)[None, :]
    source = x + batch * stride_batch + row[:, None] * stride_row
    value = tl.load(source + k, mask=is_row[:, None] & (k < length), other=0.0)
    largest = tl.max(get_size(value), axis=1)
    own, inverse, usable = get_unit(largest, bits)
    tl.store(unit + batch * rows + row, own, mask=is_row)
    place = (batch * rows + row)[:, None] * padded + k
    written = is_row[:, None] & (k < padded)
    _store_digits(
        value, inverse[:, None], usable[:, None], bits, place, written, p0, p1, p2,
        BASE_BITS, DIGITS,
    )  # fmt: skip


@triton.jit
def _find_largest(
    x, tops, rows, length, stride_batch, stride_row, stride_k,
    ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """The largest of a part of some rows, as bits, into what other parts have found."""
    batch = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    k = tl.program_id(1).to(tl.int64) * WIDTH + tl.arange(0, WIDTH)
    is_row = row < rows
    source = x + batch * stride_batch + row[:, None] * stride_row + k[None, :] * stride_k
    value = tl.load(source, mask=is_row[:, None] & (k < length)[None, :], other=0.0)
    tl.atomic_max(tops + batch * rows + row, tl.max(get_size(value), axis=1), mask=is_row)


@triton.jit
def _quantize_part(
    x, p0, p1, p2, unit, tops, rows, length, padded, stride_batch, stride_row, stride_k, bits,
    BASE_BITS: tl.constexpr, DIGITS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """A part of some rows whose largest are known."""
    batch = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    k = tl.program_id(1).to(tl.int64) * WIDTH + tl.arange(0, WIDTH)
    is_row = row < rows
    own, inverse, usable = get_unit(tl.load(tops + batch * rows + row, mask=is_row, other=0), bits)
    tl.store(unit + batch * rows + row, own, mask=is_row)
    source = x + batch * stride_batch + row[:, None] * stride_row + k[None, :] * stride_k
    value = tl.load(source, mask=is_row[:, None] & (k < length)[None, :], other=0.0)
    place = (batch * rows + row)[:, None] * padded + k[None, :]
    written = is_row[:, None] & (k < padded)[None, :]
    _store_digits(
        value, inverse[:, None], usable[:, None], bits, place, written, p0, p1, p2,
        BASE_BITS, DIGITS,
    )  # fmt: skip


def compute_digits(x: Tensor, bits: int, base_bits: int = 8) -> Digits:
    """Quantise rows of [B, M, K], which may lie in any way."""
    batch, rows, length = x.shape
    padded = -(-length // ALIGNMENT) * ALIGNMENT
    count = -(-bits // 8)
    shape = (batch, rows, padded)
    places = [torch.empty(shape, dtype=torch.int8, device=x.device) for _ in range(count)]
    unit = torch.empty((batch, rows), dtype=torch.float64, device=x.device)
    outputs = (*places, *[places[0]] * (3 - count))
    constants = {"BASE_BITS": base_bits, "DIGITS": count, **OPTIONS}
    width = triton.next_power_of_2(padded)
    if x.stride(-1) == 1 and width <= HELD_LENGTH_MAX:
        height = max(1, HELD_ELEMENTS // width)
        _quantize_held[(triton.cdiv(rows, height), batch)](
            x, *outputs, unit, rows, length, padded, *x.stride()[:2], bits,
            ROWS=height, WIDTH=width, num_warps=8, **constants,
        )  # fmt: skip
        return Digits(tuple(places), unit, base_bits)
    height, width = (HEIGHT, WIDTH) if x.stride(-1) == 1 else (ACROSS, ACROSS)
    tops = torch.zeros((batch, rows), dtype=torch.int32, device=x.device)
    grid = (triton.cdiv(rows, height), triton.cdiv(padded, width), batch)
    _find_largest[grid](
        x, tops, rows, length, *x.stride(), ROWS=height, WIDTH=width, num_warps=8, **OPTIONS
    )
    _quantize_part[grid](
        x, *outputs, unit, tops, rows, length, padded, *x.stride(), bits,
        ROWS=height, WIDTH=width, num_warps=8, **constants,
    )  # fmt: skip
    return Digits(tuple(places), unit, base_bits)
