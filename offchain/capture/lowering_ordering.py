"""Largest and smallest elements with their positions, sorting, the k largest.

One rule for ties everywhere: of equal elements the one that stands first comes first. PyTorch
promises that for argmax, argmin and stable sorts, and leaves it open for the others. A NaN is
larger than any number, as in PyTorch.
"""

from math import prod

import torch

from offchain.capture.builder import Ref
from offchain.capture.geometry import crop
from offchain.capture.lowering import Lowering
from offchain.capture.lowering_indexing import COMPARISONS_MAX
from offchain.capture.lowering_pointwise import binary, where
from offchain.capture.lowering_reductions import as_exact_float, fold, normalize_axes
from offchain.capture.lowering_scatter import find_places
from offchain.capture.lowering_views import merge, normalize_axis
from offchain.capture.registry import Unsupported, lowers
from protocol.types import Dtype, compute_ceil_log2

aten = torch.ops.aten

POSITIONS_MAX = 2**22  # twice as many, and one, are exact in binary32


def find_largest(
    low: Lowering, x: Ref, positions: Ref, axes: list[int], last_nan: bool = False
) -> tuple[Ref, Ref]:
    """(the largest over the axes, its position), positions being f32 below POSITIONS_MAX.

    Of equal elements the one with the smallest position counts; of NaN too, or the one with the
    largest position.
    """
    count = float(POSITIONS_MAX)
    largest = fold(low, "amax", x, axes, keep=True)
    backwards = binary(low, "sub", count, positions)
    scores = where(low, low.emit("eq", x, largest), backwards, 0.0)
    of_nan = binary(low, "add", positions if last_nan else backwards, count + 1)
    is_number = low.emit("eq", x, x)
    score = fold(low, "amax", where(low, is_number, scores, of_nan), axes, keep=False)
    is_nan = binary(low, "lt", count, score)
    above = binary(low, "sub", score, count + 1)
    nan_position = above if last_nan else binary(low, "sub", count, above)
    position = where(low, is_nan, nan_position, binary(low, "sub", count, score))
    return low.builder.reshape(largest, score.shape), low.emit("to_int", position)


def _find_along(
    low: Lowering, x: Ref, axis: int | None, keep: bool, smallest: bool
) -> tuple[Ref, Ref]:
    """(value, index) of the extreme of each line, or of the whole tensor."""
    lines = merge(low, x, normalize_axes(axis, len(x.shape)))
    above = None
    if x.dtype is not Dtype.F32 and not _is_exact(low, x):
        above, values = _split_integers(low, lines, smallest)
    else:
        values = as_exact_float(low, lines)
        values = low.emit("neg", values) if smallest else values
    length = values.shape[-1]
    if length > POSITIONS_MAX:
        raise Unsupported(f"the position of an extreme among {length}, limit {POSITIONS_MAX}")
    positions = low.emit("to_float", low.arange(length))
    value, index = find_largest(low, values, positions, [len(values.shape) - 1])
    value = low.emit("neg", value) if smallest else value
    if x.dtype is not Dtype.F32:
        value = low.emit("to_int", value)
    if above is not None:
        value = low.emit("bitwise_or", above, value)
    if keep:
        chosen = normalize_axes(axis, len(x.shape))
        shape = tuple(1 if a in chosen else n for a, n in enumerate(x.shape))
        value, index = low.builder.reshape(value, shape), low.builder.reshape(index, shape)
    return value, index


def _is_exact(low: Lowering, x: Ref) -> bool:
    """Whether every integer that x can hold is a float32."""
    return max(map(abs, low.builder.get_range(x))) <= 2**24


def _split_integers(low: Lowering, lines: Ref, smallest: bool) -> tuple[Ref, Ref]:
    """(upper halves of the extremes of lines, lower halves where the upper one is the extreme's).

    Each half is exact in binary32; smallest ones are negated, as the caller's values are.
    """
    halves = [
        low.emit("to_float", low.emit("bitwise_and", lines, low.full(mask, Dtype.I32)))
        for mask in (-(2**16), 2**16 - 1)
    ]
    upper, lower = (low.emit("neg", half) if smallest else half for half in halves)
    extreme = fold(low, "amax", upper, [len(lines.shape) - 1], keep=True)
    values = where(low, low.emit("eq", upper, extreme), lower, -(2.0**17))
    extreme = low.builder.reshape(extreme, lines.shape[:-1])
    return low.emit("to_int", low.emit("neg", extreme) if smallest else extreme), values


