"""Exact matrix products on int8 tensor cores: one kernel from digits to float32.

All digits of some rows times all digits of some columns are one product of matrices with sums in
int32, which cannot overflow while K < 2**16. What belongs to an element is put together in int64,
rounded once and scaled by powers of two.
"""

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

from offchain.kernels.cuda.digits import BITS_MAX, Digits, compute_digits, count_planes
from offchain.kernels.cuda.launch import OPTIONS
from protocol.types import compute_ceil_log2

LENGTH_MAX = 2**16
PLANES_MAX = 8  # of both operands, multiplied
SUM_BITS_MAX = 53  # so that a sum is a float64


@dataclass(frozen=True)
class Tile:
    """What one program computes, and how; rows and columns are of digits."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int

    def get_options(self) -> dict[str, Any]:
        return {"num_warps": self.warps, "num_stages": self.stages, **OPTIONS}


# The fastest of those tried on an H100 with the products of GPT-2's shapes and square ones.
TILE = Tile(rows=128, columns=128, depth=128, warps=8, stages=3)
LARGE_TILE = Tile(rows=128, columns=256, depth=128, warps=8, stages=3)
SHALLOW_TILE = Tile(rows=64, columns=128, depth=64, warps=4, stages=2)
NARROW_TILE = Tile(rows=64, columns=64, depth=64, warps=4, stages=3)
TILES = (TILE, LARGE_TILE, SHALLOW_TILE, NARROW_TILE)
LARGE_AREA, LARGE_LENGTH = 2**25, 2**13
GROUP = 8  # tiles of rows that follow each other, so that columns stay in the cache


@triton.jit
def _add_digits(t):
    """The lowest three of the four digits that the last axis holds, as int64."""
    even, odd = t.reshape(t.shape[0], t.shape[1], t.shape[2], t.shape[3], 2, 2).split()
    d0, d2 = even.split()
    d1, _ = odd.split()
    return d0.to(tl.int64) + (d1.to(tl.int64) << 8) + (d2.to(tl.int64) << 16)


@triton.jit
def _unstack(
    sums, PLANES_A: tl.constexpr, PLANES_B: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    """What belongs to each element, put together: int64 [ROWS, COLUMNS]."""
    t = sums.reshape(ROWS // 8, PLANES_A, 8, COLUMNS // 8, PLANES_B, 8)
    t = t.permute(0, 2, 3, 5, 1, 4)
    if PLANES_A == 2 and PLANES_B == 2:
        low, high = t.split()
        s0, s1 = low.split()
        s2, s3 = high.split()
        total = s0.to(tl.int64) + ((s1 + s2).to(tl.int64) << 8) + (s3.to(tl.int64) << 16)
    elif PLANES_A * PLANES_B == 1:
        total = t.to(tl.int64)
    elif PLANES_A * PLANES_B == 2:
        s0, s1 = t.reshape(ROWS // 8, 8, COLUMNS // 8, 8, 2).split()
        total = s0.to(tl.int64) + (s1.to(tl.int64) << 8)
    elif PLANES_A * PLANES_B == 4:
        total = _add_digits(t.reshape(ROWS // 8, 8, COLUMNS // 8, 8, 4))
    elif PLANES_A == 4:
        low, high = t.split()
        total = _add_digits(low) + (_add_digits(high) << 8)
    else:
        low, high = t.permute(0, 1, 2, 3, 5, 4).split()
        total = _add_digits(low) + (_add_digits(high) << 8)
    return total.reshape(ROWS, COLUMNS)


@triton.jit
def _multiply(
    a, b, unit_a, unit_b, out, rows, columns, padded,
    PLANES_A: tl.constexpr, PLANES_B: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """One tile of the product."""
    batch = tl.program_id(1)
    tiles, tiles_across = tl.cdiv(rows, ROWS), tl.cdiv(columns, COLUMNS)
    group = tl.program_id(0) // (GROUP * tiles_across)
    inside_group = tl.program_id(0) % (GROUP * tiles_across)
    height = min(tiles - group * GROUP, GROUP)
    row_start = (group * GROUP + inside_group % height) * ROWS
    column_start = (inside_group // height) * COLUMNS
    sums = tl.zeros([PLANES_A * ROWS, PLANES_B * COLUMNS], tl.int32)
    for k in range(0, padded, DEPTH):
        x = a.load([batch, PLANES_A * row_start, k]).reshape(PLANES_A * ROWS, DEPTH)
        y = b.load([batch, PLANES_B * column_start, k]).reshape(PLANES_B * COLUMNS, DEPTH)
        sums = tl.dot(x, y.T, sums, out_dtype=tl.int32)
    total = _unstack(sums, PLANES_A, PLANES_B, ROWS, COLUMNS)
    row = row_start + tl.arange(0, ROWS)
    column = column_start + tl.arange(0, COLUMNS)
    is_row, is_column = row < rows, column < columns
    scale_a = tl.load(unit_a + batch * rows + row, mask=is_row, other=1.0)
    scale_b = tl.load(unit_b + batch * columns + column, mask=is_column, other=1.0)
    # Between these no product of units leaves the normal numbers, so float32 scales exactly.
    smallest, largest = 2.0**-60, 2.0**60
    usual = (tl.min(scale_a) >= smallest) & (tl.max(scale_a) <= largest)
    usual = usual & (tl.min(scale_b) >= smallest) & (tl.max(scale_b) <= largest)
    if usual:
        near_a, near_b = scale_a.to(tl.float32), scale_b.to(tl.float32)
        result = total.to(tl.float32) * near_a[:, None] * near_b[None, :]
    else:
        result = (total.to(tl.float64) * scale_a[:, None] * scale_b[None, :]).to(tl.float32)
    place = (batch.to(tl.int64) * rows + row)[:, None] * columns + column[None, :]
    tl.store(out + place, result, mask=is_row[:, None] & is_column[None, :])


def is_usable(a: Tensor, b: Tensor, bits_a: int, bits_b: int) -> bool:
    """Whether operands [..., M, K] and [..., N, K] are for this path."""
    length = a.shape[-1]
    return (
        max(bits_a, bits_b) <= BITS_MAX
        and count_planes(bits_a) * count_planes(bits_b) <= PLANES_MAX
        and 0 < length < LENGTH_MAX
        and bits_a + bits_b - 2 + compute_ceil_log2(length) <= SUM_BITS_MAX
        and b.shape[-1] > 0
    )


def choose_tile(a: Tensor, b: Tensor, bits_a: int, bits_b: int) -> Tile:
    """For operands [..., M, K] and [..., N, K]."""
    rows, columns = count_planes(bits_a) * a.shape[-2], count_planes(bits_b) * b.shape[-2]
    length = a.shape[-1]
    if length < TILE.depth:
        return SHALLOW_TILE
    if min(rows, columns) <= TILE.rows:  # one tile would be all there is
        return NARROW_TILE
    is_large = rows * columns >= LARGE_AREA and length >= LARGE_LENGTH
    return LARGE_TILE if is_large else TILE


def multiply(a: Digits, b: Digits, tile: Tile) -> Tensor:
    """float32 [B, M, N]."""
    batch, rows = a.unit.shape
    columns, padded = b.unit.shape[1], a.stripes.shape[2]
    out = torch.empty((batch, rows, columns), dtype=torch.float32, device=a.unit.device)
    own_rows, own_columns = tile.rows // a.planes, tile.columns // b.planes
    grid = (triton.cdiv(rows, own_rows) * triton.cdiv(columns, own_columns), batch)
    _multiply[grid](
        TensorDescriptor.from_tensor(a.stripes, [1, tile.rows, tile.depth]),
        TensorDescriptor.from_tensor(b.stripes, [1, tile.columns, tile.depth]),
        a.unit, b.unit, out, rows, columns, padded, PLANES_A=a.planes, PLANES_B=b.planes,
        ROWS=own_rows, COLUMNS=own_columns, DEPTH=tile.depth, GROUP=GROUP, **tile.get_options(),
    )  # fmt: skip
    return out


def matmul(a: Tensor, b: Tensor, bits_a: int, bits_b: int, tile: Tile) -> Tensor:
    """[..., M, K] against [..., N, K] -> [..., M, N]; leading axes broadcast."""
    lead = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left, right = (
        compute_digits(_flatten(x.expand(*lead, *x.shape[-2:])), bits)
        for x, bits in ((a, bits_a), (b, bits_b))
    )
    return multiply(left, right, tile).reshape(*lead, a.shape[-2], b.shape[-2])


def _flatten(x: Tensor) -> Tensor:
    """One batch axis, without a copy where the axes allow it."""
    return x.reshape(-1, *x.shape[-2:]) if x.dim() != 3 else x
