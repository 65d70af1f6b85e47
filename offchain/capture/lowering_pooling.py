"""Pooling by windows: the largest with its position, and averages.

Position and ties are PyTorch's: of equal elements the first counts, and a NaN is larger than any
number, the last one of a window largest.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
import torch

from offchain.capture.builder import Ref
from offchain.capture.geometry import compute_extents, fit, overlap_add, slide
from offchain.capture.lowering import Lowering
from offchain.capture.lowering_indexing import take
from offchain.capture.lowering_ordering import POSITIONS_MAX, find_largest
from offchain.capture.lowering_pointwise import binary, div, where
from offchain.capture.lowering_reductions import fold
from offchain.capture.registry import Unsupported, lowers
from protocol.types import Dtype, Shape

aten = torch.ops.aten


def as_steps(values: Sequence[int], count: int, default: Sequence[int] | None = None) -> list[int]:
    """One number per spatial axis: PyTorch gives one for all, or none where there is a default."""
    given = list(values) or list(default or [])
    return given * count if len(given) == 1 else given


# --- The largest ----------------------------------------------------------------------------------


def make_positions(low: Lowering, lengths: Shape) -> Ref:
    """The row-major number of each element of the spatial axes, as f32."""
    size = prod(lengths)
    if size > POSITIONS_MAX:
        raise Unsupported(f"pooling over {size} positions, limit {POSITIONS_MAX}")
    return low.builder.reshape(low.emit("to_float", low.arange(size)), lengths)


def _lower_max_pool(count: int) -> None:
    name = f"max_pool{count}d_with_indices"

    def get_steps(
        kernel: list[int], stride: list[int], padding: list[int], dilation: list[int]
    ) -> tuple[list[int], list[int], list[int], list[int]]:
        kernel = as_steps(kernel, count)
        return (
            kernel,
            as_steps(stride, count, kernel),
            as_steps(padding, count),
            as_steps(dilation, count),
        )

    def slide_over(low: Lowering, x: Ref, outputs: Shape, fill: float, *steps: list[int]) -> Ref:
        kernel, stride, padding, dilation = steps
        extents = compute_extents(outputs, kernel, stride, dilation)
        return slide(fit(low, x, padding, extents, fill), outputs, kernel, stride, dilation)

    @lowers(getattr(aten, name).default)
    def max_pool(
        low: Lowering,
        x: Ref,
        kernel: list[int],
        stride: list[int] = (),  # type: ignore[assignment]
        padding: list[int] = (0,),  # type: ignore[assignment]
        dilation: list[int] = (1,),  # type: ignore[assignment]
        ceil_mode: bool = False,
    ) -> tuple[Ref, Ref]:
        steps = get_steps(kernel, stride, padding, dilation)
        outputs = low.get_result_shape()[-count:]
        windows = slide_over(low, x, outputs, float("-inf"), *steps)
        positions = make_positions(low, x.shape[-count:])
        # A position outside is never chosen: its element is -inf, and so is its score.
        outside = float(POSITIONS_MAX)
        positions = slide_over(low, positions, outputs, outside, *steps)
        axes = list(range(len(windows.shape) - count, len(windows.shape)))
        return find_largest(low, windows, positions, axes, last_nan=True)

    @lowers(getattr(aten, f"{name}_backward").default)
    def max_pool_backward(
        low: Lowering,
        gradient: Ref,
        x: Ref,
        kernel: list[int],
        stride: list[int],
        padding: list[int],
        dilation: list[int],
        ceil_mode: bool,
        indices: Ref,
    ) -> Ref:
        steps = get_steps(kernel, stride, padding, dilation)
        lengths, outputs = x.shape[-count:], gradient.shape[-count:]
        numbers = low.builder.reshape(low.arange(prod(lengths)), lengths)
        positions = slide_over(low, numbers, outputs, -1, *steps)
        for _ in range(count):
            gradient = gradient.unsqueeze(len(gradient.shape))
            indices = indices.unsqueeze(len(indices.shape))
        windows = where(low, binary(low, "eq", indices, positions), gradient, 0.0)
        kernel, stride, padding, dilation = steps
        return overlap_add(low, windows, lengths, padding, stride, dilation)


_lower_max_pool(2)
_lower_max_pool(3)


# --- Averages -------------------------------------------------------------------------------------


def _compute_counts(
    lengths: Sequence[int],
    outputs: Shape,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    include_padding: bool,
) -> np.ndarray:
    """How many elements each window is divided by, PyTorch's rule, for all spatial axes."""
    counts = np.ones((), dtype=np.float32)
    for n, o, k, s, p in zip(lengths, outputs, kernel, stride, padding):
        start = np.arange(o) * s - p
        end = np.minimum(start + k, n + p)
        if not include_padding:
            start, end = np.maximum(start, 0), np.minimum(end, n)
        counts = np.multiply.outer(counts, (end - start).astype(np.float32))
    return counts


