"""Operators under construction: emitted once each, read through views.

A `Ref` is a tensor of the program: an operator's output seen through a view. Emitting the same
operator on the same inputs twice gives the same `Ref` (common subexpressions), and `prune` drops
what nothing needs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from protocol.instructions import Instruction, Source
from protocol.operators import expand
from protocol.operators.microcode import Value
from protocol.program import Input, Operator
from protocol.ranges import Range, compute_range
from protocol.types import Dtype, Shape, compute_size
from protocol.views import NotAView, View, contiguous

Attribute = int | tuple[int, ...]


@dataclass(frozen=True)
class Ref:
    """A tensor that operators can read."""

    producer: int
    dtype: Dtype
    size: int  # elements of the producer's output
    view: View

    @property
    def shape(self) -> Shape:
        """Shape as viewed."""
        return self.view.shape

    def seen(self, view: View) -> "Ref":
        """The same output through another view."""
        return replace(self, view=view)

    def permute(self, axes: Iterable[int]) -> "Ref":
        """See `View.permute`."""
        return self.seen(self.view.permute(tuple(axes)))

    def expand(self, shape: Shape) -> "Ref":
        """See `View.expand`."""
        return self.seen(self.view.expand(shape))

    def swap_last(self) -> "Ref":
        """Exchange the last two axes."""
        rank = len(self.shape)
        return self.permute((*range(rank - 2), rank - 1, rank - 2))

    def unsqueeze(self, axis: int) -> "Ref":
        """Insert an axis of length 1; `axis` counts in the result."""
        shape, strides = self.view.shape, self.view.strides
        view = View((*shape[:axis], 1, *shape[axis:]), (*strides[:axis], 0, *strides[axis:]))
        return self.seen(replace(view, offset=self.view.offset))

    def is_whole(self) -> bool:
        """Whether the view shows the producer's output as it lies."""
        return self.view.offset == 0 and self.view.size == self.size and self.view.is_contiguous()


class Builder:
    """The growing list of operators."""

    def __init__(self) -> None:
        self.operators: list[Operator] = []
        self.source = ""  # where the operators emitted next come from
        self.copied: dict[int, Ref] = {}  # copy operator -> what it copies
        self._known: dict[object, Ref] = {}
        self._ranges: list[Range] = []  # per operator, of an integer output

    def emit(self, kind: str, *inputs: Ref, **attributes: Attribute) -> Ref:
        """The output of an operator.

        Raises what `operators.expand` raises, and IntegerOverflow.
        """
        operator = Operator(
            kind, tuple(Input(i.producer, i.view) for i in inputs), attributes, self.source
        )
        key = (kind, operator.inputs, tuple(sorted(attributes.items())))
        if key not in self._known:
            values = tuple(
                Value(Source.INPUT, position, item.dtype, item.size, item.view)
                for position, item in enumerate(inputs)
            )
            code = expand(kind, values, attributes)
            output = code[-1]
            self._ranges.append(_compute_range(code, [self.get_range(item) for item in inputs]))
            self.operators.append(operator)
            self._known[key] = Ref(
                len(self.operators) - 1,
                output.dtype,
                compute_size(output.shape),
                contiguous(output.shape),
            )
        return self._known[key]

    def get_range(self, ref: Ref) -> Range:
        """Smallest and largest integer that the tensor can hold, whatever state and batch are."""
        return self._ranges[ref.producer]

    def copy(self, ref: Ref) -> Ref:
        """The tensor laid out row-major."""
        copied = self.emit("copy", ref)
        self.copied[copied.producer] = ref
        return copied

    def whole(self, ref: Ref) -> Ref:
        """The tensor as an operator's whole output, copied if it is a view."""
        return ref if ref.is_whole() else self.copy(ref)

    def reshape(self, ref: Ref, shape: Shape) -> Ref:
        """The same elements under another shape, copied only where no view can do it."""
        if shape == ref.shape:
            return ref
        try:
            return ref.seen(ref.view.reshape(shape))
        except NotAView:
            copied = self.copy(ref)
            return copied.seen(copied.view.reshape(shape))


def _compute_range(code: list[Instruction], inputs: list[Range]) -> Range:
    ranges: list[Range] = []
    for instruction in code:
        operands = [
            (ranges if o.source is Source.INSTRUCTION else inputs)[o.index]
            for o in instruction.operands
        ]
        # Accumulators are the policy's concern, which chooses their bits.
        is_wide = instruction.dtype is Dtype.I64
        ranges.append((0, 0) if is_wide else compute_range(instruction, operands))
    return ranges[-1]


def prune(operators: list[Operator], roots: Iterable[int]) -> tuple[list[Operator], dict[int, int]]:
    """Only what the roots need, renumbered; also the new number of each operator kept."""
    needed = set(roots)
    for number in range(len(operators) - 1, -1, -1):
        if number in needed:
            needed.update(item.producer for item in operators[number].inputs)
    kept = sorted(needed)
    numbers = {old: new for new, old in enumerate(kept)}
    renumbered = [
        replace(
            operators[old],
            inputs=tuple(
                replace(item, producer=numbers[item.producer]) for item in operators[old].inputs
            ),
        )
        for old in kept
    ]
    return renumbered, numbers
