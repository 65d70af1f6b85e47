"""Operations that are one fixed linear map per spatial axis: resizing, mirrored and repeated
padding, averages over windows that divide an axis.

The map of an axis is read off PyTorch's own operation at capture, so its coordinates and weights
are PyTorch's; the gradient uses the transposed map.
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

Probe = Callable[[Tensor, int], Tensor]  # the operation on [1, L, ..., L, ...] along one axis


def _compute_matrix(length: int, number: int, count: int, probe: Probe) -> np.ndarray:
    """[outputs, length]: what each output takes of each element of spatial axis `number`."""
    if length > LENGTH_MAX:
        raise Unsupported(f"an axis of {length} elements, limit {LENGTH_MAX}")
    shape = [1, length, *[1] * count]
    shape[2 + number] = length
    result = probe(torch.eye(length).reshape(shape), number)
    return result.reshape(length, -1).numpy().T


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


def _resample(low: Lowering, x: Ref, lengths: tuple[int, ...], probe: Probe, back: bool) -> Ref:
    count = len(lengths)
    for number, length in enumerate(lengths):
        matrix = _compute_matrix(length, number, count, probe)
        x = apply_matrix(low, x, number - count, matrix.T if back else matrix)
    return x


def _only(values: list[Any], number: int, other: Any) -> list[Any]:
    """The values with every axis but one set to `other`."""
    return [value if n == number else other for n, value in enumerate(values)]


def _lower_resizing(name: str, count: int, has_corners: bool) -> None:
    operation = getattr(aten, name).default

    def get_probe(sizes: list[int], arguments: tuple[Any, ...]) -> Probe:
        corners = arguments[:1] if has_corners else ()
        scales = list(arguments[len(corners) :]) + [None] * count

        def probe(x: Tensor, number: int) -> Tensor:
            size = _only(sizes, number, 1)
            return operation(x, size, *corners, *_only(scales[:count], number, None))

        return probe

    @lowers(operation)
    def resize(low: Lowering, x: Ref, sizes: list[int], *arguments: Any) -> Ref:
        return _resample(low, x, x.shape[-count:], get_probe(sizes, arguments), back=False)

    @lowers(getattr(aten, f"{name}_backward").default)
    def resize_backward(
        low: Lowering, gradient: Ref, sizes: list[int], shape: list[int], *arguments: Any
    ) -> Ref:
        lengths = tuple(shape[-count:])
        return _resample(low, gradient, lengths, get_probe(sizes, arguments), back=True)


for _count, _linear in ((1, "linear"), (2, "bilinear"), (3, "trilinear")):
    _lower_resizing(f"upsample_{_linear}{_count}d", _count, has_corners=True)
    _lower_resizing(f"upsample_nearest{_count}d", _count, has_corners=False)
    _lower_resizing(f"_upsample_nearest_exact{_count}d", _count, has_corners=False)
_lower_resizing("upsample_bicubic2d", 2, has_corners=True)
_lower_resizing("_upsample_bilinear2d_aa", 2, has_corners=True)
_lower_resizing("_upsample_bicubic2d_aa", 2, has_corners=True)


def _lower_padding(name: str, count: int) -> None:
    operation = getattr(aten, name).default

    def get_probe(padding: list[int]) -> Probe:
        # PyTorch gives pairs from the last axis backwards.
        pairs = [padding[2 * n : 2 * n + 2] for n in range(count)][::-1]

        def probe(x: Tensor, number: int) -> Tensor:
            kept = _only(pairs, number, [0, 0])[::-1]
            return operation(x, [end for pair in kept for end in pair])

        return probe

    @lowers(operation)
    def pad(low: Lowering, x: Ref, padding: list[int]) -> Ref:
        return _resample(low, x, x.shape[-count:], get_probe(padding), back=False)

    @lowers(getattr(aten, f"{name}_backward").default)
    def pad_backward(low: Lowering, gradient: Ref, x: Ref, padding: list[int]) -> Ref:
        return _resample(low, gradient, x.shape[-count:], get_probe(padding), back=True)


for _count in (1, 2, 3):
    _lower_padding(f"reflection_pad{_count}d", _count)
    _lower_padding(f"replication_pad{_count}d", _count)


def _lower_adaptive_average(count: int) -> None:
    operation = getattr(aten, f"_adaptive_avg_pool{count}d").default

    def get_probe(sizes: list[int]) -> Probe:
        return lambda x, number: operation(x, _only(sizes, number, 1))

    @lowers(operation)
    def pool(low: Lowering, x: Ref, sizes: list[int]) -> Ref:
        return _resample(low, x, x.shape[-count:], get_probe(sizes), back=False)

    @lowers(getattr(aten, f"_adaptive_avg_pool{count}d_backward").default)
    def pool_backward(low: Lowering, gradient: Ref, x: Ref) -> Ref:
        sizes = list(gradient.shape[-count:])
        return _resample(low, gradient, x.shape[-count:], get_probe(sizes), back=True)


_lower_adaptive_average(2)
_lower_adaptive_average(3)
