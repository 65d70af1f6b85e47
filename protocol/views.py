"""Index maps: how an operand is read out of a flat row-major tensor.

A view costs nothing: it is an offset and one stride per axis, in elements. Every function here
returns a new view of the same data, or raises `NotAView` where only a copy could do it.
"""

from dataclasses import dataclass, replace

from protocol.types import Shape, compute_size


class NotAView(ValueError):
    """The elements asked for do not lie at constant strides; copy the tensor first."""


@dataclass(frozen=True, slots=True)
class View:
    """Shape and position arithmetic of an operand: element i lies at offset + sum(strides * i)."""

    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def size(self) -> int:
        """Number of elements that the view shows."""
        return compute_size(self.shape)

    def compute_bounds(self) -> tuple[int, int]:
        """Smallest and largest position that the view reads; the view is not empty."""
        reach = [stride * (length - 1) for stride, length in zip(self.strides, self.shape)]
        return (
            self.offset + sum(r for r in reach if r < 0),
            self.offset + sum(r for r in reach if r > 0),
        )

    def is_contiguous(self) -> bool:
        """Whether the elements lie row-major without gaps (axes of length 1 are free)."""
        expected = compute_contiguous_strides(self.shape)
        return all(
            length == 1 or stride == want
            for length, stride, want in zip(self.shape, self.strides, expected)
        )

    def permute(self, axes: tuple[int, ...]) -> "View":
        """Axis i of the result is axis axes[i] of this view."""
        return replace(
            self,
            shape=tuple(self.shape[a] for a in axes),
            strides=tuple(self.strides[a] for a in axes),
        )

    def expand(self, shape: Shape) -> "View":
        """Broadcast to `shape` as numpy does: new leading axes, axes of length 1 repeated."""
        missing = len(shape) - len(self.shape)
        if missing < 0:
            raise NotAView(f"expand: {self.shape} has more axes than {shape}")
        strides = [0] * missing
        for have, want, stride in zip(self.shape, shape[missing:], self.strides):
            if have != want and have != 1:
                raise NotAView(f"expand: {self.shape} does not broadcast to {shape}")
            strides.append(stride if have == want else 0)
        return View(shape, tuple(strides), self.offset)

    def slice(self, axis: int, start: int, length: int, step: int = 1) -> "View":
        """Elements start, start + step, ... (`length` of them) of one axis; step may be < 0."""
        shape, strides = list(self.shape), list(self.strides)
        offset = self.offset + start * strides[axis]
        shape[axis], strides[axis] = length, strides[axis] * step
        return View(tuple(shape), tuple(strides), offset)

    def select(self, axis: int, index: int) -> "View":
        """Drop one axis at a fixed index."""
        return View(
            self.shape[:axis] + self.shape[axis + 1 :],
            self.strides[:axis] + self.strides[axis + 1 :],
            self.offset + index * self.strides[axis],
        )

    def flip(self, axis: int) -> "View":
        """Read one axis backwards."""
        return self.slice(axis, self.shape[axis] - 1, self.shape[axis], -1)

    def reshape(self, shape: Shape) -> "View":
        """The same elements in the same row-major order under another shape."""
        if compute_size(shape) != self.size:
            raise NotAView(f"reshape: {self.shape} and {shape} differ in size")
        groups = _compute_groups(self)
        strides: list[int] = []
        group = len(groups) - 1
        left = groups[group][0] if groups else 1
        step = groups[group][1] if groups else 0
        for length in reversed(shape):
            if length == 1:
                strides.append(0)
                continue
            while left == 1:
                group -= 1
                left, step = groups[group]
            if left % length:
                raise NotAView(f"reshape: {self} does not split into {shape}")
            strides.append(step)
            left, step = left // length, step * length
        return View(shape, tuple(reversed(strides)), self.offset)


def _compute_groups(view: View) -> list[tuple[int, int]]:
    """Merge neighbouring axes that step as one: (length, stride of the innermost) of each run."""
    groups: list[tuple[int, int]] = []
    for length, stride in zip(view.shape, view.strides):
        if length == 1:
            continue
        if groups and groups[-1][1] == stride * length:
            groups[-1] = (groups[-1][0] * length, stride)
        else:
            groups.append((length, stride))
    return groups


def compute_contiguous_strides(shape: Shape) -> tuple[int, ...]:
    """Row-major strides, in elements."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def contiguous(shape: Shape) -> View:
    """The view of a whole row-major tensor."""
    return View(shape, compute_contiguous_strides(shape))
