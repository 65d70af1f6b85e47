"""What one of several processes holds of a tensor, and computes of an instruction.

A batch that is split over n processes splits whatever depends on it: of every `period` consecutive
elements of such a tensor, process r holds the r-th of n equal parts, one after the other. A period
that ends the tensor is a split of its leading axis; a shorter one is a split further in. Index
maps say which part of an instruction reads which part of its sources, so they say how it can be
divided: along an axis of its output, or along its fold, whose partial results are then combined.
Where they do not allow it, a process needs the whole source.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from protocol.instructions import LEGALITY, Instruction, Kind, Opcode, Operand
from protocol.views import View

Period = int | None  # None: every process holds the whole tensor
Axis = tuple[int, int]  # length, stride

# Their elements depend on their own positions in the whole output.
WHOLE = frozenset({Opcode.CONST, Opcode.IOTA, Opcode.RANDOM, Opcode.LOAD_STATE})


@dataclass(frozen=True)
class Ranks:
    """How many processes there are, and which of them this is."""

    count: int
    rank: int


@dataclass(frozen=True)
class Division:
    """An axis of `outer` times all processes' parts of `length`; after the output's: the fold."""

    axis: int
    outer: int
    length: int


@dataclass(frozen=True)
class Part:
    """What one process does for an instruction."""

    instruction: Instruction  # over the parts of its sources
    gathered: tuple[Period, ...]  # of each operand: the period of a source that is needed whole
    period: Period  # of the output
    is_partial: bool = False  # a fold over a part: to be combined with the other processes'


def compute_part(instruction: Instruction, periods: tuple[Period, ...], ranks: Ranks) -> Part:
    """The part of this process; `periods` are those of the operands' sources."""
    if instruction.opcode is Opcode.LOAD_BATCH:
        rows = instruction.shape[0] // ranks.count
        own = replace(instruction, shape=(rows, *instruction.shape[1:]))
        return Part(own, (), instruction.size)
    if instruction.opcode not in WHOLE:
        for division in _rank_divisions(instruction, periods, ranks):
            part = _divide(instruction, periods, division, ranks)
            if part is not None:
                return part
    return Part(instruction, periods, None)


def divide_axis(instruction: Instruction, axis: int, ranks: Ranks) -> Part | None:
    """The part along an axis of the output, of sources that are all whole."""
    length, rest = divmod(instruction.shape[axis], ranks.count)
    if rest:
        return None
    whole = (None,) * len(instruction.operands)
    return _divide(instruction, whole, Division(axis, 1, length), ranks)


def _rank_divisions(
    instruction: Instruction, periods: tuple[Period, ...], ranks: Ranks
) -> list[Division]:
    """Those that suit an operand, by how many elements need not be gathered then."""
    weights: dict[Division, int] = {}
    for number, (operand, period) in enumerate(zip(instruction.operands, periods)):
        if period is not None:
            for division in _find_divisions(instruction, number, period, ranks):
                weights[division] = weights.get(division, 0) + operand.size
    return sorted(weights, key=lambda division: -weights[division])


def _get_axes(instruction: Instruction, number: int) -> list[Axis]:
    """The axes along which an operand is read: the output's, and one more where there is one."""
    view, attributes = instruction.operands[number].view, instruction.attributes
    axes = list(zip(instruction.shape, view.strides))
    if number < LEGALITY[instruction.opcode].folded:
        axes.append((instruction.fold, 1))
    if instruction.opcode is Opcode.GATHER and number == 0:
        axes.append((attributes[1], attributes[0]))
    if instruction.opcode is Opcode.CONCAT:
        axis, split = attributes[:2]
        length = instruction.shape[axis] - split if number else split
        axes[axis] = (length, view.strides[axis])
    return axes


