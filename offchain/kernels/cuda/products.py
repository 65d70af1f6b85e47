"""Exact matrix products on int8 tensor cores: one kernel from digits to float32.

The products of digits are summed in int32 by the weight of their place, which cannot overflow
while K < 2**16, put together in float64, where integers below 2**53 are exact, scaled by powers of
two and rounded once. Where 14 bits are enough, Karatsuba's identity makes three products of four.
"""

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

from offchain.kernels.cuda.digits import BITS_MAX, Digits, compute_digits
from offchain.kernels.cuda.launch import OPTIONS
from protocol.types import compute_ceil_log2

LENGTH_MAX = 2**16
PLACES_MAX = 4  # sums that registers hold: of three digits by two


@dataclass(frozen=True)
class Tile:
    """What one program computes, and how."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int

    def get_options(self) -> dict[str, Any]:
        return {"num_warps": self.warps, "num_stages": self.stages, **OPTIONS}


# Sums of three or four places: 3 * 128 * 64 words are 96 of each thread's 255 registers.
TILE = Tile(rows=128, columns=64, depth=128, warps=8, stages=3)
ONE_DIGIT_TILE = Tile(rows=128, columns=128, depth=128, warps=8, stages=4)
SMALL_TILE = Tile(rows=64, columns=32, depth=32, warps=4, stages=2)
GROUP = 8  # tiles of rows that follow each other, so that columns stay in the cache


@triton.jit
def _multiply(
    a0, a1, a2, b0, b1, b2, unit_a, unit_b, out, rows, columns, padded,
    BASE_BITS: tl.constexpr, DIGITS_A: tl.constexpr, DIGITS_B: tl.constexpr,
    KARATSUBA: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    GROUP: tl.constexpr,
):  # fmt: skip
    """One tile of the product; a0 and b0 hold the lowest digits."""
    batch = tl.program_id(1)
    tiles, tiles_across = tl.cdiv(rows, ROWS), tl.cdiv(columns, COLUMNS)
    group = tl.program_id(0) // (GROUP * tiles_across)
    inside_group = tl.program_id(0) % (GROUP * tiles_across)
    height = min(tiles - group * GROUP, GROUP)
    row_start = (group * GROUP + inside_group % height) * ROWS
    column_start = (inside_group // height) * COLUMNS
    sum0 = tl.zeros([ROWS, COLUMNS], tl.int32)
    sum1 = tl.zeros([ROWS, COLUMNS], tl.int32)
    sum2 = tl.zeros([ROWS, COLUMNS], tl.int32)
    sum3 = tl.zeros([ROWS, COLUMNS], tl.int32)
    for k in range(0, padded, DEPTH):
        low = a0.load([batch, row_start, k]).reshape(ROWS, DEPTH)
        low_b = b0.load([batch, column_start, k]).reshape(COLUMNS, DEPTH).T
        sum0 = tl.dot(low, low_b, sum0, out_dtype=tl.int32)
        if DIGITS_A > 1:
            middle = a1.load([batch, row_start, k]).reshape(ROWS, DEPTH)
        if DIGITS_B > 1:
            middle_b = b1.load([batch, column_start, k]).reshape(COLUMNS, DEPTH).T
        if KARATSUBA:
            sum1 = tl.dot(low + middle, low_b + middle_b, sum1, out_dtype=tl.int32)
            sum2 = tl.dot(middle, middle_b, sum2, out_dtype=tl.int32)
        else:
            if DIGITS_A > 1:
                sum1 = tl.dot(middle, low_b, sum1, out_dtype=tl.int32)
            if DIGITS_B > 1:
                sum1 = tl.dot(low, middle_b, sum1, out_dtype=tl.int32)
            if DIGITS_A > 1 and DIGITS_B > 1:
                sum2 = tl.dot(middle, middle_b, sum2, out_dtype=tl.int32)
            if DIGITS_A > 2:
                high = a2.load([batch, row_start, k]).reshape(ROWS, DEPTH)
                sum2 = tl.dot(high, low_b, sum2, out_dtype=tl.int32)
                if DIGITS_B > 1:
                    sum3 = tl.dot(high, middle_b, sum3, out_dtype=tl.int32)
            if DIGITS_B > 2:
                high_b = b2.load([batch, column_start, k]).reshape(COLUMNS, DEPTH).T
                sum2 = tl.dot(low, high_b, sum2, out_dtype=tl.int32)
                if DIGITS_A > 1:
                    sum3 = tl.dot(middle, high_b, sum3, out_dtype=tl.int32)
    if KARATSUBA:
        sum1 = sum1 - sum0 - sum2
    base: tl.constexpr = 1 << BASE_BITS
    total = sum0.to(tl.float64)
    if DIGITS_A + DIGITS_B > 2:
        total = total + sum1.to(tl.float64) * base
    if DIGITS_A + DIGITS_B > 3:
        total = total + sum2.to(tl.float64) * (base * base)
    if DIGITS_A + DIGITS_B > 4:
        total = total + sum3.to(tl.float64) * (base * base * base)
    row = row_start + tl.arange(0, ROWS)
    column = column_start + tl.arange(0, COLUMNS)
    is_row, is_column = row < rows, column < columns
    scale_a = tl.load(unit_a + batch * rows + row, mask=is_row, other=0.0)
    scale_b = tl.load(unit_b + batch * columns + column, mask=is_column, other=0.0)
    result = (total * scale_a[:, None] * scale_b[None, :]).to(tl.float32)
    place = (batch.to(tl.int64) * rows + row)[:, None] * columns + column[None, :]
    tl.store(out + place, result, mask=is_row[:, None] & is_column[None, :])


def is_usable(a: Tensor, b: Tensor, bits_a: int, bits_b: int) -> bool:
    """Whether operands [..., M, K] and [..., N, K] are for this path."""
    length = a.shape[-1]
    places = sum(-(-bits // 8) for bits in (bits_a, bits_b)) - 1
    return (
        max(bits_a, bits_b) <= BITS_MAX
        and places <= PLACES_MAX
        and 0 < length < LENGTH_MAX
        and bits_a + bits_b - 2 + compute_ceil_log2(length) <= 53
        and b.shape[-1] > 0
    )


def _choose_tile(rows: int, columns: int, places: int) -> Tile:
    if min(rows, columns) < 64:
        return SMALL_TILE
    return ONE_DIGIT_TILE if places == 1 else TILE


def multiply(a: Digits, b: Digits, tile: Tile | None = None) -> Tensor:
    """float32 [B, M, N]."""
    batch, rows, padded = a.places[0].shape
    columns = b.places[0].shape[1]
    base_bits = a.base_bits
    count_a, count_b = len(a.places), len(b.places)
    out = torch.empty((batch, rows, columns), dtype=torch.float32, device=a.unit.device)
    if tile is None:
        tile = _choose_tile(rows, columns, count_a + count_b - 1)

    def describe(digits: Digits, lines: int) -> list[TensorDescriptor]:
        shape = [1, lines, tile.depth]
        made = [TensorDescriptor.from_tensor(place, shape) for place in digits.places]
        return made + [made[0]] * (3 - len(made))

    grid = (triton.cdiv(rows, tile.rows) * triton.cdiv(columns, tile.columns), batch)
    _multiply[grid](
        *describe(a, tile.rows), *describe(b, tile.columns), a.unit, b.unit, out,
        rows, columns, padded, BASE_BITS=base_bits, DIGITS_A=count_a, DIGITS_B=count_b,
        KARATSUBA=base_bits == 7, ROWS=tile.rows, COLUMNS=tile.columns, DEPTH=tile.depth,
        GROUP=GROUP, **tile.get_options(),
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
    return multiply(left, right).reshape(*lead, a.shape[-2], b.shape[-2])


def _flatten(x: Tensor) -> Tensor:
    """One batch axis, without a copy where the axes allow it."""
    return x.reshape(-1, *x.shape[-2:]) if x.dim() != 3 else x
