"""Windows over spatial axes: padding, spreading, sliding, and adding windows up again.

Sliding is a view. What follows here costs a copy only where elements are put between others.
"""

from collections.abc import Sequence
from math import prod

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering, Number
from protocol.types import Dtype
from protocol.views import View


def join(low: Lowering, parts: list[Ref], axis: int) -> Ref:
    """The parts one after the other along an axis, joined two by two; empty ones are left out."""
    parts = [part for part in parts if part.shape[axis] > 0] or parts[:1]
    if any(part.dtype is not parts[0].dtype for part in parts):
        parts = [low.as_float(part) for part in parts]
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [low.emit("cat", *p, axis=axis) if len(p) == 2 else p[0] for p in pairs]
    return parts[0]


def crop(x: Ref, axis: int, start: int, length: int) -> Ref:
    """`length` elements of an axis from `start`."""
    return x.seen(x.view.slice(axis, start, length))


def pad_axis(low: Lowering, x: Ref, axis: int, before: int, after: int, value: Number = 0.0) -> Ref:
    """An axis with more elements of one value at its ends; a negative number removes elements."""
    cut = max(0, -before)
    x = crop(x, axis, cut, x.shape[axis] - cut - max(0, -after))
    fill = low.full(float(value) if x.dtype is Dtype.F32 else int(value), x.dtype)
    low_end, high_end = (
        fill.expand((*x.shape[:axis], max(0, n), *x.shape[axis + 1 :])) for n in (before, after)
    )
    return join(low, [low_end, x, high_end], axis)


def fit(
    low: Lowering, x: Ref, before: Sequence[int], lengths: Sequence[int], value: Number = 0.0
) -> Ref:
    """The last axes shifted by `before` elements of padding and brought to `lengths`."""
    first = len(x.shape) - len(lengths)
    for number, (start, length) in enumerate(zip(before, lengths)):
        axis = first + number
        x = pad_axis(low, x, axis, start, length - start - x.shape[axis], value)
    return x


def compute_extents(
    outputs: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """How far windows reach along each axis."""
    return tuple(
        (o - 1) * s + d * (k - 1) + 1 for o, k, s, d in zip(outputs, kernel, stride, dilation)
    )


def spread(low: Lowering, x: Ref, axis: int, step: int) -> Ref:
    """An axis with `step - 1` zeros between neighbours."""
    length = x.shape[axis]
    if step == 1 or length == 1:
        return x
    wide = pad_axis(low, x.unsqueeze(axis + 1), axis + 1, 0, step - 1)
    flat = (*x.shape[:axis], length * step, *x.shape[axis + 1 :])
    return crop(low.builder.reshape(wide, flat), axis, 0, (length - 1) * step + 1)


def slide(
    x: Ref,
    outputs: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Ref:
    """[..., *lengths] -> [..., *outputs, *kernel], a view.

    Element (o, k) of an axis is element o * stride + k * dilation.
    """
    first = len(x.shape) - len(outputs)
    spatial = x.view.strides[first:]
    view = View(
        (*x.shape[:first], *outputs, *kernel),
        (
            *x.view.strides[:first],
            *(s * by for s, by in zip(spatial, stride)),
            *(s * by for s, by in zip(spatial, dilation)),
        ),
        x.view.offset,
    )
    return x.seen(view)


def overlap_add(
    low: Lowering,
    windows: Ref,
    lengths: Sequence[int],
    before: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Ref:
    """The transpose of `fit` and `slide`: [..., *outputs, *kernel] -> [..., *lengths].

    Each element is the sum of what all windows hold for its position; `before` elements of padding
    are dropped from the front of each axis.
    """
    count = len(lengths)
    lead = windows.shape[: len(windows.shape) - 2 * count]
    # One leading axis leaves room for a further one while zeros are put between elements.
    windows = low.builder.reshape(windows, (prod(lead), *windows.shape[len(lead) :]))
    added = _overlap_add(low, windows, lengths, before, stride, dilation)
    return low.builder.reshape(added, (*lead, *lengths))


def _overlap_add(
    low: Lowering,
    windows: Ref,
    lengths: Sequence[int],
    before: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Ref:
    count, first = len(lengths), 1
    kernel = windows.shape[first + count :]
    if all(k <= s and (d == 1 or k == 1) for k, s, d in zip(kernel, stride, dilation)):
        return _lay_side_by_side(low, windows, lengths, before, stride)
    for number in range(count):
        windows = spread(low, windows, first + number, stride[number])
    # Position p of the result reads window element k at p - k * dilation.
    for number, (k, d) in enumerate(zip(kernel, dilation)):
        axis, margin = first + number, d * (k - 1)
        start = margin - before[number]
        needed = lengths[number] + margin
        windows = pad_axis(low, windows, axis, start, needed - start - windows.shape[axis])
    strides, offset = list(windows.view.strides), windows.view.offset
    for number, (k, d) in enumerate(zip(kernel, dilation)):
        offset += strides[first + number] * d * (k - 1)
        strides[first + count + number] -= strides[first + number] * d
    diagonal = windows.seen(
        View((*windows.shape[:first], *lengths, *kernel), tuple(strides), offset)
    )
    shape = (*diagonal.shape[: first + count], prod(kernel))
    return low.emit("sum", low.builder.reshape(diagonal, shape))


def _lay_side_by_side(
    low: Lowering,
    windows: Ref,
    lengths: Sequence[int],
    before: Sequence[int],
    stride: Sequence[int],
) -> Ref:
    """`overlap_add` of windows that do not overlap: every element is one of theirs, or 0."""
    count = len(lengths)
    first = len(windows.shape) - 2 * count
    for number in range(count):
        axis = first + count + number
        windows = pad_axis(low, windows, axis, 0, stride[number] - windows.shape[axis])
    pairs = [first + part for number in range(count) for part in (number, count + number)]
    windows = windows.permute((*range(first), *pairs))
    lead, outputs = windows.shape[:first], windows.shape[first::2]
    flat = low.builder.reshape(windows, (*lead, *(o * s for o, s in zip(outputs, stride))))
    return fit(low, flat, [-b for b in before], lengths)
