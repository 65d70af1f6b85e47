"""Operations that only say how a tensor is read: no operator, or a copy where no view can do it."""

import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering
from offchain.capture.registry import Unsupported, lowers
from protocol.views import View

aten = torch.ops.aten


def normalize_axis(axis: int, rank: int) -> int:
    """The axis counted from the front."""
    return axis % rank if rank else 0


@lowers(
    aten.alias.default,
    aten.alias_copy.default,
    aten.clone.default,
    aten.detach.default,
    aten.detach_copy.default,
    aten.lift_fresh.default,
    aten.lift_fresh_copy.default,
    aten.contiguous.default,
)
def _same(low: Lowering, x: Ref, **_: object) -> Ref:
    return x


@lowers(
    aten.view.default,
    aten.view_copy.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten._reshape_copy.default,
)
def _view(low: Lowering, x: Ref, shape: list[int]) -> Ref:
    return low.builder.reshape(x, low.get_result_shape())


@lowers(aten.permute.default, aten.permute_copy.default)
def _permute(low: Lowering, x: Ref, axes: list[int]) -> Ref:
    return x.permute(normalize_axis(a, len(x.shape)) for a in axes)


@lowers(aten.t.default, aten.t_copy.default)
def _t(low: Lowering, x: Ref) -> Ref:
    return x.swap_last() if len(x.shape) == 2 else x


@lowers(aten.transpose.int, aten.transpose_copy.int)
def _transpose(low: Lowering, x: Ref, first: int, second: int) -> Ref:
    axes = list(range(len(x.shape)))
    if not axes:
        return x
    axes[first], axes[second] = axes[second], axes[first]
    return x.permute(axes)


@lowers(aten.expand.default, aten.expand_copy.default)
def _expand(low: Lowering, x: Ref, shape: list[int], implicit: bool = False) -> Ref:
    return x.expand(low.get_result_shape())


@lowers(aten.unsqueeze.default, aten.unsqueeze_copy.default)
def _unsqueeze(low: Lowering, x: Ref, axis: int) -> Ref:
    return x.unsqueeze(normalize_axis(axis, len(x.shape) + 1))


@lowers(
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.squeeze_copy.default,
    aten.squeeze_copy.dim,
    aten.squeeze_copy.dims,
)
def _squeeze(low: Lowering, x: Ref, *axes: object) -> Ref:
    return low.builder.reshape(x, low.get_result_shape())


@lowers(aten.slice.Tensor, aten.slice_copy.Tensor)
def _slice(
    low: Lowering,
    x: Ref,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    first, _, _ = slice(start, end, step).indices(x.shape[axis])
    return x.seen(x.view.slice(axis, first, low.get_result_shape()[axis], step))


@lowers(aten.select.int, aten.select_copy.int)
def _select(low: Lowering, x: Ref, axis: int, index: int) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    return x.seen(x.view.select(axis, index % x.shape[axis]))


@lowers(aten.flip.default)
def _flip(low: Lowering, x: Ref, axes: list[int]) -> Ref:
    for axis in axes:
        x = x.seen(x.view.flip(normalize_axis(axis, len(x.shape))))
    return x


def _split(x: Ref, lengths: list[int], axis: int) -> tuple[Ref, ...]:
    axis = normalize_axis(axis, len(x.shape))
    parts, start = [], 0
    for length in lengths:
        parts.append(x.seen(x.view.slice(axis, start, length)))
        start += length
    return tuple(parts)


@lowers(aten.split.Tensor, aten.split_copy.Tensor)
def _split_equal(low: Lowering, x: Ref, size: int, axis: int = 0) -> tuple[Ref, ...]:
    total = x.shape[axis]
    return _split(x, [min(size, total - at) for at in range(0, total, size)], axis)


@lowers(aten.split_with_sizes.default, aten.split_with_sizes_copy.default)
def _split_sizes(low: Lowering, x: Ref, sizes: list[int], axis: int = 0) -> tuple[Ref, ...]:
    return _split(x, list(sizes), axis)


@lowers(aten.unbind.int, aten.unbind_copy.int)
def _unbind(low: Lowering, x: Ref, axis: int = 0) -> tuple[Ref, ...]:
    axis = normalize_axis(axis, len(x.shape))
    return tuple(x.seen(x.view.select(axis, i)) for i in range(x.shape[axis]))


@lowers(aten.diagonal.default, aten.diagonal_copy.default)
def _diagonal(low: Lowering, x: Ref, offset: int = 0, axis_1: int = 0, axis_2: int = 1) -> Ref:
    rank = len(x.shape)
    axis_1, axis_2 = normalize_axis(axis_1, rank), normalize_axis(axis_2, rank)
    rest = tuple(x.view.strides[a] for a in range(rank) if a not in (axis_1, axis_2))
    one, two = x.view.strides[axis_1], x.view.strides[axis_2]
    start = x.view.offset + (offset * two if offset >= 0 else -offset * one)
    return x.seen(View(low.get_result_shape(), (*rest, one + two), start))


@lowers(aten.as_strided.default, aten.as_strided_copy.default)
def _as_strided(
    low: Lowering, x: Ref, shape: list[int], strides: list[int], offset: int | None = None
) -> Ref:
    # PyTorch's strides count in its own layout of x, which is known to be ours only if row-major.
    source = low.node.args[0].meta["val"]
    if not source.is_contiguous():
        raise Unsupported("as_strided of a tensor that is not contiguous")
    base = low.builder.whole(x)
    return base.seen(View(tuple(shape), tuple(strides), offset or 0))


@lowers(aten.unfold.default, aten.unfold_copy.default)
def _unfold(low: Lowering, x: Ref, axis: int, size: int, step: int) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    strides = list(x.view.strides)
    window = strides[axis]
    strides[axis] *= step
    return x.seen(View(low.get_result_shape(), (*strides, window), x.view.offset))


def merge(low: Lowering, x: Ref, axes: list[int]) -> Ref:
    """The given axes moved last and joined to one, in that order."""
    rest = [a for a in range(len(x.shape)) if a not in axes]
    moved = x.permute((*rest, *axes))
    length = 1
    for axis in axes:
        length *= x.shape[axis]
    return low.builder.reshape(moved, (*(x.shape[a] for a in rest), length))
