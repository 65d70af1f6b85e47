"""Exact sums of integer products by floating-point matrix units.

A float64 product of integers is exact, in any order and tiling, while every partial sum stays
within 2**53. Wider operands are split into a high and a low part, whose products are exact.
"""

import torch
from torch import Tensor

from offchain.kernels.reading import read_folded
from protocol.views import View

EXACT_F64 = 2**53


def compute_largest(x: Tensor) -> int:
    """Largest absolute value of an integer tensor."""
    if x.numel() == 0:
        return 0
    low, high = x.aminmax()
    return max(-int(low), int(high))


def matmul(a: Tensor, b: Tensor, largest_a: int, largest_b: int) -> Tensor:
    """Integers [..., M, K] times [..., K, N] as int64, exact while the true sums fit 64 bits.

    The two bounds hold for every element's absolute value.
    """
    length = a.shape[-1]
    if max(1, largest_a) * max(1, largest_b) * length <= EXACT_F64:
        return torch.matmul(a.double(), b.double()).to(torch.int64)
    if largest_a < largest_b:
        return matmul(b.mT, a.mT, largest_b, largest_a).mT
    shift = largest_a.bit_length() // 2
    high, low = a >> shift, a & (2**shift - 1)  # the low part is not negative
    above = matmul(high, b, (largest_a >> shift) + 1, largest_b)
    return (above << shift) + matmul(low, b, 2**shift - 1, largest_b)


def dot(a: Tensor, view_a: View, b: Tensor, view_b: View, length: int) -> Tensor:
    """DOT over flat sources: axes that only one operand has become rows and columns.

    An axis whose stride is 0 in one operand does not move it, so that operand need not be read
    once per position: what is left is a batch of matrix products.
    """
    rank = len(view_a.shape)
    moves = list(zip(view_a.strides, view_b.strides))
    rows = [axis for axis in range(rank) if moves[axis][0] and not moves[axis][1]]
    columns = [axis for axis in range(rank) if moves[axis][1] and not moves[axis][0]]
    batch = [axis for axis in range(rank) if axis not in rows and axis not in columns]
    shape = view_a.shape

    def gather(source: Tensor, view: View, own: list[int]) -> Tensor:
        here = view.permute((*batch, *own))
        values = read_folded(source, here, length)
        batch_shape = values.shape[: len(batch)]
        return values.reshape(*batch_shape, -1, length)

    left, right = gather(a, view_a, rows), gather(b, view_b, columns)
    product = matmul(left, right.mT, compute_largest(left), compute_largest(right))
    order = (*batch, *rows, *columns)
    product = product.reshape([shape[axis] for axis in order])
    return product.permute([order.index(axis) for axis in range(rank)]).contiguous()
