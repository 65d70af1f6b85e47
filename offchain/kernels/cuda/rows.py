"""Operators that work row by row, found in their microcode: softmax, layer norm, sums.

All that such an operator computes has the shape S of its elements, or that of its rows: S without
the last axis, along which every fold runs. `row_kernels` makes one kernel of all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from offchain.kernels.chains import AXES, SUPPORTED, collapse
from protocol.instructions import Instruction, Kind, Opcode, Operand, Source
from protocol.types import Dtype, compute_ceil_log2
from protocol.views import View, compute_contiguous_strides

FOLDS = frozenset({Opcode.ABSMAX, Opcode.MAXIMUM, Opcode.SUM})
SIGNIFICAND_BITS = 53  # of the float64 that holds a sum


class Form(IntEnum):
    """How many values an instruction has."""

    SCALAR = 0  # the same everywhere
    ROW = 1  # one for each row
    ELEMENT = 2


@dataclass(frozen=True)
class Leaf:
    """An input, as it is read over S."""

    index: int
    dtype: Dtype
    view: View

    @property
    def is_row(self) -> bool:
        """Whether it has one value for each row."""
        return self.view.strides[-1] == 0

    @property
    def lies_along(self) -> bool:
        """Whether the elements of a row follow each other in memory."""
        return self.view.strides[-1] in (0, 1)


@dataclass(frozen=True)
class Step:
    """An instruction: an operand >= 0 is a step before it, below that ~operand is a leaf."""

    opcode: Opcode
    operands: tuple[int, ...]
    attributes: tuple[int, ...]
    dtype: Dtype
    form: Form
    level: int  # folds that have to be finished before it, one after the other


@dataclass(frozen=True)
class RowProgram:
    """An operator over rows; the last step is its output."""

    steps: tuple[Step, ...]
    leaves: tuple[Leaf, ...]
    shape: tuple[int, ...]  # S

    @property
    def output(self) -> Step:
        """The last step."""
        return self.steps[-1]

    @property
    def folds(self) -> tuple[int, ...]:
        """Numbers of the steps that fold."""
        return tuple(n for n, step in enumerate(self.steps) if step.opcode in FOLDS)

    @property
    def lies_along(self) -> bool:
        """Whether every input's rows lie along memory."""
        return all(leaf.lies_along for leaf in self.leaves)

    def collapse(self) -> tuple[list[int], list[list[int]]] | None:
        """(lengths of the axes of rows, strides of each leaf along them); None: too many axes."""
        lengths, strides = collapse(self.shape[:-1], [leaf.view.strides for leaf in self.leaves])
        missing = AXES - len(lengths)
        if missing < 0:
            return None
        return [1] * missing + lengths, [[0] * missing + own for own in strides]


class _Mismatch(Exception):
    """The microcode is no row program."""