def _find_divisions(
    instruction: Instruction, number: int, period: int, ranks: Ranks
) -> Iterator[Division]:
    """Axes along which the parts of an operand's source follow each other."""
    part = period // ranks.count
    for axis, (length, stride) in enumerate(_get_axes(instruction, number)):
        if stride < 1 or part % stride:
            continue
        if instruction.opcode is Opcode.CONCAT and axis == instruction.attributes[0]:
            continue
        if instruction.kind is not Kind.FOLD and axis == len(instruction.shape):
            continue  # the axis that an index runs along
        outer, rest = divmod(length, part // stride * ranks.count)
        if outer and not rest:
            yield Division(axis, outer, part // stride)


def _divide(
    instruction: Instruction, periods: tuple[Period, ...], division: Division, ranks: Ranks
) -> Part | None:
    """The part by this division, with what it does not suit gathered; None where that is all."""
    at, shape, attributes = division.axis, instruction.shape, instruction.attributes
    is_partial = at == len(shape)
    if not is_partial:
        shape = (*shape[:at], *_get_lengths(division), *shape[at + 1 :])
    operands, gathered = list[Operand](), list[Period]()
    for number, (operand, period) in enumerate(zip(instruction.operands, periods)):
        axes = _get_axes(instruction, number)
        divided = _divide_axis(axes, division, ranks)
        found, size = None, operand.size
        if period is not None and division in _find_divisions(instruction, number, period, ranks):
            found = _localize(divided, operand.view.offset, period, ranks)
        if found is not None:
            strides, offset = found
            period, size = None, size // ranks.count
        else:
            strides, offset = [stride for _, stride in divided], operand.view.offset
            if at < len(axes):
                offset += axes[at][1] * division.length * ranks.rank
                if is_partial and division.outer > 1:
                    return None  # what it folds does not lie in one piece
        if instruction.opcode is Opcode.GATHER and number == 0:
            attributes = (strides[-1], *attributes[1:])
        view = View(shape, tuple(strides[: len(shape)]), offset)
        operands.append(replace(operand, size=size, view=view))
        gathered.append(period)
    if instruction.opcode is Opcode.CONCAT and attributes[0] > at:
        attributes = (attributes[0] + len(shape) - len(instruction.shape), *attributes[1:])
    own = replace(instruction, shape=shape, operands=tuple(operands), attributes=attributes)
    if is_partial:
        own = replace(own, fold=division.outer * division.length)
        return Part(own, tuple(gathered), None, is_partial=True)
    inner = prod(instruction.shape[at + 1 :])
    return Part(own, tuple(gathered), division.length * ranks.count * inner)


def _get_lengths(division: Division) -> tuple[int, ...]:
    """Of the axes that a divided axis becomes in a part."""
    if division.outer == 1:
        return (division.length,)
    return (division.outer, division.length)


def _divide_axis(axes: list[Axis], division: Division, ranks: Ranks) -> list[Axis]:
    """The axes of a part in the whole source, before the process's own start."""
    at = division.axis
    if at >= len(axes):
        return axes  # an operand that the fold does not run along
    stride = axes[at][1]
    strides = (stride * division.length * ranks.count, stride)
    lengths = _get_lengths(division)
    return [*axes[:at], *zip(lengths, strides[-len(lengths) :]), *axes[at + 1 :]]


def _localize(
    axes: list[Axis], offset: int, period: int, ranks: Ranks
) -> tuple[list[int], int] | None:
    """(strides, offset) in what a process holds; None where it would need more than that.

    A position is a number of periods and a rest. What a process reads is its own if the rests of
    all that it adds up, apart from where its part starts, stay below the length of a part.
    """
    part = period // ranks.count
    lowest = offset + sum(min(0, stride * (length - 1)) for length, stride in axes)
    whole, reach = divmod(lowest, period)
    start = whole * part + reach
    strides = []
    for length, stride in axes:
        whole, rest = divmod(abs(stride), period)
        reach += rest * (length - 1)
        strides.append((whole * part + rest) * (1 if stride >= 0 else -1))
        start -= min(0, strides[-1] * (length - 1))
    return (strides, start) if reach < part else None
