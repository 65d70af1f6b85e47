"""Layer, group and batch normalisation: all are the normalisation of rows, laid out differently."""

from math import prod

import numpy as np
import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering
from offchain.capture.lowering_pointwise import binary, div, mul
from offchain.capture.lowering_reductions import fold
from offchain.capture.lowering_views import merge
from offchain.capture.registry import lowers
from protocol.types import Dtype, Shape

aten = torch.ops.aten

Gradients = tuple[Ref | None, Ref | None, Ref | None]


def _compute_moments(low: Lowering, rows: Ref, epsilon: float) -> tuple[Ref, Ref]:
    """(mean, 1 / standard deviation) of each row."""
    mean = low.emit("mean", rows)
    bits = int(np.float32(epsilon).view(np.uint32))
    return mean, low.emit("rstd", rows, mean, epsilon=bits)


def _sum_rows(low: Lowering, x: Ref, axes: list[int]) -> Ref:
    return fold(low, "sum", x, axes, keep=False) if axes else x


# --- Layers ---------------------------------------------------------------------------------------


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
    mean, rstd = _compute_moments(low, rows, epsilon)
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
) -> Gradients:
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


# --- Groups of channels ---------------------------------------------------------------------------


def _along_channels(low: Lowering, x: Ref, shape: Shape) -> Ref:
    """A tensor [C] so that it broadcasts to [N, C, ...]."""
    return low.builder.reshape(x, (x.shape[0], *[1] * (len(shape) - 2)))


def _scale_channels(low: Lowering, x: Ref, weight: Ref | None, bias: Ref | None) -> Ref:
    if weight is not None:
        x = mul(low, x, _along_channels(low, weight, x.shape))
    return x if bias is None else binary(low, "add", x, _along_channels(low, bias, x.shape))


