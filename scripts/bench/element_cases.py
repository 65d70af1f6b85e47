"""Last steps of disputes by construction: one instruction, its tensors, everything around made up.

A tensor is given by its leaves alone and a vector by the roots that matter; every other leaf of a
tree is one arbitrary digest. So a proof under a tensor of 2**28 elements costs no more to build
than one of its leaves.
"""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from protocol.descriptor import (
    FieldDescriptor,
    Header,
    Location,
    OperatorDescriptor,
    VerifierError,
    compute_tensor_height,
    hash_field,
    hash_header,
    hash_instruction,
    hash_operator,
)
from protocol.evaluation import Context, Evaluation
from protocol.instructions import Instruction, Opcode, Operand
from protocol.merkle import compute_leaf, compute_node
from protocol.opening import EMPTY_OPENING, Commitment, TensorOpening, Vector
from protocol.types import (
    ATTRIBUTES_MAX,
    INPUTS_MAX,
    LEAF_BYTES,
    OPERANDS_MAX,
    RANK_MAX,
    Array,
    Root,
    Seed,
    StepIndex,
    compute_ceil_log2,
)

Leaves = Callable[[int], bytes]  # leaf number -> its 1 KiB


class SparseTree:
    """A tree whose known leaves are few; all others are one digest that follows from `salt`."""

    def __init__(self, known: Mapping[int, bytes], height: int, salt: bytes = b""):
        self.height = height
        self._others = [sha256(salt).digest()]
        self._levels: list[dict[int, bytes]] = [dict(known)]
        for level in range(height):
            parents = {index >> 1 for index in self._levels[level]}
            self._levels.append(
                {
                    index: compute_node(
                        self.get_node(level, 2 * index), self.get_node(level, 2 * index + 1)
                    )
                    for index in parents
                }
            )
            self._others.append(compute_node(self._others[level], self._others[level]))
        self.root = Root(self.get_node(height, 0))

    def get_node(self, height: int, index: int) -> Root:
        """The node `index` (from the left) at `height` above the leaves."""
        return Root(self._levels[height].get(index) or self._others[height])

    def get_path(self, index: int, height: int = 0, top: int | None = None) -> tuple[Root, ...]:
        """Siblings from node (height, index) up to, not including, its ancestor at `top`."""
        top = self.height if top is None else top
        return tuple(self.get_node(h, (index >> (h - height)) ^ 1) for h in range(height, top))

    def get_descendants(self, height: int, index: int, depth: int) -> list[Root]:
        """The 2**depth descendants of node (height, index), left to right."""
        return [self.get_node(height - depth, (index << depth) + i) for i in range(2**depth)]


@dataclass(frozen=True)
class Surroundings:
    """Where the instruction stands, and what lies around it."""

    operators: int = 2**12
    operator: int = 2**12 - 1
    instructions: int = 16
    instruction: int = 15
    producers: tuple[int, ...] = (5, 2**11, 7)  # of the operator's inputs
    slots: int = 100
    slots_root: bytes = bytes(32)
    rows: int = 8
    field: FieldDescriptor = FieldDescriptor(0, 0, 0)
    fields: int = 3
    records: int = 1
    step: int = 57
    seed: bytes = bytes(range(32))


@dataclass(frozen=True)
class Case:
    """The arguments of `compute_element`."""

    context: Context
    location: Location
    openings: tuple[TensorOpening, ...]

    def encode(self) -> tuple[Any, ...]:
        """The contract's arguments."""
        return (
            encode_context(self.context),
            encode_location(self.location),
            [astuple(opening) for opening in self.openings],
        )


def encode_context(context: Context) -> tuple[Any, ...]:
    """The contract's struct."""
    return astuple(context)


def encode_operand(operand: Operand | None) -> tuple[Any, ...]:
    """The contract's struct; all zero where there is no operand."""
    if operand is None:
        return (0, 0, 0, 0, 0, [0] * RANK_MAX)
    strides = [*operand.view.strides, *[0] * (RANK_MAX - len(operand.view.strides))]
    return (
        int(operand.source),
        operand.index,
        int(operand.dtype),
        operand.size,
        operand.view.offset,
        strides,
    )


def encode_instruction(instruction: Instruction) -> tuple[Any, ...]:
    """The contract's struct."""
    absent = OPERANDS_MAX - len(instruction.operands)
    operands: list[Operand | None] = [*instruction.operands, *[None] * absent]
    attributes = instruction.attributes
    return (
        int(instruction.opcode),
        int(instruction.dtype),
        len(instruction.shape),
        [*instruction.shape, *[0] * (RANK_MAX - len(instruction.shape))],
        instruction.fold,
        [*attributes, *[0] * (ATTRIBUTES_MAX - len(attributes))],
        [encode_operand(operand) for operand in operands],
    )


def encode_location(location: Location) -> tuple[Any, ...]:
    """The contract's struct."""
    return (
        astuple(location.header),
        astuple(location.operator),
        location.operator_path,
        encode_instruction(location.instruction),
        location.instruction_path,
        astuple(location.field),
        location.field_path,
    )


