"""Sums, means, maxima, softmax: operators along the last axis."""

from math import prod

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

SUM_MAX = 2**23  # what QUANTIZE with 24 bits holds exactly


def normalize_axes(axes: int | Axes, rank: int) -> list[int]:
    """The axes in order, counted from the front; all where none is given."""
    given = [axes] if isinstance(axes, int) else axes
    return sorted({normalize_axis(a, rank) for a in given or range(rank)}) if rank else []


def fold(low: Lowering, kind: str, x: Ref, axes: Axes, keep: bool) -> Ref:
    """An operator that folds the last axis, over any axes (all where none is given)."""
    chosen = normalize_axes(axes, len(x.shape))
    result = low.emit(kind, merge(low, x, chosen))
    if not keep:
        return result
    shape = tuple(1 if a in chosen else length for a, length in enumerate(x.shape))
    return low.builder.reshape(result, shape)


@lowers(aten.sum.default, aten.sum.dim_IntList)
def _sum(
    low: Lowering, x: Ref, axes: Axes = None, keepdim: bool = False, dtype: object = None
) -> Ref:
    if low.get_result_dtype() is not torch.float32:
        _check_sum(low, x, axes)
        return low.emit("to_int", fold(low, "sum", low.as_float(x), axes, keepdim))
    return fold(low, "sum", low.as_float(x), axes, keepdim)


def _check_sum(low: Lowering, x: Ref, axes: Axes) -> None:
    """Integers are added as floats, which is exact while 23 bits hold every sum."""
    largest = max(map(abs, low.builder.get_range(x)))
    count = prod(x.shape[a] for a in normalize_axes(axes, len(x.shape)))
    if largest * count > SUM_MAX:
        raise Unsupported(
            f"a sum of {count} integers of size {largest}, which may exceed {SUM_MAX}; convert "
            "them to float32, or bound them (a bitwise AND with a mask does)"
        )


@lowers(aten.mean.default, aten.mean.dim)
def _mean(
    low: Lowering, x: Ref, axes: Axes = None, keepdim: bool = False, dtype: object = None
) -> Ref:
    return fold(low, "mean", low.as_float(x), axes, keepdim)


def as_exact_float(low: Lowering, x: Ref) -> Ref:
    """x as f32 if every value that it can hold is exact there. Raises Unsupported."""
    if x.dtype is Dtype.F32:
        return x
    low_end, high_end = low.builder.get_range(x)
    if low_end < -(2**24) or high_end > 2**24:
        raise Unsupported(
            f"integers from {low_end} to {high_end} are not exact as float32; bound them first (a "
            "bitwise AND with a mask does)"
        )
    return low.emit("to_float", x)


@lowers(aten.amax.default)
def _amax(low: Lowering, x: Ref, axes: Axes = None, keepdim: bool = False) -> Ref:
    largest = fold(low, "amax", as_exact_float(low, x), axes, keepdim)
    return largest if x.dtype is Dtype.F32 else low.emit("to_int", largest)


@lowers(aten.max.default)
def _max(low: Lowering, x: Ref) -> Ref:
    return _amax(low, x)


@lowers(aten.amin.default)
def _amin(low: Lowering, x: Ref, axes: Axes = None, keepdim: bool = False) -> Ref:
    values = low.emit("neg", as_exact_float(low, x))
    smallest = low.emit("neg", fold(low, "amax", values, axes, keepdim))
    return smallest if x.dtype is Dtype.F32 else low.emit("to_int", smallest)


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
    count = prod(x.shape[a] for a in normalize_axes(axes, len(x.shape)))
    centred = low.emit("sub", x, fold(low, "mean", x, axes, keep=True))
    total = fold(low, "sum", mul(low, centred, centred), axes, keepdim)
    degrees = max(0.0, count - (1 if correction is None else correction))
    return div(low, total, float(degrees))


@lowers(aten.var_mean.correction)
def _var_mean(
    low: Lowering,
    x: Ref,
    axes: Axes = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> tuple[Ref, Ref]:
    variance = _var(low, x, axes, correction, keepdim)
    return variance, fold(low, "mean", x, axes, keepdim)


@lowers(torch.ops.prims.var.default)
def _prims_var(
    low: Lowering, x: Ref, axes: Axes = None, correction: float | None = None, **_: object
) -> Ref:
    return _var(low, x, axes, correction)


@lowers(torch.ops.prims.sum.default)
def _prims_sum(low: Lowering, x: Ref, axes: Axes = None, **_: object) -> Ref:
    return _sum(low, x, axes)


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
