"""Operations that are one fixed linear map per spatial axis: resizing, mirrored and repeated
padding, averages over windows that divide an axis.

The map of an axis is read off PyTorch's own operation at capture, and the gradient's off the
gradient's, so coordinates and weights are PyTorch's.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering
from offchain.capture.lowering_indexing import take
from offchain.capture.lowering_pointwise import binary, mul
from offchain.capture.lowering_views import normalize_axis
from offchain.capture.registry import Unsupported, lowers

aten = torch.ops.aten

ADDED_MAX = 4  # terms that are added one by one; more are a sum
LENGTH_MAX = 2**12  # = 4096: the map of an axis is read off a square matrix

# The operation on [1, L, ..., L, ...] along one axis of length L; the others keep their length.
Probe = Callable[[Tensor, int], Tensor]

OTHER = 4  # length of the other axes: some operations of PyTorch go wrong on axes of length 1


def _compute_matrix(length: int, number: int, count: int, probe: Probe) -> np.ndarray:
    """[outputs, length]: what each output takes of each element of spatial axis `number`."""
    if length > LENGTH_MAX:
        raise Unsupported(f"an axis of {length} elements, limit {LENGTH_MAX}")
    basis = torch.eye(length).reshape(1, length, *_only([length] * count, number, 1))
    result = probe(basis.expand(1, length, *_only([length] * count, number, OTHER)), number)
    for axis in reversed(range(count)):
        if axis != number:
            result = result.select(2 + axis, 0)
    return result[0].numpy().T


def apply_matrix(low: Lowering, x: Ref, axis: int, matrix: np.ndarray) -> Ref:
    """The axis replaced by the matrix's rows, each a weighted sum of few elements."""
    axis = normalize_axis(axis, len(x.shape))
    if matrix.shape[0] == matrix.shape[1] and (matrix == np.eye(len(matrix))).all():
        return x
    terms = max(1, int((matrix != 0).sum(axis=1).max()))
    index = np.full((len(matrix), terms), -1, dtype=np.int64)  # -1 reads 0
    weights = np.zeros((len(matrix), terms), dtype=np.float32)
    for row, line in enumerate(matrix):
        chosen = np.flatnonzero(line)
        index[row, : len(chosen)], weights[row, : len(chosen)] = chosen, line[chosen]
    taken = take(low, x, axis, low.constant(torch.from_numpy(index)))
    weighted = weights[weights != 0]
    if weighted.size and (weighted != 1).any():
        ones = [1] * (len(x.shape) - 1 - axis)
        factors = torch.from_numpy(weights).reshape(*weights.shape, *ones)
        taken = mul(low, taken, low.constant(factors))
    if terms > ADDED_MAX:
        rest = [a for a in range(len(taken.shape)) if a != axis + 1]
        return low.emit("sum", taken.permute((*rest, axis + 1)))
    parts = [taken.seen(taken.view.select(axis + 1, term)) for term in range(terms)]
    total = parts[0]
    for part in parts[1:]:
        total = binary(low, "add", total, part)
    return total


def _resample(low: Lowering, x: Ref, count: int, probe: Probe) -> Ref:
    for number, length in enumerate(x.shape[-count:]):
        x = apply_matrix(low, x, number - count, _compute_matrix(length, number, count, probe))
    return x


def _only(values: list[Any], number: int, other: Any) -> list[Any]:
    """The values with every axis but one set to `other`."""
    return [value if n == number else other for n, value in enumerate(values)]


