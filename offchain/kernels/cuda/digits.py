"""QUANTIZE on a device: rows of float32 as signed digits of a byte each.

The digits of a row lie beside each other in such a way that a product of all digits of some rows
with all digits of some columns is one product of matrices: eight rows of the lowest digits, then
the same eight rows of the next ones, and so on. Tensor cores give each thread results that lie
eight rows or eight columns apart, so each finds all parts of its elements in its own registers.

Rows that fit a program's registers are read once. Longer ones, and columns, are read twice, by
programs that share a row; their maxima meet in an atomic maximum.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from offchain.kernels.cuda.launch import OPTIONS

BITS_MAX = 22  # what the magic number below rounds
STRIPE = 8  # rows of one digit after each other
ALIGNMENT = 16  # bytes of a row of digits: what vector loads ask for
HELD_LENGTH_MAX = 2**14
HELD_ELEMENTS = 2**12
WIDTH, HEIGHT = 2**10, 8  # of a block of rows that are read twice
ACROSS = 64  # rows and positions of a block that is read across


@dataclass(frozen=True)
class Digits:
    """An operand [B, M, K]: its digits, int8 [B, M rounded up to stripes x planes, padded K], and
    the units of rows, float64 [B, M]."""

    stripes: Tensor
    unit: Tensor
    planes: int  # 1, 2 or 4; the fourth is 0


@triton.jit
def get_unit(largest, bits):
    """Of the largest of a row, as bits: (its grid's unit as float64, the two powers of two that
    together divide by it as float32, whether it has one)."""
    # The exponent field of the maximum as a float64, where subnormals of float32 have one too.
    wide = largest.to(tl.float32, bitcast=True).to(tl.float64).to(tl.int64, bitcast=True)
    exponent = (wide >> 52) - 1022
    usable = (largest < 0x7F800000) & (largest != 0)
    shift = tl.where(usable, exponent - (bits - 1), 0)
    unit = ((1023 + shift) << 52).to(tl.float64, bitcast=True)
    nan = tl.full([1], 0x7FF8000000000000, tl.int64).to(tl.float64, bitcast=True)
    half = (-shift) >> 1
    first = ((127 + half) << 23).to(tl.int32).to(tl.float32, bitcast=True)
    second = ((127 - shift - half) << 23).to(tl.int32).to(tl.float32, bitcast=True)
    return tl.where(largest < 0x7F800000, unit, nan), first, second, usable


@triton.jit
def get_size(value):
    """The absolute value's bits, which are ordered as the values are."""
    return value.to(tl.int32, bitcast=True) & 0x7FFFFFFF


@triton.jit
def quantize(value, first, second, usable, bits):
    """QUANTIZE, as i32; 0 where a row has no unit."""
    limit = ((1 << (bits - 1)) - 1) * 1.0
    # Exact, but for what is far below a half. 2**23 of the same sign makes it a whole number.
    scaled = tl.where(usable, value, 0.0) * first * second
    scaled = tl.minimum(tl.maximum(scaled, -limit), limit)
    sign = scaled.to(tl.int32, bitcast=True) & -0x80000000
    magic = (sign | 0x4B000000).to(tl.float32, bitcast=True)
    return ((scaled + magic) - magic).to(tl.int32)


@triton.jit
def _store_digits(
    value, first, second, usable, bits, place, padded, written, stripes, PLANES: tl.constexpr
):  # fmt: skip
    """`place` is where the lowest digits go; the next ones lie a stripe further."""
    limit = ((1 << (bits - 1)) - 1) * 1.0
    scaled = tl.where(usable, value, 0.0) * first * second
    scaled = tl.minimum(tl.maximum(scaled, -limit), limit)
    # 1.5 * 2**23 leaves the number, below 2**22, in the low bits of the word.
    q = (scaled + 12582912.0).to(tl.int32, bitcast=True) - 0x4B400000
    for plane in tl.static_range(PLANES):
        tl.store(stripes + place + plane * (8 * padded), q.to(tl.int8), mask=written)
        # Truncation takes the low byte as a signed digit; what it leaves is even without it.
        q = (q + 128) >> 8


