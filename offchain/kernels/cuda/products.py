"""Exact matrix products on int8 tensor cores: quantise, then one kernel from digits to float32.

QUANTIZE makes integers of up to 15 bits; each becomes one or two signed digits to the base 2**8 (or
2**7 where 14 bits do: then three products are enough, by Karatsuba's identity, instead of four).
Their products are summed in int32, which cannot overflow while K < 2**16, put together in float64,
where integers below 2**53 are exact, scaled by powers of two and rounded once.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from offchain.kernels.cuda.launch import OPTIONS

BITS_MAX = 15
LENGTH_MAX = 2**16
ALIGNMENT = 16  # bytes of a row of digits: what vector loads ask for
QUANTIZE_ROWS, QUANTIZE_LENGTH = 16, 128
# Rows, columns and depth of a tile, warps and stages: the last three sums stay in registers.
TILE = {"ROWS": 64, "COLUMNS": 128, "DEPTH": 64, "num_warps": 8, "num_stages": 3}
SMALL_TILE = {"ROWS": 32, "COLUMNS": 32, "DEPTH": 32, "num_warps": 4, "num_stages": 2}


@dataclass(frozen=True)
class Digits:
    """An operand [B, M, K]: digits int8 [B, M, padded K] and the units of rows, float64 [B, M]."""

    low: Tensor
    high: Tensor | None
    unit: Tensor


@triton.jit
def _quantize(
    x, low, high, unit, rows, length, padded, stride_batch, stride_row, stride_k, bits,
    BASE_BITS: tl.constexpr, TWO: tl.constexpr, ROWS: tl.constexpr, LENGTH: tl.constexpr,
):  # fmt: skip
    """One block of rows: the largest of each, then its digits."""
    batch = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    is_row = row < rows
    source = x + batch * stride_batch + row.to(tl.int64)[:, None] * stride_row
    largest = tl.zeros([ROWS], tl.int32)
    for start in range(0, length, LENGTH):
        k = start + tl.arange(0, LENGTH)
        inside = is_row[:, None] & (k < length)[None, :]
        value = tl.load(source + k.to(tl.int64)[None, :] * stride_k, mask=inside, other=0.0)
        size = value.to(tl.int32, bitcast=True) & 0x7FFFFFFF
        largest = tl.maximum(largest, tl.max(size, axis=1))
    # The exponent field of the maximum as a float64, where subnormals of float32 have one too.
    wide = largest.to(tl.float32, bitcast=True).to(tl.float64).to(tl.int64, bitcast=True)
    exponent = (wide >> 52) - 1022
    is_finite = largest < 0x7F800000
    usable = is_finite & (largest != 0)
    shift = tl.where(usable, exponent - (bits - 1), 0)
    scale = ((1023 - shift) << 52).to(tl.float64, bitcast=True)
    own = ((1023 + shift) << 52).to(tl.float64, bitcast=True)
    nan = tl.full([ROWS], 0x7FF8000000000000, tl.int64).to(tl.float64, bitcast=True)
    tl.store(unit + batch * rows + row, tl.where(is_finite, own, nan), mask=is_row)
    limit = ((1 << (bits - 1)) - 1).to(tl.float64)
    magic = tl.full([1, 1], 6755399441055744.0, tl.float64)  # 1.5 * 2**52
    for start in range(0, padded, LENGTH):
        k = start + tl.arange(0, LENGTH)
        inside = (is_row & usable)[:, None] & (k < length)[None, :]
        value = tl.load(source + k.to(tl.int64)[None, :] * stride_k, mask=inside, other=0.0)
        scaled = value.to(tl.float64) * scale[:, None]
        rounded = (scaled + magic) - magic
        rounded = tl.minimum(tl.maximum(rounded, -limit), limit)
        q = rounded.to(tl.int32)
        half: tl.constexpr = 1 << (BASE_BITS - 1)
        digit = ((q + half) & (2 * half - 1)) - half
        place = (batch * rows + row.to(tl.int64))[:, None] * padded + k[None, :]
        written = is_row[:, None] & (k < padded)[None, :]
        if TWO:
            tl.store(low + place, digit.to(tl.int8), mask=written)
            tl.store(high + place, ((q - digit) >> BASE_BITS).to(tl.int8), mask=written)
        else:
            tl.store(low + place, q.to(tl.int8), mask=written)


@triton.jit
def _multiply(
    low, high, unit, low_c, high_c, unit_c, out, rows, columns, padded,
    BASE_BITS: tl.constexpr, TWO: tl.constexpr, TWO_C: tl.constexpr,
    KARATSUBA: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):  # fmt: skip
    """One tile of the product."""
    batch = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    is_row, is_column = row < rows, column < columns
    at = (batch * rows + row.to(tl.int64))[:, None] * padded
    at_c = (batch * columns + column.to(tl.int64))[None, :] * padded
    lowest = tl.zeros([ROWS, COLUMNS], tl.int32)
    middle = tl.zeros([ROWS, COLUMNS], tl.int32)
    highest = tl.zeros([ROWS, COLUMNS], tl.int32)
    for start in range(0, padded, DEPTH):
        k = start + tl.arange(0, DEPTH)
        inside = is_row[:, None] & (k < padded)[None, :]
        inside_c = is_column[None, :] & (k < padded)[:, None]
        a = tl.load(low + at + k[None, :], mask=inside, other=0)
        b = tl.load(low_c + at_c + k[:, None], mask=inside_c, other=0)
        lowest = tl.dot(a, b, lowest, out_dtype=tl.int32)
        if TWO:
            a_high = tl.load(high + at + k[None, :], mask=inside, other=0)
        if TWO_C:
            b_high = tl.load(high_c + at_c + k[:, None], mask=inside_c, other=0)
        if KARATSUBA:
            middle = tl.dot(a + a_high, b + b_high, middle, out_dtype=tl.int32)
        else:
            if TWO:
                middle = tl.dot(a_high, b, middle, out_dtype=tl.int32)
            if TWO_C:
                middle = tl.dot(a, b_high, middle, out_dtype=tl.int32)
        if TWO:
            if TWO_C:
                highest = tl.dot(a_high, b_high, highest, out_dtype=tl.int32)
    if KARATSUBA:
        middle = middle - lowest - highest
    base: tl.constexpr = 1 << BASE_BITS
    total = lowest.to(tl.float64) + middle.to(tl.float64) * base
    total = total + highest.to(tl.float64) * (base * base)
    scale = tl.load(unit + batch * rows + row, mask=is_row, other=0.0)
    scale_c = tl.load(unit_c + batch * columns + column, mask=is_column, other=0.0)
    result = (total * scale[:, None] * scale_c[None, :]).to(tl.float32)
    place = (batch * rows + row.to(tl.int64))[:, None] * columns + column[None, :]
    tl.store(out + place, result, mask=is_row[:, None] & is_column[None, :])


def is_usable(a: Tensor, b: Tensor, bits_a: int, bits_b: int) -> bool:
    """Whether operands [..., M, K] and [..., N, K] are for this path."""
    return max(bits_a, bits_b) <= BITS_MAX and 0 < a.shape[-1] < LENGTH_MAX and b.shape[-1] > 0


def compute_digits(x: Tensor, bits: int, base_bits: int = 8) -> Digits:
    """Quantise rows of [B, M, K], which may lie in any way."""
    batch, rows, length = x.shape
    padded = -(-length // ALIGNMENT) * ALIGNMENT
    two = bits > 8
    low = torch.empty((batch, rows, padded), dtype=torch.int8, device=x.device)
    high = torch.empty_like(low) if two else None
    unit = torch.empty((batch, rows), dtype=torch.float64, device=x.device)
    grid = (-(-rows // QUANTIZE_ROWS), batch)
    _quantize[grid](
        x, low, low if high is None else high, unit, rows, length, padded, *x.stride(), bits,
        BASE_BITS=base_bits, TWO=two, ROWS=QUANTIZE_ROWS, LENGTH=QUANTIZE_LENGTH, **OPTIONS,
    )  # fmt: skip
    return Digits(low, high, unit)


def multiply(a: Digits, b: Digits, base_bits: int = 8) -> Tensor:
    """float32 [B, M, N]."""
    batch, rows, padded = a.low.shape
    columns = b.low.shape[1]
    out = torch.empty((batch, rows, columns), dtype=torch.float32, device=a.low.device)
    tile = TILE if min(rows, columns) >= TILE["ROWS"] else SMALL_TILE
    grid = (-(-rows // tile["ROWS"]), -(-columns // tile["COLUMNS"]), batch)
    _multiply[grid](
        a.low, a.low if a.high is None else a.high, a.unit,
        b.low, b.low if b.high is None else b.high, b.unit, out, rows, columns, padded,
        BASE_BITS=base_bits, TWO=a.high is not None, TWO_C=b.high is not None,
        KARATSUBA=base_bits == 7, **tile, **OPTIONS,
    )  # fmt: skip
    return out


def matmul(a: Tensor, b: Tensor, bits_a: int, bits_b: int) -> Tensor:
    """[..., M, K] against [..., N, K] -> [..., M, N]; leading axes broadcast."""
    lead = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    base_bits = 7 if 8 < min(bits_a, bits_b) and max(bits_a, bits_b) <= 14 else 8
    left, right = (
        compute_digits(_flatten(x.expand(*lead, *x.shape[-2:])), bits, base_bits)
        for x, bits in ((a, bits_a), (b, bits_b))
    )
    return multiply(left, right, base_bits).reshape(*lead, a.shape[-2], b.shape[-2])


def _flatten(x: Tensor) -> Tensor:
    """One batch axis, without a copy where the axes allow it."""
    return x.reshape(-1, *x.shape[-2:]) if x.dim() != 3 else x