@lowers(aten.argmax.default)
def _argmax(low: Lowering, x: Ref, axis: int | None = None, keep: bool = False) -> Ref:
    return _find_along(low, x, axis, keep, smallest=False)[1]


@lowers(aten.argmin.default)
def _argmin(low: Lowering, x: Ref, axis: int | None = None, keep: bool = False) -> Ref:
    return _find_along(low, x, axis, keep, smallest=True)[1]


@lowers(aten.max.dim)
def _max(low: Lowering, x: Ref, axis: int, keep: bool = False) -> tuple[Ref, Ref]:
    return _find_along(low, x, axis, keep, smallest=False)


@lowers(aten.min.dim)
def _min(low: Lowering, x: Ref, axis: int, keep: bool = False) -> tuple[Ref, Ref]:
    return _find_along(low, x, axis, keep, smallest=True)


# --- Sorting: an element's rank is how many elements come before it -------------------------------


def _compute_ranks(low: Lowering, x: Ref, descending: bool) -> Ref:
    """The place of each element of the last axis in sorted order, all different."""
    length, lead = x.shape[-1], prod(x.shape[:-1])
    if lead * length**2 > COMPARISONS_MAX:
        raise Unsupported(
            f"sorting {lead} lines of {length} elements: more than {COMPARISONS_MAX} comparisons"
        )
    mine, other = x.unsqueeze(len(x.shape)), x.unsqueeze(len(x.shape) - 1)
    smaller, larger = (mine, other) if descending else (other, mine)
    before = binary(low, "lt", smaller, larger)
    equal = binary(low, "eq", mine, other)
    if x.dtype is Dtype.F32:
        number = low.emit("eq", x, x)
        nan = low.emit("logical_not", number)
        of_mine, of_other = nan.unsqueeze(len(x.shape)), nan.unsqueeze(len(x.shape) - 1)
        first, last = (of_mine, of_other) if descending else (of_other, of_mine)
        only_last = low.emit("bitwise_and", low.emit("logical_not", first), last)
        before = low.emit("bitwise_or", before, only_last)
        equal = low.emit("bitwise_or", equal, low.emit("bitwise_and", of_mine, of_other))
    line = low.arange(length)
    earlier = low.emit("int_lt", line.unsqueeze(0), line.unsqueeze(1))
    before = low.emit("bitwise_or", before, low.emit("bitwise_and", equal, earlier))
    return low.emit("to_int", low.emit("sum", low.emit("to_float", before)))


def _take_sorted(
    low: Lowering, x: Ref, axis: int, descending: bool, count: int | None = None
) -> tuple[Ref, Ref]:
    """(values, indices) of the first `count` elements in sorted order along an axis."""
    if not x.shape:
        return x, low.full(0, Dtype.I32)
    axis = normalize_axis(axis, len(x.shape))
    rest = [a for a in range(len(x.shape)) if a != axis]
    lines = x.permute((*rest, axis))
    kept = x.shape[axis] if count is None else count
    index = find_places(low, _compute_ranks(low, lines, descending), kept)
    # Every place is taken; the mask lets the program prove how large a position can be.
    mask = 2 ** compute_ceil_log2(x.shape[axis]) - 1
    index = low.emit("bitwise_and", index, low.full(mask, Dtype.I32))
    values = low.emit("gather", lines, index, axis=len(rest))
    back = [*range(axis), len(rest), *range(axis, len(rest))]
    return values.permute(back), index.permute(back)


@lowers(aten.sort.default)
def _sort(low: Lowering, x: Ref, axis: int = -1, descending: bool = False) -> tuple[Ref, Ref]:
    return _take_sorted(low, x, axis, descending)


@lowers(aten.sort.stable)
def _sort_stable(
    low: Lowering, x: Ref, *, stable: bool | None, dim: int = -1, descending: bool = False
) -> tuple[Ref, Ref]:
    return _take_sorted(low, x, dim, descending)


@lowers(aten.topk.default)
def _topk(
    low: Lowering, x: Ref, count: int, axis: int = -1, largest: bool = True, ordered: bool = True
) -> tuple[Ref, Ref]:
    return _take_sorted(low, x, axis, largest, count)


@lowers(aten.kthvalue.default)
def _kthvalue(
    low: Lowering, x: Ref, place: int, axis: int = -1, keep: bool = False
) -> tuple[Ref, Ref]:
    axis = normalize_axis(axis, len(x.shape))
    found = [crop(part, axis, place - 1, 1) for part in _take_sorted(low, x, axis, False, place)]
    shape = low.get_result_shape()
    return low.builder.reshape(found[0], shape), low.builder.reshape(found[1], shape)