def _divide(
    low: Lowering,
    x: Ref,
    lengths: Shape,
    outputs: Shape,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    include_padding: bool,
    divisor: int | None,
) -> Ref:
    if divisor is not None:
        return div(low, x, float(divisor))
    counts = _compute_counts(lengths, outputs, kernel, stride, padding, include_padding)
    return div(low, x, low.constant(torch.from_numpy(counts)))


def _lower_average_pool(count: int) -> None:
    @lowers(getattr(aten, f"avg_pool{count}d").default)
    def average_pool(
        low: Lowering,
        x: Ref,
        kernel: list[int],
        stride: list[int] = (),  # type: ignore[assignment]
        padding: list[int] = (0,),  # type: ignore[assignment]
        ceil_mode: bool = False,
        include_padding: bool = True,
        divisor: int | None = None,
    ) -> Ref:
        kernel = as_steps(kernel, count)
        stride, padding = as_steps(stride, count, kernel), as_steps(padding, count)
        lengths, outputs, ones = x.shape[-count:], low.get_result_shape()[-count:], [1] * count
        extents = compute_extents(outputs, kernel, stride, ones)
        windows = slide(fit(low, x, padding, extents), outputs, kernel, stride, ones)
        axes = list(range(len(windows.shape) - count, len(windows.shape)))
        total = fold(low, "sum", windows, axes, keep=False)
        rest = (kernel, stride, padding, include_padding, divisor)
        return _divide(low, total, lengths, outputs, *rest)

    @lowers(getattr(aten, f"avg_pool{count}d_backward").default)
    def average_pool_backward(
        low: Lowering,
        gradient: Ref,
        x: Ref,
        kernel: list[int],
        stride: list[int],
        padding: list[int],
        ceil_mode: bool,
        include_padding: bool,
        divisor: int | None,
    ) -> Ref:
        kernel = as_steps(kernel, count)
        stride, padding = as_steps(stride, count, kernel), as_steps(padding, count)
        lengths, outputs = x.shape[-count:], gradient.shape[-count:]
        rest = (kernel, stride, padding, include_padding, divisor)
        each = _divide(low, gradient, lengths, outputs, *rest)
        for _ in range(count):
            each = each.unsqueeze(len(each.shape))
        windows = each.expand((*gradient.shape, *kernel))
        return overlap_add(low, windows, lengths, padding, stride, [1] * count)


_lower_average_pool(2)
_lower_average_pool(3)


# --- The largest of windows that divide the axis as evenly as they can ----------------------------


def _make_adaptive_index(length: int, outputs: int) -> np.ndarray:
    """Elements of each window, [outputs, longest window]; shorter ones repeat their last."""
    starts = [o * length // outputs for o in range(outputs)]
    ends = [-((-(o + 1) * length) // outputs) for o in range(outputs)]
    longest = max(e - s for s, e in zip(starts, ends))
    index = [[min(s + t, e - 1) for t in range(longest)] for s, e in zip(starts, ends)]
    return np.array(index, dtype=np.int64)


def _lower_adaptive_max_pool(count: int) -> None:
    @lowers(getattr(aten, f"adaptive_max_pool{count}d").default)
    def adaptive_max_pool(low: Lowering, x: Ref, sizes: list[int]) -> tuple[Ref, Ref]:
        lead = len(x.shape) - count
        lengths, outputs = x.shape[lead:], low.get_result_shape()[lead:]
        positions = np.zeros((), dtype=np.int64)
        for number in range(count):
            index = _make_adaptive_index(lengths[number], outputs[number])
            # Axis by axis from the front: earlier ones have become two already.
            x = take(low, x, lead + 2 * number, low.constant(torch.from_numpy(index)))
            positions = np.add.outer(positions * lengths[number], index)
        where_ = low.constant(torch.from_numpy(positions))
        axes = [lead + 2 * number + 1 for number in range(count)]
        if where_.dtype is not Dtype.F32:
            where_ = low.emit("to_float", where_)
        return find_largest(low, x, where_, axes, last_nan=True)

    @lowers(getattr(aten, f"adaptive_max_pool{count}d_backward").default)
    def adaptive_max_pool_backward(low: Lowering, gradient: Ref, x: Ref, indices: Ref) -> Ref:
        lead, size = x.shape[: len(x.shape) - count], prod(x.shape[-count:])
        flat = (*lead, prod(gradient.shape[-count:]))
        added = low.emit(
            "scatter_add",
            low.builder.reshape(indices, flat),
            low.builder.reshape(gradient, flat),
            rows=size,
        )
        return low.builder.reshape(added, x.shape)


_lower_adaptive_max_pool(2)
_lower_adaptive_max_pool(3)
