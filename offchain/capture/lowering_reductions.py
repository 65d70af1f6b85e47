"""Sums, means, maxima, softmax, normalisation: operators along the last axis."""

from math import prod

import numpy as np
import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering
from offchain.capture.lowering_pointwise import div, mul
from offchain.capture.lowering_selection import boolean
from offchain.capture.lowering_views import merge, normalize_axis
from offchain.capture.registry import Unsupported, lowers
from protocol.types import Dtype

aten = torch.ops.aten

Axes = list[int] | None


def fold(low: Lowering, kind: str, x: Ref, axes: Axes, keep: bool) -> Ref:
    """An operator that folds the last axis, over any axes (all where none is given)."""
    rank = len(x.shape)
    chosen = sorted({normalize_axis(a, rank) for a in axes or range(rank)}) if rank else []
    result = low.emit(kind, merge(low, x, chosen))
    if not keep:
        return result
    shape = tuple(1 if a in chosen else length for a, length in enumerate(x.shape))
    return low.builder.reshape(result, shape)


@lowers(aten.sum.default, aten.sum.dim_IntList)
def _sum(
    low: Lowering, x: Ref, axes: Axes = None, keepdim: bool = False, dtype: object = None
) -> Ref:
    total = fold(low, "sum", low.as_float(x), axes, keepdim)
    # Exact below 2**24, like every integer held as a float.
    return total if low.get_result_dtype() is torch.float32 else low.emit("to_int", total)


@lowers(aten.mean.default, aten.mean.dim)
def _mean(
    low: Lowering, x: Ref, axes: Axes = None, keepdim: bool = False, dtype: object = None
) -> Ref:
    return fold(low, "mean", low.as_float(x), axes, keepdim)


@lowers(aten.amax.default)
def _amax(low: Lowering, x: Ref, axes: Axes = None, keepdim: bool = False) -> Ref:
    if x.dtype is not Dtype.F32:
        raise Unsupported("a maximum of integers")
    return fold(low, "amax", x, axes, keepdim)


@lowers(aten.max.default)
def _max(low: Lowering, x: Ref) -> Ref:
    return _amax(low, x)


@lowers(aten.amin.default)
def _amin(low: Lowering, x: Ref, axes: Axes = None, keepdim: bool = False) -> Ref:
    return low.emit("neg", _amax(low, low.emit("neg", x), axes, keepdim))


@lowers(aten.min.default)
def _min(low: Lowering, x: Ref) -> Ref:
    return _amin(low, x)


def _any(low: Lowering, x: Ref, axes: Axes, keepdim: bool) -> Ref:
    largest = fold(low, "amax", low.emit("to_float", x), axes, keepdim)
    return low.emit("lt", low.full(0.0, Dtype.F32), largest)


def _boolean_input(low: Lowering, x: Ref) -> Ref:
    return boolean(low, x, low.get_argument_dtype())


def _as_axes(axes: int | list[int] | None) -> Axes:
    return [axes] if isinstance(axes, int) else axes


@lowers(aten.any.default, aten.any.dim, aten.any.dims)
def _any_of(low: Lowering, x: Ref, axes: int | list[int] | None = None, keep: bool = False) -> Ref:
    return _any(low, _boolean_input(low, x), _as_axes(axes), keep)


@lowers(aten.all.default, aten.all.dim, aten.all.dims)
def _all_of(low: Lowering, x: Ref, axes: int | list[int] | None = None, keep: bool = False) -> Ref:
    inverse = low.emit("logical_not", _boolean_input(low, x))
    return low.emit("logical_not", _any(low, inverse, _as_axes(axes), keep))


@lowers(aten.var.correction)
def _var(
    low: Lowering,
    x: Ref,
    axes: Axes = None,
    correction: float | None = None,
    keepdim: bool = False,
) -> Ref:
    rank = len(x.shape)
    chosen = [normalize_axis(a, rank) for a in axes or range(rank)]
    count = prod(x.shape[a] for a in chosen)
    centred = low.emit("sub", x, fold(low, "mean", x, axes, keep=True))
    total = fold(low, "sum", mul(low, centred, centred), axes, keepdim)
    degrees = max(0.0, count - (1 if correction is None else correction))
    return div(low, total, float(degrees))


# --- Softmax --------------------------------------------------------------------------------------


