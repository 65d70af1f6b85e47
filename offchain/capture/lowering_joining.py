"""Joining, padding, and assignment to a part of a tensor."""

from math import prod

import torch

from offchain.capture.builder import Ref
from offchain.capture.geometry import crop, join, pad_axis
from offchain.capture.lowering import Lowering, Number
from offchain.capture.lowering_indexing import assign
from offchain.capture.lowering_views import normalize_axis
from offchain.capture.registry import lowers

aten = torch.ops.aten


@lowers(aten.cat.default)
def _cat(low: Lowering, tensors: list[Ref], axis: int = 0) -> Ref:
    # PyTorch lets an empty tensor of one axis stand among tensors of any shape.
    tensors = [t for t in tensors if t.shape != (0,)]
    return join(low, tensors, normalize_axis(axis, len(tensors[0].shape)))


@lowers(aten.stack.default)
def _stack(low: Lowering, tensors: list[Ref], axis: int = 0) -> Ref:
    axis = normalize_axis(axis, len(tensors[0].shape) + 1)
    return join(low, [t.unsqueeze(axis) for t in tensors], axis)


@lowers(aten.constant_pad_nd.default)
def _pad(low: Lowering, x: Ref, padding: list[int], value: Number = 0) -> Ref:
    for number in range(len(padding) // 2):
        axis = len(x.shape) - 1 - number
        before, after = padding[2 * number : 2 * number + 2]
        x = pad_axis(low, x, axis, before, after, value)
    return x


@lowers(aten.slice_scatter.default)
def _slice_scatter(
    low: Lowering,
    x: Ref,
    source: Ref,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    length = x.shape[axis]
    first, last, _ = slice(start, end, step).indices(length)
    if step != 1:
        return assign(low, x, axis, list(range(first, last, step)), source)
    last = max(first, last)
    ends = crop(x, axis, 0, first), crop(x, axis, last, length - last)
    return join(low, [ends[0], source, ends[1]], axis)


@lowers(aten.select_scatter.default)
def _select_scatter(low: Lowering, x: Ref, source: Ref, axis: int, index: int) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    index %= x.shape[axis]
    after = crop(x, axis, index + 1, x.shape[axis] - index - 1)
    return join(low, [crop(x, axis, 0, index), source.unsqueeze(axis), after], axis)


@lowers(aten.diagonal_scatter.default)
def _diagonal_scatter(
    low: Lowering, x: Ref, source: Ref, offset: int = 0, axis_1: int = 0, axis_2: int = 1
) -> Ref:
    numbers = torch.arange(prod(x.shape)).reshape(x.shape)
    positions = numbers.diagonal(offset, axis_1, axis_2).flatten().tolist()
    flat = low.builder.reshape(x, (prod(x.shape),))
    values = low.builder.reshape(source, (len(positions),))
    return low.builder.reshape(assign(low, flat, 0, positions, values), x.shape)


@lowers(aten.as_strided_scatter.default)
def _as_strided_scatter(
    low: Lowering, x: Ref, source: Ref, shape: list[int], strides: list[int], offset: int = 0
) -> Ref:
    numbers = torch.arange(prod(x.shape))
    positions = numbers.as_strided(shape, strides, offset or 0).flatten().tolist()
    flat = low.builder.reshape(x, (prod(x.shape),))
    values = low.builder.reshape(source, (len(positions),))
    return low.builder.reshape(assign(low, flat, 0, positions, values), x.shape)
