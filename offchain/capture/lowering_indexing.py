"""Gathering, scattering, joining, padding, and losses that pick by class.

Indices are taken as in range: a negative index, which PyTorch counts from the end, reads as 0.
"""

from math import prod

import torch

from offchain.capture.builder import Ref
from offchain.capture.geometry import join, pad_axis
from offchain.capture.lowering import Lowering, Number
from offchain.capture.lowering_pointwise import binary, div, mul
from offchain.capture.lowering_reductions import fold
from offchain.capture.lowering_selection import where
from offchain.capture.lowering_views import normalize_axis
from offchain.capture.registry import Unsupported, lowers
from protocol.types import Dtype, Shape

aten = torch.ops.aten

# A scatter of more indices per line than this would unroll into too many operators.
SCATTER_LENGTH_MAX = 16


# --- Rows of a table ------------------------------------------------------------------------------


def _front(x: Ref, axis: int) -> Ref:
    rest = [a for a in range(len(x.shape)) if a != axis]
    return x.permute((axis, *rest))


def _take(low: Lowering, x: Ref, axis: int, index: Ref) -> Ref:
    """x with one axis replaced by the axes of index."""
    axis = normalize_axis(axis, len(x.shape))
    rows = low.emit("embedding", _front(x, axis), index)
    rank = len(index.shape)
    before = range(rank, rank + axis)
    return rows.permute((*before, *range(rank), *range(rank + axis, len(rows.shape))))


def _add_rows(low: Lowering, x: Ref, axis: int, index: Ref, values: Ref) -> Ref:
    """x plus, along one axis, the values whose index is there; values has index's axes there."""
    axis = normalize_axis(axis, len(x.shape))
    rank, count = len(index.shape), prod(index.shape)
    spread = range(axis, axis + rank)
    rest = [a for a in range(len(values.shape)) if a not in spread]
    lines = low.builder.reshape(
        values.permute((*spread, *rest)), (count, prod(values.shape[a] for a in rest))
    )
    index = low.builder.reshape(index, (count,))
    added = low.emit("index_add", index, low.as_float(lines), rows=x.shape[axis])
    front = _front(x, axis)
    added = low.builder.reshape(added, front.shape)
    total = low.emit("add", front, added)
    back = [*range(1, axis + 1), 0, *range(axis + 1, len(x.shape))]
    return total.permute(back)


