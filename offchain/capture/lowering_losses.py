"""Losses whose ATen operation is lowered whole: the negative log-likelihood."""

import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering
from offchain.capture.lowering_pointwise import binary, div, mul, where
from offchain.capture.lowering_reductions import fold
from offchain.capture.lowering_scatter import positions_along
from offchain.capture.registry import lowers
from protocol.types import Dtype

aten = torch.ops.aten

_NONE, _MEAN = 0, 1  # PyTorch's numbers for the reductions; 2 is the sum


def _get_class_axis(x: Ref) -> int:
    """x is [C], [N, C] or [N, C, ...]."""
    return min(1, len(x.shape) - 1)


def _compute_weights(low: Lowering, target: Ref, weight: Ref | None, ignored: int) -> Ref:
    """Weight of each target: 0 where it is ignored."""
    kept = low.emit("logical_not", binary(low, "eq", target, ignored))
    if weight is None:
        return low.emit("to_float", kept)
    return where(low, kept, low.emit("embedding", weight, target), 0.0)


@lowers(aten.nll_loss_forward.default, aten.nll_loss2d_forward.default)
def _nll_loss(
    low: Lowering, x: Ref, target: Ref, weight: Ref | None, reduction: int, ignored: int
) -> tuple[Ref, Ref]:
    """x of log-probabilities, target of x's shape without the axis of classes."""
    axis = _get_class_axis(x)
    weights = _compute_weights(low, target, weight, ignored)
    picked = low.emit("gather", x, target.unsqueeze(axis), axis=axis)
    picked = low.builder.reshape(picked, target.shape)
    # Selected, not multiplied: an ignored target may stand beside an infinite logit.
    kept = low.emit("logical_not", binary(low, "eq", target, ignored))
    losses = where(low, kept, low.emit("neg", mul(low, picked, weights)), 0.0)
    if reduction == _NONE:
        return losses, low.full(0.0, Dtype.F32)
    total_weight = fold(low, "sum", weights, None, keep=False)
    total = fold(low, "sum", losses, None, keep=False)
    return (div(low, total, total_weight) if reduction == _MEAN else total), total_weight


@lowers(aten.nll_loss_backward.default, aten.nll_loss2d_backward.default)
def _nll_loss_backward(
    low: Lowering,
    gradient: Ref,
    x: Ref,
    target: Ref,
    weight: Ref | None,
    reduction: int,
    ignored: int,
    total_weight: Ref,
) -> Ref:
    axis = _get_class_axis(x)
    weights = _compute_weights(low, target, weight, ignored)
    scale = div(low, gradient, total_weight) if reduction == _MEAN else gradient
    each = low.emit("neg", mul(low, scale, weights))
    here = low.emit("int_eq", positions_along(low, axis, x.shape), target.unsqueeze(axis))
    return where(low, here, low.builder.reshape(each, target.shape).unsqueeze(axis), 0.0)
