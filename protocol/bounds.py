"""Checks of shapes and index maps, before anything of their size is allocated."""

from protocol import rejections
from protocol.types import (
    ELEMENTS_MAX,
    LEAF_BYTES,
    PATH_MAX,
    RANK_MAX,
    Dtype,
    Shape,
)
from protocol.views import View

TENSOR_BYTES_MAX = LEAF_BYTES * 2**PATH_MAX  # = 16 GiB: the leaves of the highest tree


def check_integer(value: object, what: str, low: int, high: int) -> None:
    """Raise NotAnInteger, or StrideOutOfRange unless low <= value <= high."""
    if type(value) is not int:
        raise rejections.NotAnInteger(f"{what} is {value!r}, expected an integer")
    if not low <= value <= high:
        raise rejections.StrideOutOfRange(f"{what} is {value}, limits {low} to {high}")


def check_shape(shape: Shape, dtype: Dtype) -> None:
    """Raise unless a tensor of that shape can be committed; a scalar has no axes."""
    if len(shape) > RANK_MAX:
        raise rejections.RankTooHigh(f"{len(shape)} axes, limit {RANK_MAX}")
    size = 1
    for axis, length in enumerate(shape):
        if type(length) is not int:
            raise rejections.NotAnInteger(f"axis {axis} has length {length!r}")
        if not 0 < length <= ELEMENTS_MAX:
            raise rejections.LengthOutOfRange(
                f"axis {axis} has length {length}, limits 1 to {ELEMENTS_MAX}"
            )
        size *= length
    if size > ELEMENTS_MAX:
        raise rejections.TensorTooLarge(f"shape {shape} has {size} elements, limit {ELEMENTS_MAX}")
    if size * dtype.size_bytes > TENSOR_BYTES_MAX:
        raise rejections.TensorTooLarge(
            f"shape {shape} of {dtype.name.lower()} has {size * dtype.size_bytes} bytes, limit "
            f"{TENSOR_BYTES_MAX} (a tree of height {PATH_MAX})"
        )


def check_strides(view: View) -> None:
    """Raise unless the view has one stride per axis and all of them can be encoded.

    Strides of axes of length 1 reach nothing, but the descriptor holds them too.
    """
    if len(view.strides) != len(view.shape):
        raise rejections.MalformedView(f"{len(view.strides)} strides for {len(view.shape)} axes")
    for axis, stride in enumerate(view.strides):
        if type(stride) is not int or not -ELEMENTS_MAX <= stride <= ELEMENTS_MAX:
            check_integer(stride, f"stride of axis {axis}", -ELEMENTS_MAX, ELEMENTS_MAX)
    check_integer(view.offset, "offset", 0, ELEMENTS_MAX - 1)


def check_reach(view: View, size: int, below: int = 0, above: int = 0) -> None:
    """Raise unless the view, and `below` and `above` elements around it, lie inside [0, size)."""
    low, high = view.compute_bounds()
    if low - below < 0 or high + above >= size:
        raise rejections.ViewOutOfBounds(
            f"index map reads elements {low - below} to {high + above} of a tensor of {size}"
        )