@triton.jit
def _get_place(row, padded, PLANES: tl.constexpr):
    """Of a row's lowest digits."""
    return (row // 8 * (8 * PLANES) + row % 8) * padded


@triton.jit
def _quantize_held(
    x, stripes, unit, rows, length, padded, stride_batch, stride_row, bits,
    PLANES: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Some rows, whole."""
    batch = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    is_row = row < rows
    k = tl.arange(0, WIDTH)[None, :]
    source = x + batch * stride_batch + row[:, None] * stride_row
    value = tl.load(source + k, mask=is_row[:, None] & (k < length), other=0.0)
    largest = tl.max(get_size(value), axis=1)
    own, first, second, usable = get_unit(largest, bits)
    tl.store(unit + batch * rows + row, own, mask=is_row)
    lines = (rows + 7) // 8 * (8 * PLANES)
    place = batch * lines * padded + _get_place(row, padded, PLANES)[:, None] + k
    written = is_row[:, None] & (k < padded)
    _store_digits(
        value, first[:, None], second[:, None], usable[:, None], bits, place, padded, written,
        stripes, PLANES,
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
    x, stripes, unit, tops, rows, length, padded, stride_batch, stride_row, stride_k, bits,
    PLANES: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """A part of some rows whose largest are known."""
    batch = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    k = tl.program_id(1).to(tl.int64) * WIDTH + tl.arange(0, WIDTH)
    is_row = row < rows
    largest = tl.load(tops + batch * rows + row, mask=is_row, other=0)
    own, first, second, usable = get_unit(largest, bits)
    tl.store(unit + batch * rows + row, own, mask=is_row)
    source = x + batch * stride_batch + row[:, None] * stride_row + k[None, :] * stride_k
    value = tl.load(source, mask=is_row[:, None] & (k < length)[None, :], other=0.0)
    lines = (rows + 7) // 8 * (8 * PLANES)
    place = batch * lines * padded + _get_place(row, padded, PLANES)[:, None] + k[None, :]
    written = is_row[:, None] & (k < padded)[None, :]
    _store_digits(
        value, first[:, None], second[:, None], usable[:, None], bits, place, padded, written,
        stripes, PLANES,
    )  # fmt: skip


def count_planes(bits: int) -> int:
    """Digits that numbers of so many bits take, as a power of two."""
    return triton.next_power_of_2(-(-bits // 8))


def compute_digits(x: Tensor, bits: int) -> Digits:
    """Quantise rows of [B, M, K], which may lie in any way."""
    batch, rows, length = x.shape
    padded = -(-length // ALIGNMENT) * ALIGNMENT
    planes = count_planes(bits)
    lines = -(-rows // STRIPE) * STRIPE * planes
    stripes = torch.empty((batch, lines, padded), dtype=torch.int8, device=x.device)
    unit = torch.empty((batch, rows), dtype=torch.float64, device=x.device)
    width = triton.next_power_of_2(padded)
    if x.stride(-1) == 1 and width <= HELD_LENGTH_MAX:
        height = max(1, HELD_ELEMENTS // width)
        _quantize_held[(triton.cdiv(rows, height), batch)](
            x, stripes, unit, rows, length, padded, *x.stride()[:2], bits,
            PLANES=planes, ROWS=height, WIDTH=width, num_warps=8, **OPTIONS,
        )  # fmt: skip
        return Digits(stripes, unit, planes)
    height, width = (HEIGHT, WIDTH) if x.stride(-1) == 1 else (ACROSS, ACROSS)
    tops = torch.zeros((batch, rows), dtype=torch.int32, device=x.device)
    grid = (triton.cdiv(rows, height), triton.cdiv(padded, width), batch)
    _find_largest[grid](
        x, tops, rows, length, *x.stride(), ROWS=height, WIDTH=width, num_warps=8, **OPTIONS
    )
    _quantize_part[grid](
        x, stripes, unit, tops, rows, length, padded, *x.stride(), bits,
        PLANES=planes, ROWS=height, WIDTH=width, num_warps=8, **OPTIONS,
    )  # fmt: skip
    return Digits(stripes, unit, planes)