def _along(low: Lowering, kind: str, axis: int, *inputs: Ref) -> Ref:
    """An operator along the last axis that keeps the shape, along any axis."""
    rank = len(inputs[0].shape)
    if rank == 0:
        raise Unsupported("softmax of a scalar")
    axes = list(range(rank))
    axis = normalize_axis(axis, rank)
    axes[axis], axes[-1] = axes[-1], axes[axis]
    return low.emit(kind, *(x.permute(axes) for x in inputs)).permute(axes)


@lowers(aten._softmax.default)
def _softmax(low: Lowering, x: Ref, axis: int, half_to_float: bool) -> Ref:
    return _along(low, "softmax", axis, x)


@lowers(aten._safe_softmax.default)
def _safe_softmax(low: Lowering, x: Ref, axis: int, dtype: object = None) -> Ref:
    return _along(low, "safe_softmax", axis, x)


@lowers(aten._log_softmax.default)
def _log_softmax(low: Lowering, x: Ref, axis: int, half_to_float: bool) -> Ref:
    return _along(low, "log_softmax", axis, x)


@lowers(aten._softmax_backward_data.default)
def _softmax_backward(low: Lowering, gradient: Ref, y: Ref, axis: int, dtype: object) -> Ref:
    return _along(low, "softmax_backward", axis, gradient.expand(y.shape), y)


@lowers(aten._log_softmax_backward_data.default)
def _log_softmax_backward(low: Lowering, gradient: Ref, y: Ref, axis: int, dtype: object) -> Ref:
    return _along(low, "log_softmax_backward", axis, gradient.expand(y.shape), y)


# --- Layer normalisation --------------------------------------------------------------------------


def _rows(low: Lowering, x: Ref, axes: int) -> Ref:
    """The last `axes` axes joined to one."""
    kept = len(x.shape) - axes
    return low.builder.reshape(x, (*x.shape[:kept], prod(x.shape[kept:])))


@lowers(aten.native_layer_norm.default)
def _layer_norm(
    low: Lowering, x: Ref, shape: list[int], weight: Ref | None, bias: Ref | None, epsilon: float
) -> tuple[Ref, Ref, Ref]:
    axes = len(shape)
    rows = _rows(low, x, axes)
    mean = low.emit("mean", rows)
    bits = int(np.float32(epsilon).view(np.uint32))
    rstd = low.emit("rstd", rows, mean, epsilon=bits)
    if weight is None and bias is None:
        result = low.emit("normalize", rows, mean, rstd)
    else:
        scale = low.full(1.0, Dtype.F32) if weight is None else _rows(low, weight, axes)
        shift = low.full(0.0, Dtype.F32) if bias is None else _rows(low, bias, axes)
        result = low.emit("layer_norm", rows, mean, rstd, scale, shift)
    kept = (*x.shape[: len(x.shape) - axes], *[1] * axes)
    return (
        low.builder.reshape(result, x.shape),
        low.builder.reshape(mean, kept),
        low.builder.reshape(rstd, kept),
    )


@lowers(aten.native_layer_norm_backward.default)
def _layer_norm_backward(
    low: Lowering,
    gradient: Ref,
    x: Ref,
    shape: list[int],
    mean: Ref,
    rstd: Ref,
    weight: Ref | None,
    bias: Ref | None,
    mask: list[bool],
) -> tuple[Ref | None, Ref | None, Ref | None]:
    axes = len(shape)
    rows, gradients = _rows(low, x, axes), _rows(low, gradient, axes)
    kept = rows.shape[:-1]
    mean, rstd = low.builder.reshape(mean, kept), low.builder.reshape(rstd, kept)
    scale = low.full(1.0, Dtype.F32) if weight is None else _rows(low, weight, axes)
    outer = list(range(len(kept)))
    result: list[Ref | None] = [None, None, None]
    if mask[0]:
        inner = low.emit("layer_norm_backward", gradients, rows, mean, rstd, scale)
        result[0] = low.builder.reshape(inner, x.shape)
    if mask[1]:
        normal = low.emit("normalize", rows, mean, rstd)
        total = _sum_rows(low, mul(low, gradients, normal), outer)
        result[1] = low.builder.reshape(total, tuple(shape))
    if mask[2]:
        result[2] = low.builder.reshape(_sum_rows(low, gradients, outer), tuple(shape))
    return result[0], result[1], result[2]


def _sum_rows(low: Lowering, x: Ref, axes: list[int]) -> Ref:
    return fold(low, "sum", x, axes, keep=False) if axes else x