@lowers(aten.native_group_norm.default)
def _group_norm(
    low: Lowering,
    x: Ref,
    weight: Ref | None,
    bias: Ref | None,
    batch: int,
    channels: int,
    positions: int,
    groups: int,
    epsilon: float,
) -> tuple[Ref, Ref, Ref]:
    rows = low.builder.reshape(x, (batch * groups, channels // groups * positions))
    mean, rstd = _compute_moments(low, rows, epsilon)
    normal = low.builder.reshape(low.emit("normalize", rows, mean, rstd), x.shape)
    each = (batch, groups)
    return (
        _scale_channels(low, normal, weight, bias),
        low.builder.reshape(mean, each),
        low.builder.reshape(rstd, each),
    )


@lowers(aten.native_group_norm_backward.default)
def _group_norm_backward(
    low: Lowering,
    gradient: Ref,
    x: Ref,
    mean: Ref,
    rstd: Ref,
    weight: Ref | None,
    batch: int,
    channels: int,
    positions: int,
    groups: int,
    mask: list[bool],
) -> Gradients:
    shape = (batch * groups, channels // groups * positions)
    rows = low.builder.reshape(x, shape)
    mean = low.builder.reshape(mean, shape[:1])
    rstd = low.builder.reshape(rstd, shape[:1])
    outer = [0, *range(2, len(x.shape))]
    result: list[Ref | None] = [None, None, None]
    if mask[0]:
        scaled = low.builder.reshape(_scale_channels(low, gradient, weight, None), shape)
        one = low.full(1.0, Dtype.F32)
        inner = low.emit("layer_norm_backward", scaled, rows, mean, rstd, one)
        result[0] = low.builder.reshape(inner, x.shape)
    if mask[1]:
        normal = low.builder.reshape(low.emit("normalize", rows, mean, rstd), x.shape)
        result[1] = fold(low, "sum", mul(low, gradient, normal), outer, keep=False)
    if mask[2]:
        result[2] = fold(low, "sum", gradient, outer, keep=False)
    return result[0], result[1], result[2]


# --- Batches --------------------------------------------------------------------------------------


def _channel_rows(low: Lowering, x: Ref) -> Ref:
    """[N, C, ...] -> [C, N * ...]."""
    return merge(low, x, [a for a in range(len(x.shape)) if a != 1])


def _from_channel_rows(low: Lowering, rows: Ref, shape: Shape) -> Ref:
    wide = low.builder.reshape(rows, (shape[1], shape[0], *shape[2:]))
    return wide.permute((1, 0, *range(2, len(shape))))


def _per_row(low: Lowering, x: Ref | None, rows: Ref, otherwise: float) -> Ref:
    """A tensor [C] beside rows [C, K]."""
    if x is None:
        return low.full(otherwise, Dtype.F32)
    return x.unsqueeze(1).expand(rows.shape)


def _normalize_rows(
    low: Lowering, rows: Ref, mean: Ref, rstd: Ref, weight: Ref | None, bias: Ref | None
) -> Ref:
    if weight is None and bias is None:
        return low.emit("normalize", rows, mean, rstd)
    scale = _per_row(low, weight, rows, 1.0)
    shift = _per_row(low, bias, rows, 0.0)
    return low.emit("layer_norm", rows, mean, rstd, scale, shift)


def _compute_inverse(low: Lowering, variance: Ref, epsilon: float) -> Ref:
    return div(low, 1.0, low.emit("sqrt", binary(low, "add", variance, float(epsilon))))


@lowers(aten._native_batch_norm_legit_functional.default)
def _batch_norm(
    low: Lowering,
    x: Ref,
    weight: Ref | None,
    bias: Ref | None,
    running_mean: Ref,
    running_variance: Ref,
    training: bool,
    momentum: float,
    epsilon: float,
) -> tuple[Ref, ...]:
    rows = _channel_rows(low, x)
    if not training:
        rstd = _compute_inverse(low, running_variance, epsilon)
        result = _normalize_rows(low, rows, running_mean, rstd, weight, bias)
        return (
            _from_channel_rows(low, result, x.shape),
            low.full(0.0, Dtype.F32).expand((0,)),
            low.full(0.0, Dtype.F32).expand((0,)),
            running_mean,
            running_variance,
        )
    mean, rstd = _compute_moments(low, rows, epsilon)
    result = _normalize_rows(low, rows, mean, rstd, weight, bias)
    centred = binary(low, "sub", rows, mean.unsqueeze(1))
    total = low.emit("sum", mul(low, centred, centred))
    variance = div(low, total, float(rows.shape[1] - 1))

    def move(running: Ref, now: Ref) -> Ref:
        kept = mul(low, running, 1 - momentum)
        return binary(low, "add", mul(low, now, float(momentum)), kept)

    return (
        _from_channel_rows(low, result, x.shape),
        mean,
        rstd,
        move(running_mean, mean),
        move(running_variance, variance),
    )


@lowers(aten._native_batch_norm_legit.no_stats)
def _batch_norm_without_statistics(
    low: Lowering,
    x: Ref,
    weight: Ref | None,
    bias: Ref | None,
    training: bool,
    momentum: float,
    epsilon: float,
) -> tuple[Ref, Ref, Ref]:
    rows = _channel_rows(low, x)
    mean, rstd = _compute_moments(low, rows, epsilon)
    result = _normalize_rows(low, rows, mean, rstd, weight, bias)
    return _from_channel_rows(low, result, x.shape), mean, rstd


@lowers(aten._native_batch_norm_legit.default, aten._native_batch_norm_legit_no_training.default)
def _batch_norm_evaluated(
    low: Lowering,
    x: Ref,
    weight: Ref | None,
    bias: Ref | None,
    running_mean: Ref,
    running_variance: Ref,
    *rest: float,
) -> tuple[Ref, ...]:
    arguments = (running_mean, running_variance, False, *rest[-2:])
    return _batch_norm(low, x, weight, bias, *arguments)[:3]


@lowers(aten.native_batch_norm_backward.default)
def _batch_norm_backward(
    low: Lowering,
    gradient: Ref,
    x: Ref,
    weight: Ref | None,
    running_mean: Ref | None,
    running_variance: Ref | None,
    mean: Ref | None,
    rstd: Ref | None,
    training: bool,
    epsilon: float,
    mask: list[bool],
) -> Gradients:
    rows, gradients = _channel_rows(low, x), _channel_rows(low, gradient)
    if not training:
        assert running_mean is not None and running_variance is not None
        mean, rstd = running_mean, _compute_inverse(low, running_variance, epsilon)
    assert mean is not None and rstd is not None
    result: list[Ref | None] = [None, None, None]
    if mask[0]:
        scale = _per_row(low, weight, rows, 1.0)
        if training:
            inner = low.emit("layer_norm_backward", gradients, rows, mean, rstd, scale)
        else:
            inner = mul(low, mul(low, gradients, scale), rstd.unsqueeze(1))
        result[0] = _from_channel_rows(low, inner, x.shape)
    if mask[1]:
        normal = low.emit("normalize", rows, mean, rstd)
        result[1] = low.emit("sum", mul(low, gradients, normal))
    if mask[2]:
        result[2] = low.emit("sum", gradients)
    return result[0], result[1], result[2]