@lowers(aten.embedding.default)
def _embedding(
    low: Lowering,
    weight: Ref,
    indices: Ref,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Ref:
    return low.emit("embedding", weight, indices)


@lowers(aten.embedding_dense_backward.default)
def _embedding_backward(
    low: Lowering,
    gradient: Ref,
    indices: Ref,
    rows: int,
    padding_idx: int,
    scale_grad_by_freq: bool,
) -> Ref:
    if scale_grad_by_freq:
        raise Unsupported("scale_grad_by_freq")
    count = prod(indices.shape)
    lines = low.builder.reshape(gradient, (count, gradient.shape[-1]))
    index = low.builder.reshape(indices, (count,))
    if padding_idx >= 0:
        # No row has number -1, so these lines are added nowhere.
        index = where(low, binary(low, "eq", index, padding_idx), -1, index)
    return low.emit("index_add", index, lines, rows=rows)


@lowers(aten.index_select.default)
def _index_select(low: Lowering, x: Ref, axis: int, index: Ref) -> Ref:
    return _take(low, x, axis, low.builder.reshape(index, (prod(index.shape),)))


def _get_single(indices: list[Ref | None]) -> tuple[int, Ref]:
    given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    if len(given) != 1:
        raise Unsupported("indexing by several tensors at once")
    return given[0]


@lowers(aten.index.Tensor)
def _index(low: Lowering, x: Ref, indices: list[Ref | None]) -> Ref:
    axis, index = _get_single(indices)
    _refuse_mask(low, axis)
    return _take(low, x, axis, index)


def _refuse_mask(low: Lowering, axis: int) -> None:
    node = low.node.args[1][axis]
    if node.meta["val"].dtype is torch.bool:
        raise Unsupported("indexing by a mask, whose result has no fixed shape")


@lowers(aten.index_put.default)
def _index_put(
    low: Lowering, x: Ref, indices: list[Ref | None], values: Ref, accumulate: bool = False
) -> Ref:
    axis, index = _get_single(indices)
    _refuse_mask(low, axis)
    if not accumulate:
        node = low.node.args[1][axis]
        if node not in low.constants.nodes or len(index.shape) != 1:
            raise Unsupported("assignment by an index that is not one constant axis")
        shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
        positions = low.constants.evaluate(node).tolist()
        return _assign(low, x, axis, positions, values.expand(shape))
    shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
    return _add_rows(low, x, axis, index, values.expand(shape))


def _assign(low: Lowering, x: Ref, axis: int, positions: list[int], values: Ref) -> Ref:
    """x with the lines at fixed positions of an axis replaced, the last one winning."""
    length = x.shape[axis]
    source = torch.full((length,), -1)
    for number, position in enumerate(positions):
        source[position % length] = number
    taken = _take(low, values, axis, low.constant(source))  # reads 0 where source is -1
    shape = (length, *[1] * (len(x.shape) - 1 - axis))
    return where(low, low.constant((source >= 0).reshape(shape)), taken, x)


@lowers(aten.diagonal_scatter.default)
def _diagonal_scatter(
    low: Lowering, x: Ref, source: Ref, offset: int = 0, axis_1: int = 0, axis_2: int = 1
) -> Ref:
    numbers = torch.arange(prod(x.shape)).reshape(x.shape)
    positions = numbers.diagonal(offset, axis_1, axis_2).flatten().tolist()
    flat = low.builder.reshape(x, (prod(x.shape),))
    values = low.builder.reshape(source, (len(positions),))
    return low.builder.reshape(_assign(low, flat, 0, positions, values), x.shape)


@lowers(aten.index_add.default)
def _index_add(low: Lowering, x: Ref, axis: int, index: Ref, values: Ref, alpha: Number = 1) -> Ref:
    return _add_rows(low, x, axis, index, mul(low, values, float(alpha)))


# --- Elements along an axis -----------------------------------------------------------------------


@lowers(aten.gather.default)
def _gather(low: Lowering, x: Ref, axis: int, index: Ref, sparse_grad: bool = False) -> Ref:
    if not x.shape:
        return x
    return low.emit("gather", x, index, axis=normalize_axis(axis, len(x.shape)))


def _positions(low: Lowering, axis: int, shape: Shape) -> Ref:
    """0, 1, ... along an axis, as a view that broadcasts to `shape`."""
    line = low.arange(shape[axis])
    return low.builder.reshape(line, (shape[axis], *[1] * (len(shape) - 1 - axis)))


def _get_lines(x: Ref, axis: int, index: Ref) -> list[Ref]:
    """The index split along the axis, each part of length 1."""
    expected = [n for a, n in enumerate(x.shape) if a != axis]
    if [n for a, n in enumerate(index.shape) if a != axis] != expected:
        raise Unsupported(f"a scatter of index {index.shape} into {x.shape}")
    if index.shape[axis] > SCATTER_LENGTH_MAX:
        raise Unsupported(f"a scatter of more than {SCATTER_LENGTH_MAX} elements per line")
    return [index.seen(index.view.slice(axis, i, 1)) for i in range(index.shape[axis])]


@lowers(aten.scatter.value)
def _scatter_value(low: Lowering, x: Ref, axis: int, index: Ref, value: Number) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    number = float(value) if x.dtype is Dtype.F32 else int(value)
    for line in _get_lines(x, axis, index):
        x = where(low, low.emit("int_eq", _positions(low, axis, x.shape), line), number, x)
    return x


@lowers(aten.scatter.src)
def _scatter(low: Lowering, x: Ref, axis: int, index: Ref, source: Ref) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    lines = _get_lines(x, axis, index)
    if len(lines) > 1:
        raise Unsupported("a scatter of several elements per line, whose order matters")
    part = source.seen(source.view.slice(axis, 0, 1))
    here = low.emit("int_eq", _positions(low, axis, x.shape), lines[0])
    return where(low, here, part, x)


@lowers(aten.scatter_add.default)
def _scatter_add(low: Lowering, x: Ref, axis: int, index: Ref, source: Ref) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    for number, line in enumerate(_get_lines(x, axis, index)):
        part = source.seen(source.view.slice(axis, number, 1))
        here = low.emit("int_eq", _positions(low, axis, x.shape), line)
        x = binary(low, "add", x, where(low, here, part, 0.0))
    return x


# --- Joining and padding --------------------------------------------------------------------------


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
        x = pad_axis(low, x, axis, *padding[2 * number : 2 * number + 2], value)
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
        return _assign(low, x, axis, list(range(first, last, step)), source)
    before = x.seen(x.view.slice(axis, 0, first))
    after = x.seen(x.view.slice(axis, last, length - last))
    return join(low, [before, source, after], axis)


@lowers(aten.select_scatter.default)
def _select_scatter(low: Lowering, x: Ref, source: Ref, axis: int, index: int) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    index %= x.shape[axis]
    before = x.seen(x.view.slice(axis, 0, index))
    after = x.seen(x.view.slice(axis, index + 1, x.shape[axis] - index - 1))
    return join(low, [before, source.unsqueeze(axis), after], axis)


# --- Negative log-likelihood ----------------------------------------------------------------------

_NONE, _MEAN = 0, 1  # PyTorch's numbers for the reductions; 2 is the sum


def _compute_weights(low: Lowering, target: Ref, weight: Ref | None, ignored: int) -> Ref:
    """Weight of each target: 0 where it is ignored."""
    kept = low.emit("logical_not", binary(low, "eq", target, ignored))
    if weight is None:
        return low.emit("to_float", kept)
    return where(low, kept, low.emit("embedding", weight, target), 0.0)


@lowers(aten.nll_loss_forward.default)
def _nll_loss(
    low: Lowering, x: Ref, target: Ref, weight: Ref | None, reduction: int, ignored: int
) -> tuple[Ref, Ref]:
    """x [N, C] or [C] of log-probabilities, target [N] or []."""
    axis = len(x.shape) - 1
    weights = _compute_weights(low, target, weight, ignored)
    picked = low.emit("gather", x, target.unsqueeze(axis), axis=axis)
    picked = low.builder.reshape(picked, target.shape)
    # Selected, not multiplied: an ignored target may stand beside an infinite logit.
    kept = binary(low, "lt", 0.0, weights)
    losses = where(low, kept, low.emit("neg", mul(low, picked, weights)), 0.0)
    total_weight = fold(low, "sum", weights, None, keep=False)
    if reduction == _NONE:
        return losses, low.full(0.0, Dtype.F32)
    total = fold(low, "sum", losses, None, keep=False)
    return (div(low, total, total_weight) if reduction == _MEAN else total), total_weight


@lowers(aten.nll_loss_backward.default)
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
    axis = len(x.shape) - 1
    weights = _compute_weights(low, target, weight, ignored)
    scale = div(low, gradient, total_weight) if reduction == _MEAN else gradient
    each = low.emit("neg", mul(low, scale, weights))
    here = low.emit("int_eq", _positions(low, axis, x.shape), target.unsqueeze(axis))
    return where(low, here, low.builder.reshape(each, target.shape).unsqueeze(axis), 0.0)