def build_leaves(array: Array) -> Leaves:
    """The leaves of a tensor that is held as a whole."""
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)

    def get_leaf(number: int) -> bytes:
        leaf = data[number * LEAF_BYTES : (number + 1) * LEAF_BYTES].tobytes()
        return leaf.ljust(LEAF_BYTES, b"\0")

    return get_leaf


def build_case(
    instruction: Instruction,
    tensors: tuple[Leaves, ...],
    element: int,
    chunk: int = 0,
    accumulator: int = 0,
    around: Surroundings | None = None,
    known: Mapping[Vector, Mapping[int, bytes]] | None = None,
) -> Case:
    """The case of one element; `tensors` holds one tensor per opening. Raises `VerifierError`.

    `known` are further leaves of the vectors that the operands are proved under.
    """
    around = around or Surroundings()
    location = build_location(instruction, around)
    context = Context(
        program_root=Root(hash_header(location.header)),
        dataset_root=Root(bytes(32)),
        seed=Seed(around.seed),
        records=around.records,
        step=StepIndex(around.step),
        state_root=Root(bytes(32)),
        operator_trace_root=Root(bytes(32)),
        instruction_trace_root=Root(bytes(32)),
        operator=around.operator,
        instruction=around.instruction,
        element=element,
        chunk=chunk,
        accumulator=accumulator.to_bytes(32, "big"),
    )
    trees: dict[int, tuple[Commitment, SparseTree, list[int]]] = {}

    def read(number: int, place: Commitment, position: int, length: int) -> bytes:
        if position < 0 or position + length > place.size:
            raise VerifierError("verifier: position out of bounds")
        element_bytes = 8 if place.dtype == 3 else 4
        start, end = position * element_bytes, (position + length) * element_bytes
        opened = list(range(start // LEAF_BYTES, (end - 1) // LEAF_BYTES + 1))
        leaves = {leaf: tensors[number](leaf) for leaf in opened}
        hashes = {leaf: compute_leaf(data) for leaf, data in leaves.items()}
        height = compute_tensor_height(place.size, place.dtype)
        trees[number] = (place, SparseTree(hashes, height, b"%d" % number), opened)
        within = start % LEAF_BYTES
        return b"".join(leaves.values())[within : within + end - start]

    evaluation = Evaluation(context, location, read)
    evaluation.compute()

    counts = {Vector.OPERATORS: around.operators, Vector.INSTRUCTIONS: around.instructions}
    vectors: dict[Vector, SparseTree] = {}
    for vector in Vector:
        places = [(place, tree) for place, tree, _ in trees.values() if place.vector is vector]
        leaves: dict[int, bytes] = {place.index: tree.root for place, tree in places}
        leaves |= (known or {}).get(vector, {})
        count = places[0][0].count if places else counts.get(vector, 1)
        vectors[vector] = SparseTree(leaves, compute_ceil_log2(count), vector.value.encode())
    context = replace(
        context,
        dataset_root=vectors[Vector.DATASET].root,
        state_root=vectors[Vector.STATE].root,
        operator_trace_root=vectors[Vector.OPERATORS].root,
        instruction_trace_root=vectors[Vector.INSTRUCTIONS].root,
    )
    openings = [EMPTY_OPENING] * evaluation.count_openings()
    for number, (place, tree, opened) in trees.items():
        openings[number] = TensorOpening(
            tree.root,
            vectors[place.vector].get_path(place.index),
            tuple(tensors[number](leaf) for leaf in opened),
            tuple(tree.get_path(leaf) for leaf in opened),
        )
    return Case(context, location, tuple(openings))


def build_location(instruction: Instruction, around: Surroundings) -> Location:
    """Descriptors of a program that has this instruction at that place."""
    height = compute_ceil_log2(around.instructions)
    known = {around.instruction: hash_instruction(instruction)}
    instruction_tree = SparseTree(known, height, b"instructions")
    absent = INPUTS_MAX - len(around.producers)
    operator = OperatorDescriptor(
        instruction_tree.root,
        around.instructions,
        len(around.producers),
        (*around.producers, *[0] * absent),
    )
    known = {around.operator: hash_operator(operator)}
    operator_tree = SparseTree(known, compute_ceil_log2(around.operators), b"operators")
    # An attribute that is absent counts as 0.
    number = (*instruction.attributes, 0)[0] if instruction.opcode == Opcode.LOAD_BATCH else 0
    field_tree = SparseTree(
        {number: hash_field(around.field)}, compute_ceil_log2(around.fields), b"fields"
    )
    header = Header(
        1,
        around.rows,
        operator_tree.root,
        around.operators,
        Root(around.slots_root),
        around.slots,
        field_tree.root,
        around.fields,
    )
    loads = instruction.opcode == Opcode.LOAD_BATCH
    return Location(
        header,
        operator,
        operator_tree.get_path(around.operator),
        instruction,
        instruction_tree.get_path(around.instruction),
        around.field,
        field_tree.get_path(number) if loads else (),
    )
