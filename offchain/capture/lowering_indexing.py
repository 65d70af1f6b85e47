"""Rows of a table: embeddings, indexing by tensors, assignment and addition at indices.

Where PyTorch counts a negative index from the end, so does the program. An index outside the
table, at which PyTorch stops, reads 0 and is written nowhere. Of several values assigned to one
place, where PyTorch leaves open which one stays, the last one stays.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, fx

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering, Number
from offchain.capture.lowering_pointwise import binary, mul, where
from offchain.capture.lowering_reductions import fold
from offchain.capture.lowering_views import normalize_axis
from offchain.capture.registry import Unsupported, lowers
from protocol.types import Dtype

aten = torch.ops.aten

# Comparing every index with every place takes this many elements at most.
COMPARISONS_MAX = 2**22

Indices = Sequence[Ref | None]


# --- Rows of a table ------------------------------------------------------------------------------


def _front(x: Ref, axis: int) -> Ref:
    rest = [a for a in range(len(x.shape)) if a != axis]
    return x.permute((axis, *rest))


def take(low: Lowering, x: Ref, axis: int, index: Ref) -> Ref:
    """x with one axis replaced by the axes of index; 0 where the index is outside."""
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
    total = low.emit("add", low.as_float(front), added)
    total = total if x.dtype is Dtype.F32 else low.emit("to_int", total)
    return total.permute((*range(1, axis + 1), 0, *range(axis + 1, len(x.shape))))


def assign(low: Lowering, x: Ref, axis: int, positions: Sequence[int], values: Ref) -> Ref:
    """x with the lines at fixed positions of an axis replaced, the last one winning."""
    length = x.shape[axis]
    source = torch.full((length,), -1)
    for number, position in enumerate(positions):
        source[position % length] = number
    return _replace(low, x, axis, low.constant(source), values)


def _replace(low: Lowering, x: Ref, axis: int, source: Ref, values: Ref) -> Ref:
    """x with line r of an axis replaced by line source[r] of values, kept where that is -1."""
    taken = take(low, values, axis, source)
    written = binary(low, "le", 0, source)
    ones = [1] * (len(x.shape) - 1 - axis)
    return where(low, low.builder.reshape(written, (x.shape[axis], *ones)), taken, x)


def find_last(low: Lowering, index: Ref, rows: int) -> Ref:
    """index [..., K] -> [..., rows]: the last k with index[k] = r, or -1."""
    lead, count = index.shape[:-1], index.shape[-1]
    if prod(lead) * rows * count > COMPARISONS_MAX:
        raise Unsupported(
            f"assignment by {count} indices to {rows} places, {prod(lead)} times: more than "
            f"{COMPARISONS_MAX} comparisons (an addition at indices has no such limit)"
        )
    places = low.arange(rows).unsqueeze(1)
    here = low.emit("int_eq", index.unsqueeze(len(lead)), places)
    numbers = low.emit("to_float", binary(low, "add", low.arange(count), 1))
    last = fold(low, "amax", where(low, here, numbers, 0.0), [-1], keep=False)
    return binary(low, "sub", low.emit("to_int", last), 1)


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
    if not x.shape:
        return x
    return take(low, x, axis, low.builder.reshape(index, (prod(index.shape),)))


@lowers(aten.index_add.default)
def _index_add(low: Lowering, x: Ref, axis: int, index: Ref, values: Ref, alpha: Number = 1) -> Ref:
    index = low.builder.reshape(index, (prod(index.shape),))
    return _add_rows(low, x, axis, index, mul(low, values, float(alpha)))


@lowers(aten.index_fill.int_Scalar, aten.index_fill.int_Tensor)
def _index_fill(low: Lowering, x: Ref, axis: int, index: Ref, value: Ref | Number) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    index = low.builder.reshape(index, (prod(index.shape),))
    written = binary(low, "le", 0, find_last(low, index, x.shape[axis]))
    ones = [1] * (len(x.shape) - 1 - axis)
    fill = value if isinstance(value, Ref) or x.dtype is not Dtype.F32 else float(value)
    return where(low, low.builder.reshape(written, (x.shape[axis], *ones)), fill, x)


@lowers(aten.index_copy.default)
def _index_copy(low: Lowering, x: Ref, axis: int, index: Ref, values: Ref) -> Ref:
    axis = normalize_axis(axis, len(x.shape))
    index = low.builder.reshape(index, (prod(index.shape),))
    return _replace(low, x, axis, find_last(low, index, x.shape[axis]), values)


# --- Indexing by tensors --------------------------------------------------------------------------


def _wrap(low: Lowering, index: Ref, node: fx.Node, length: int) -> Ref | Tensor:
    """The index counted from the front; -1 where it is outside. Known at capture, a tensor."""
    if node in low.constants.nodes:
        known = low.constants.evaluate(node).to(torch.int64)
        known = torch.where(known < 0, known + length, known)
        return torch.where((known < 0) | (known >= length), -1, known)
    low_end, high_end = low.builder.get_range(index)
    if 0 <= low_end and high_end < length:
        return index
    # Modulo a power of two an index keeps its value, and a negative one becomes power + index.
    power = 1 << (2 * length - 1).bit_length()
    masked = low.emit("bitwise_and", index, low.full(power - 1, Dtype.I32))
    turned = binary(low, "sub", masked, power - length)
    wrapped = where(low, binary(low, "lt", index, 0), turned, masked)
    above, below = binary(low, "lt", index, length), binary(low, "le", -length, index)
    return where(low, low.emit("bitwise_and", above, below), wrapped, -1)


def _merge_indices(low: Lowering, x: Ref, indices: Indices) -> tuple[Ref, Ref, list[int], int]:
    """(x with the indexed axes joined to one in front, the joint index, those axes, and where the
    index's axes stand in the result).
    """
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    nodes = low.node.args[1]
    for axis in axes:
        if nodes[axis].meta["val"].dtype is torch.bool:
            raise Unsupported("indexing by a mask, whose result has no fixed shape")
    given = [_wrap(low, indices[a], nodes[a], x.shape[a]) for a in axes]  # type: ignore[arg-type]
    rest = [a for a in range(len(x.shape)) if a not in axes]
    front = x.permute((*axes, *rest))
    lengths = front.shape[: len(axes)]
    joined = low.builder.reshape(front, (prod(lengths), *front.shape[len(axes) :]))
    is_together = axes == list(range(axes[0], axes[-1] + 1))
    return joined, _join_indices(low, given, lengths), axes, axes[0] if is_together else 0


def _join_indices(low: Lowering, indices: list[Ref | Tensor], lengths: tuple[int, ...]) -> Ref:
    """Row-major number of the element that the indices name together; -1 if one is outside."""
    steps = [prod(lengths[number + 1 :]) for number in range(len(lengths))]
    known, outside = torch.zeros((), dtype=torch.int64), torch.zeros((), dtype=torch.bool)
    total: Ref | None = None
    is_outside: Ref | None = None
    for index, step in zip(indices, steps):
        if isinstance(index, Tensor):
            known, outside = known + index * step, outside | (index < 0)
            continue
        part = mul(low, index, step)
        total = part if total is None else binary(low, "add", total, part)
        if low.builder.get_range(index)[0] < 0:
            missing = binary(low, "lt", index, 0)
            is_outside = (
                missing if is_outside is None else low.emit("bitwise_or", is_outside, missing)
            )
    known = torch.where(outside, -prod(lengths), known)  # so far below that no sum is inside
    if total is None:
        return low.constant(known)
    if bool((known != 0).any()):
        total = binary(low, "add", total, low.constant(known))
    return total if is_outside is None else where(low, is_outside, -1, total)


@lowers(aten.index.Tensor, aten._unsafe_index.Tensor)
def _index(low: Lowering, x: Ref, indices: list[Ref | None]) -> Ref:
    joined, index, _, place = _merge_indices(low, x, indices)
    taken = take(low, joined, 0, index)
    rank = len(index.shape)
    rest = range(rank, len(taken.shape))
    return taken.permute((*rest[:place], *range(rank), *rest[place:]))


@lowers(aten.index_put.default, aten._unsafe_index_put.default, aten._index_put_impl.default)
def _index_put(
    low: Lowering,
    x: Ref,
    indices: list[Ref | None],
    values: Ref,
    accumulate: bool = False,
    unsafe: bool = False,
) -> Ref:
    if _is_mask(low, x, indices):
        mask = indices[0]
        assert mask is not None
        wide = low.builder.reshape(mask, (*mask.shape, *[1] * (len(x.shape) - len(mask.shape))))
        new = binary(low, "add", x, values) if accumulate else values
        return where(low, wide, new, x)
    joined, index, axes, place = _merge_indices(low, x, indices)
    rest, rank = joined.shape[1:], len(index.shape)
    values = values.expand((*rest[:place], *index.shape, *rest[place:]))
    moved = range(place, place + rank)
    lines = values.permute((*moved, *(a for a in range(len(values.shape)) if a not in moved)))
    lines = low.builder.reshape(lines, (prod(index.shape), *rest))
    index = low.builder.reshape(index, (prod(index.shape),))
    if accumulate:
        result = _add_rows(low, joined, 0, index, lines)
    else:
        result = _replace(low, joined, 0, find_last(low, index, joined.shape[0]), lines)
    result = low.builder.reshape(result, (*(x.shape[a] for a in axes), *rest))
    order = [*axes, *(a for a in range(len(x.shape)) if a not in axes)]
    return result.permute(order.index(a) for a in range(len(x.shape)))


def _is_mask(low: Lowering, x: Ref, indices: list[Ref | None]) -> bool:
    """Whether one boolean tensor says where one value goes."""
    given = [index for index in indices if index is not None]
    values = low.node.args[2].meta["val"]
    return (
        len(given) == 1
        and indices[0] is given[0]
        and low.node.args[1][0].meta["val"].dtype is torch.bool
        and values.numel() == 1
    )