def _lower_resizing(name: str, count: int, has_corners: bool) -> None:
    operation, backward = getattr(aten, name).default, getattr(aten, f"{name}_backward").default

    def split(arguments: tuple[Any, ...], number: int) -> list[Any]:
        """The arguments after the sizes, for one axis."""
        corners = arguments[:1] if has_corners else ()
        scales = list(arguments[len(corners) :]) + [None] * count
        return [*corners, *_only(scales[:count], number, None)]

    @lowers(operation)
    def resize(low: Lowering, x: Ref, sizes: list[int], *arguments: Any) -> Ref:
        others = OTHER if tuple(sizes) == x.shape[-count:] else 2 * OTHER

        def probe(basis: Tensor, number: int) -> Tensor:
            # What is the same along an axis stays so: any element of the other axes will do.
            return operation(basis, _only(sizes, number, others), *split(arguments, number))

        return _resample(low, x, count, probe)

    @lowers(backward)
    def resize_backward(
        low: Lowering, gradient: Ref, sizes: list[int], shape: list[int], *arguments: Any
    ) -> Ref:
        # Where no size changes PyTorch takes a short cut, in some gradients but not in the map
        # itself; so the gradient is read off the gradient, with other sizes changing as here.
        kept = list(sizes) == list(shape[-count:])

        def probe(basis: Tensor, number: int) -> Tensor:
            before = [*basis.shape[:2], *_only(list(shape[-count:]), number, OTHER)]
            after = _only(sizes, number, OTHER if kept else 2 * OTHER)
            if kept:
                return backward(basis, after, before, *split(arguments, number))
            others = [2 + axis for axis in range(count) if axis != number]
            for axis in others:
                basis = torch.cat([basis, basis], axis)
            result = backward(basis, after, before, *split(arguments, number))
            if not others:
                return result
            # Every output's weights along another axis add up to 1.
            return result.sum(others, keepdim=True) / (2 * OTHER) ** len(others)

        return _resample(low, gradient, count, probe)


for _count, _linear in ((1, "linear"), (2, "bilinear"), (3, "trilinear")):
    _lower_resizing(f"upsample_{_linear}{_count}d", _count, has_corners=True)
    _lower_resizing(f"upsample_nearest{_count}d", _count, has_corners=False)
    _lower_resizing(f"_upsample_nearest_exact{_count}d", _count, has_corners=False)
_lower_resizing("upsample_bicubic2d", 2, has_corners=True)
_lower_resizing("_upsample_bilinear2d_aa", 2, has_corners=True)
_lower_resizing("_upsample_bicubic2d_aa", 2, has_corners=True)


def _lower_padding(name: str, count: int) -> None:
    operation, backward = getattr(aten, name).default, getattr(aten, f"{name}_backward").default

    def select(padding: list[int], number: int) -> list[int]:
        """The padding of one axis alone; PyTorch gives pairs from the last axis backwards."""
        pairs = [padding[2 * n : 2 * n + 2] for n in range(count)][::-1]
        return [end for pair in _only(pairs, number, [0, 0])[::-1] for end in pair]

    @lowers(operation)
    def pad(low: Lowering, x: Ref, padding: list[int]) -> Ref:
        return _resample(low, x, count, lambda basis, n: operation(basis, select(padding, n)))

    @lowers(backward)
    def pad_backward(low: Lowering, gradient: Ref, x: Ref, padding: list[int]) -> Ref:
        lengths = list(x.shape[-count:])

        def probe(basis: Tensor, number: int) -> Tensor:
            before = torch.zeros(*basis.shape[:2], *_only(lengths, number, OTHER))
            return backward(basis, before, select(padding, number))

        return _resample(low, gradient, count, probe)


for _count in (1, 2, 3):
    _lower_padding(f"reflection_pad{_count}d", _count)
    _lower_padding(f"replication_pad{_count}d", _count)


def _lower_adaptive_average(count: int) -> None:
    name = f"_adaptive_avg_pool{count}d"
    operation, backward = getattr(aten, name).default, getattr(aten, f"{name}_backward").default

    @lowers(operation)
    def pool(low: Lowering, x: Ref, sizes: list[int]) -> Ref:
        return _resample(low, x, count, lambda basis, n: operation(basis, _only(sizes, n, OTHER)))

    @lowers(backward)
    def pool_backward(low: Lowering, gradient: Ref, x: Ref) -> Ref:
        lengths = list(x.shape[-count:])

        def probe(basis: Tensor, number: int) -> Tensor:
            before = torch.zeros(*basis.shape[:2], *_only(lengths, number, OTHER))
            return backward(basis, before)

        return _resample(low, gradient, count, probe)


_lower_adaptive_average(2)
_lower_adaptive_average(3)
