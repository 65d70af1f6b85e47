"""Elements picked and put by index along one axis.

An addition at equal indices is exact. Of several values assigned to one place, where PyTorch
leaves open which one stays, the last one stays.
"""

from typing import Any

import torch
from torch import fx

from offchain.capture.builder import Ref
from offchain.capture.geometry import crop, join
from offchain.capture.lowering import Lowering, Number
from offchain.capture.lowering_indexing import find_last
from offchain.capture.lowering_pointwise import binary, where
from offchain.capture.lowering_views import normalize_axis
from offchain.capture.registry import Unsupported, lowers
from protocol.types import Dtype, Shape

aten = torch.ops.aten


@lowers(aten.gather.default)
def _gather(low: Lowering, x: Ref, axis: int, index: Ref, sparse_grad: bool = False) -> Ref:
    if not x.shape:
        return x
    return low.emit("gather", x, index, axis=normalize_axis(axis, len(x.shape)))


def positions_along(low: Lowering, axis: int, shape: Shape) -> Ref:
    """0, 1, ... along an axis, as a view that broadcasts to `shape`."""
    line = low.arange(shape[axis])
    return low.builder.reshape(line, (shape[axis], *[1] * (len(shape) - 1 - axis)))


def _last(x: Ref, axis: int) -> Ref:
    """The axis moved to the end."""
    return x.permute((*(a for a in range(len(x.shape)) if a != axis), axis))


def _back(x: Ref, axis: int) -> Ref:
    """The last axis moved to its place."""
    rank = len(x.shape)
    return x.permute((*range(axis), rank - 1, *range(axis, rank - 1)))


def _cut(x: Ref, axis: int, shape: Shape) -> Ref:
    """The part of x that an index of that shape reaches on the other axes."""
    for other, length in enumerate(shape):
        x = x if other == axis else crop(x, other, 0, length)
    return x


def _lay_back(low: Lowering, x: Ref, part: Ref) -> Ref:
    """x with its front corner replaced by `part`."""
    for axis, length in enumerate(part.shape):
        if length < x.shape[axis]:
            # What lies beside the part on this axis, still as narrow as the part on later ones.
            beside = crop(x, axis, length, x.shape[axis] - length)
            for later in range(axis + 1, len(x.shape)):
                beside = crop(beside, later, 0, part.shape[later])
            part = join(low, [part, beside], axis)
    return part


def _is_unique(node: Any) -> bool:
    """Whether an index names no place of a line twice: it comes of a sort or a choice."""
    while isinstance(node, fx.Node) and node.target in _SAME:
        node = node.args[0]
    if not (isinstance(node, fx.Node) and "getitem" in str(node.target)):
        return False
    return node.args[0].target in _CHOICES and node.args[1] == 1


_SAME = {aten.clone.default, aten.detach.default, aten.alias.default}
_CHOICES = {aten.sort.default, aten.sort.stable, aten.topk.default}


def find_places(low: Lowering, index: Ref, rows: int) -> Ref:
    """`find_last` of an index that names no place twice, without comparing all with all."""
    numbers = low.emit("to_float", binary(low, "add", low.arange(index.shape[-1]), 1))
    added = low.emit("scatter_add", index, numbers.expand(index.shape), rows=rows)
    return binary(low, "sub", low.emit("to_int", added), 1)


def _assign(low: Lowering, x: Ref, axis: int, index: Ref, source: Ref | Number) -> Ref:
    part = _last(_cut(x, axis, index.shape), axis)
    lines, rows = _last(index, axis), part.shape[-1]
    unique = _is_unique(low.node.args[2]) or lines.shape[-1] == 1
    if unique and lines.shape[-1] == 1:
        places = where(low, low.emit("int_eq", low.arange(rows), lines), 0, -1)
    else:
        places = (find_places if unique else find_last)(low, lines, rows)
    if isinstance(source, Ref):
        values = _last(_cut(source, axis, index.shape), axis)
        values = crop(values, len(values.shape) - 1, 0, lines.shape[-1])
        taken: Ref | Number = low.emit("gather", values, places, axis=len(values.shape) - 1)
    else:
        taken = float(source) if x.dtype is Dtype.F32 else int(source)
    written = where(low, binary(low, "le", 0, places), taken, part)
    return _lay_back(low, x, _back(written, axis))


@lowers(aten.scatter.value)
def _scatter_value(low: Lowering, x: Ref, axis: int, index: Ref, value: Number) -> Ref:
    return _assign(low, x, normalize_axis(axis, len(x.shape)), index, value)


@lowers(aten.scatter.src)
def _scatter(low: Lowering, x: Ref, axis: int, index: Ref, source: Ref) -> Ref:
    return _assign(low, x, normalize_axis(axis, len(x.shape)), index, source)


def _add(low: Lowering, x: Ref, axis: int, index: Ref, source: Ref) -> Ref:
    part = _last(_cut(x, axis, index.shape), axis)
    lines = _last(index, axis)
    values = _last(_cut(source, axis, index.shape), axis)
    values = crop(values, len(values.shape) - 1, 0, lines.shape[-1])
    added = low.emit("scatter_add", lines, low.as_float(values), rows=part.shape[-1])
    if x.dtype is not Dtype.F32:
        added = low.emit("to_int", added)
    return _lay_back(low, x, _back(binary(low, "add", part, added), axis))


@lowers(aten.scatter_add.default)
def _scatter_add(low: Lowering, x: Ref, axis: int, index: Ref, source: Ref) -> Ref:
    return _add(low, x, normalize_axis(axis, len(x.shape)), index, source)


@lowers(aten.scatter.reduce, aten.scatter_reduce.two)
def _scatter_reduce(
    low: Lowering,
    x: Ref,
    axis: int,
    index: Ref,
    source: Ref,
    reduce: str,
    include_self: bool = True,
) -> Ref:
    if reduce not in ("add", "sum") or not include_self:
        raise Unsupported(f"scatter with reduction {reduce!r}, include_self={include_self}")
    return _add(low, x, normalize_axis(axis, len(x.shape)), index, source)


@lowers(aten.masked_scatter_backward.default)
def _masked_scatter_backward(low: Lowering, gradient: Ref, mask: Ref, sizes: list[int]) -> Ref:
    raise Unsupported("the gradient of masked_scatter, whose elements move by the mask's content")