class _Finder:
    def __init__(self, instructions: Sequence[Instruction], shape: tuple[int, ...]):
        self.instructions = instructions
        self.shape = shape
        self.row_shape = shape[:-1]
        self.leaves: dict[Leaf, int] = {}
        self.steps: list[Step] = []

    def find(self) -> RowProgram:
        for instruction in self.instructions:
            self.steps.append(self._convert(instruction))
        self._check_integers()
        return RowProgram(tuple(self.steps), tuple(self.leaves), self.shape)

    def _convert(self, instruction: Instruction) -> Step:
        opcode, shape = instruction.opcode, instruction.shape
        operands: tuple[int, ...] = ()
        if opcode is Opcode.CONST:
            form = Form.SCALAR
        elif opcode in FOLDS:
            form = Form.ROW
            if shape != self.row_shape or instruction.fold != self.shape[-1]:
                raise _Mismatch
            operands = (self._convert_folded(instruction.operands[0]),)
        elif opcode in SUPPORTED or opcode in (Opcode.QUANTIZE, Opcode.DEQUANTIZE):
            form = self._find_form(shape)
            operands = tuple(self._convert_operand(o, form) for o in instruction.operands)
        else:
            raise _Mismatch
        level = max((self.steps[o].level for o in operands if o >= 0), default=0)
        level += opcode in FOLDS
        return Step(opcode, operands, instruction.attributes, instruction.dtype, form, level)

    def _find_form(self, shape: tuple[int, ...]) -> Form:
        if shape == self.shape:
            return Form.ELEMENT
        if shape in (self.row_shape, (*self.row_shape, 1)):
            return Form.ROW
        if shape == ():
            return Form.SCALAR
        raise _Mismatch

    def _add_leaf(self, operand: Operand, strides: tuple[int, ...]) -> int:
        if operand.dtype not in (Dtype.F32, Dtype.I32):
            raise _Mismatch
        leaf = Leaf(operand.index, operand.dtype, View(self.shape, strides, operand.view.offset))
        return ~self.leaves.setdefault(leaf, len(self.leaves))

    def _convert_folded(self, operand: Operand) -> int:
        """What a fold runs along: elements, in order."""
        strides = (*operand.view.strides, 1)
        if operand.source is Source.INPUT:
            return self._add_leaf(operand, strides)
        self._check_view(operand, strides, self.shape, Form.ELEMENT)
        return operand.index

    def _convert_operand(self, operand: Operand, form: Form) -> int:
        strides = operand.view.strides
        if form is Form.ROW:  # with or without a last axis of length 1
            strides = strides[: len(self.row_shape)]
        if operand.source is Source.INPUT:
            rank = len(self.shape)
            if form is Form.SCALAR:
                strides = (0,) * rank
            elif form is Form.ROW:
                strides = (*strides, 0)
            return self._add_leaf(operand, strides)
        own = self.steps[operand.index].form
        if own is Form.ELEMENT and form is Form.ELEMENT:
            self._check_view(operand, strides, self.shape, own)
        elif own is Form.ROW:
            strides = (*strides, 0) if form is Form.ROW else strides
            self._check_view(operand, strides, self.shape, own)
        elif own is not Form.SCALAR:
            raise _Mismatch
        return operand.index

    def _check_view(
        self, operand: Operand, strides: tuple[int, ...], shape: tuple[int, ...], form: Form
    ) -> None:
        """Whether each position reads its own element, or its own row."""
        if self.steps[operand.index].form is not form or operand.view.offset:
            raise _Mismatch
        want = compute_contiguous_strides(shape)
        if form is Form.ROW:
            want = (*compute_contiguous_strides(shape[:-1]), 0)
        if len(strides) != len(shape) or any(
            length > 1 and s != w for s, w, length in zip(strides, want, shape)
        ):
            raise _Mismatch

    def _check_integers(self) -> None:
        """Integers of 64 bits, and those that QUANTIZE makes, exist between the four only."""
        before = {
            Opcode.QUANTIZE: (None, Opcode.ABSMAX),
            Opcode.SUM: (Opcode.QUANTIZE,),
            Opcode.DEQUANTIZE: (Opcode.SUM, Opcode.ABSMAX),
        }
        special = {Opcode.QUANTIZE, Opcode.SUM, Opcode.ABSMAX}
        for step in self.steps:
            wanted = before.get(step.opcode, (None,) * len(step.operands))
            if len(wanted) != len(step.operands):
                raise _Mismatch
            for operand, opcode in zip(step.operands, wanted):
                own = self.steps[operand].opcode if operand >= 0 else None
                if opcode is None and own in special or opcode not in (None, own):
                    raise _Mismatch
            if step.opcode is Opcode.SUM:
                bits = self.steps[step.operands[0]].attributes[0]
                if bits - 1 + compute_ceil_log2(self.shape[-1]) > SIGNIFICAND_BITS:
                    raise _Mismatch
        if self.steps[-1].opcode in special or self.steps[-1].form is Form.SCALAR:
            raise _Mismatch


def find_rows(instructions: Sequence[Instruction]) -> RowProgram | None:
    """The operator as a row program, or None if it is none, or has no fold."""
    folds = [i for i in instructions if i.kind is Kind.FOLD]
    if not folds or folds[0].fold < 2:
        return None
    try:
        program = _Finder(instructions, (*folds[0].shape, folds[0].fold)).find()
    except _Mismatch:
        return None
    return program if program.collapse() is not None else None
