"""Runs of microcode as one kernel: sums, matrix products and scattered sums, exact in float64.

Each equals ABSMAX, QUANTIZE, a fold and DEQUANTIZE: the fold's value is a float64 whatever the
order of additions, because all partial sums fit 2**53 units of the grid, and one conversion to
float32 rounds it. A zero sum is +0 in the instruction set, and adding +0 makes it so.
"""

import torch
from torch import Tensor

from offchain.kernels import int8, quantising
from offchain.kernels.cuda import checks, launch
from offchain.kernels.rounding import is_compiled, round_to_grid
from protocol.types import compute_ceil_log2

SIGNIFICAND_BITS = 53  # of a float64


def is_exact(bits: int, length: int) -> bool:
    """Whether a fold of `length` products of `bits` bits (without signs) fits a float64."""
    return bits + compute_ceil_log2(length) <= SIGNIFICAND_BITS


def _finish(sums: Tensor, *bad: Tensor | None) -> Tensor:
    result = sums.add_(0.0).float()
    for mask in bad:
        if mask is not None:
            result = torch.where(mask, torch.nan, result)
    return result


def exact_sum(x: Tensor, bits: int) -> Tensor:
    """Sum along the last axis."""
    if x.device.type == "cpu" and is_compiled():
        return quantising.sum_vectors(x, bits)
    grid = round_to_grid(x, bits)
    bad = None if grid.bad is None else grid.bad.squeeze(-1)
    return _finish(grid.values.sum(dim=-1), bad)


def exact_matmul(a: Tensor, b: Tensor, bits_a: int, bits_b: int) -> Tensor:
    """a [..., M, K] against b [..., N, K] -> [..., M, N]; leading axes broadcast."""
    if int8.is_usable(a, b, bits_a, bits_b):
        result = int8.matmul(a, b, bits_a, bits_b)
        if result is not None:
            return result
    if a.device.type == "cuda" and launch.is_available(a.device):
        from offchain.kernels.cuda import products

        if products.is_usable(a, b, bits_a, bits_b):
            tile = products.choose_tile(a, b, bits_a, bits_b)
            if checks.has_product(a.device, bits_a, bits_b, tile):
                return products.matmul(a, b, bits_a, bits_b, tile)
    return multiply_in_float64(a, b, bits_a, bits_b)


def multiply_in_float64(a: Tensor, b: Tensor, bits_a: int, bits_b: int) -> Tensor:
    """The path that every machine has."""
    left, right = round_to_grid(a, bits_a), round_to_grid(b, bits_b)
    bad = None if right.bad is None else right.bad.mT
    return _finish(torch.matmul(left.values, right.values.mT), left.bad, bad)


def exact_index_add(index: Tensor, values: Tensor, rows: int, bits: int) -> Tensor:
    """index [T], values [D, T] -> [rows, D]; an index outside the rows adds to none."""
    grid = round_to_grid(values, bits)
    inside = (index >= 0) & (index < rows)
    place = torch.where(inside, index, rows)
    shape = (rows + 1, values.shape[0])
    sums = torch.zeros(shape, dtype=torch.float64, device=values.device)
    sums.index_add_(0, place, grid.values.mT)
    return _finish(sums[:rows], None if grid.bad is None else grid.bad.mT)


def exact_scatter_add(index: Tensor, values: Tensor, rows: int, bits: int) -> Tensor:
    """index and values [..., K] -> [..., rows]; an index outside the rows adds to none."""
    grid = round_to_grid(values, bits)
    inside = (index >= 0) & (index < rows)
    place = torch.where(inside, index, rows).to(torch.int64)
    shape = (*values.shape[:-1], rows + 1)
    sums = torch.zeros(shape, dtype=torch.float64, device=values.device)
    sums.scatter_add_(-1, place, grid.values)
    return _finish(sums[..., :rows], grid.bad)
