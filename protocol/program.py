"""A program: the data that defines one training step, and its root.

A program is a list of operators in topological order over numbered state slots and dataset fields.
Its root commits to every operator and instruction descriptor, so that the chain can open operator
j and instruction m with two short proofs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from protocol.instructions import Instruction, Source, encode_instruction, encode_words
from protocol.merkle import Tree, compute_vector_tree
from protocol.operators import UnknownOperator, expand
from protocol.operators.microcode import Value
from protocol.rejections import InstructionCountOutOfRange, UnfitOperator, UnknownKind
from protocol.types import (
    INPUTS_MAX,
    INSTRUCTIONS_TOTAL_MAX,
    Dtype,
    Root,
    Shape,
    compute_size,
)
from protocol.views import View

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Slot:
    """One state tensor. `producer` is the operator whose output is its value after the step."""

    name: str
    dtype: Dtype
    shape: Shape
    producer: int

    @property
    def size(self) -> int:
        """Elements."""
        return compute_size(self.shape)


@dataclass(frozen=True)
class Field:
    """One dataset field: record r shows elements [r * stride, r * stride + size of a record)."""

    name: str
    dtype: Dtype
    shape: Shape  # of one record
    stride: int  # elements between the starts of neighbouring records

    @property
    def size(self) -> int:
        """Elements of one record."""
        return compute_size(self.shape)

    def compute_length(self, records: int) -> int:
        """Elements of the whole field's tensor."""
        return (records - 1) * self.stride + self.size


@dataclass(frozen=True)
class Input:
    """An operator's input: which operator's output, and the index map that reads it."""

    producer: int
    view: View


@dataclass(frozen=True)
class Operator:
    """One operator; `source` says where in the submitter's code it came from (not committed)."""

    kind: str
    inputs: tuple[Input, ...] = ()
    attributes: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Program:
    """One training step. Everything but names and source notes is committed by `root`."""

    slots: tuple[Slot, ...]
    fields: tuple[Field, ...]
    rows: int  # records per step: the batch size
    operators: tuple[Operator, ...]
    reported: Mapping[str, int] = field(default_factory=dict)  # scalar name -> operator

    @cached_property
    def microcode(self) -> tuple[tuple[Instruction, ...], ...]:
        """Instructions of every operator; inputs must name earlier operators.

        Raises UnknownKind, UnfitOperator, and InstructionCountOutOfRange as soon as there are
        more than INSTRUCTIONS_TOTAL_MAX.
        """
        code: list[tuple[Instruction, ...]] = []
        total = 0
        for index, operator in enumerate(self.operators):
            inputs = []
            for position, item in enumerate(operator.inputs):
                output = code[item.producer][-1]
                inputs.append(Value(Source.INPUT, position, output.dtype, output.size, item.view))
            try:
                code.append(tuple(expand(operator.kind, tuple(inputs), operator.attributes)))
            except UnknownOperator as error:
                raise UnknownKind(f"{self.describe(index)}: {error}") from error
            except (ValueError, ArithmeticError, LookupError, AttributeError) as error:
                raise UnfitOperator(f"{self.describe(index)}: {error}") from error
            total += len(code[-1])
            if total > INSTRUCTIONS_TOTAL_MAX:
                raise InstructionCountOutOfRange(
                    f"{self.describe(index)}: {total} instructions up to here, "
                    f"limit {INSTRUCTIONS_TOTAL_MAX}"
                )
        return tuple(code)

    def describe(self, operator: int) -> str:
        """An operator in words, for messages: `operator 17 (matmul, model.py:12)`."""
        item = self.operators[operator]
        note = f", {item.source}" if item.source else ""
        return f"operator {operator} ({item.kind}{note})"

    def get_output(self, operator: int) -> Instruction:
        """The instruction whose output is the operator's output."""
        return self.microcode[operator][-1]

    @cached_property
    def instruction_trees(self) -> tuple[Tree, ...]:
        """Per operator, the vector tree over its instruction descriptors' hashes."""
        return tuple(
            compute_vector_tree([sha256(encode_instruction(i)).digest() for i in instructions])
            for instructions in self.microcode
        )

    @cached_property
    def operator_tree(self) -> Tree:
        """Vector tree over the hashes of the operator descriptors."""
        return compute_vector_tree(
            [sha256(self.encode_operator(j)).digest() for j in range(len(self.operators))]
        )

    @cached_property
    def slot_tree(self) -> Tree:
        """Vector tree over the hashes of the slot descriptors."""
        return compute_vector_tree([sha256(encode_slot(s)).digest() for s in self.slots])

    @cached_property
    def field_tree(self) -> Tree:
        """Vector tree over the hashes of the field descriptors."""
        return compute_vector_tree([sha256(encode_field(f)).digest() for f in self.fields])

    def encode_operator(self, operator: int) -> bytes:
        """Descriptor of operator j, 11 words.

        ABI type: (bytes32 instructions_root, uint32 instructions, uint8 inputs,
        uint32[8] producers). Unused places are zero.
        """
        producers = [item.producer for item in self.operators[operator].inputs]
        words = [
            len(self.microcode[operator]),
            len(producers),
            *producers,
            *[0] * (INPUTS_MAX - len(producers)),
        ]
        return self.instruction_trees[operator].root + encode_words(words)

    @cached_property
    def header(self) -> bytes:
        """What the root hashes, 8 words.

        ABI type: (uint32 version, uint32 rows, bytes32 operators_root, uint32 operators,
        bytes32 slots_root, uint32 slots, bytes32 fields_root, uint32 fields).
        """
        return (
            encode_words([FORMAT_VERSION, self.rows])
            + self.operator_tree.root
            + encode_words([len(self.operators)])
            + self.slot_tree.root
            + encode_words([len(self.slots)])
            + self.field_tree.root
            + encode_words([len(self.fields)])
        )

    @cached_property
    def root(self) -> Root:
        """The program root: SHA-256 of the header."""
        return Root(sha256(self.header).digest())


def encode_slot(slot: Slot) -> bytes:
    """Slot descriptor. ABI type: (uint8 dtype, uint64 size, uint32 producer)."""
    return encode_words([slot.dtype, slot.size, slot.producer])


def encode_field(item: Field) -> bytes:
    """Field descriptor. ABI type: (uint8 dtype, uint64 record size, uint64 stride)."""
    return encode_words([item.dtype, item.size, item.stride])
