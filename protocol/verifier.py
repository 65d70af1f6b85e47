"""The last step of a dispute: one element of one instruction, recomputed from openings.

Whatever the game has settled is in `Context`; the worker opens the rest, and everything opened is
checked against a root of the context. Mirrored by `contracts/StepVerifier.vy`, reason by reason;
names and words are those of `contracts/interfaces/IStepVerifier.vyi`.
"""

from collections.abc import Sequence
from typing import Protocol

from protocol.descriptor import (
    FieldDescriptor,
    Header,
    Location,
    OperatorDescriptor,
    SlotDescriptor,
    VerifierError,
    check_location,
    require,
)
from protocol.evaluation import Context, Evaluation
from protocol.instructions import Instruction, Opcode
from protocol.merkle import Tree
from protocol.opening import (
    EMPTY_OPENING,
    Commitment,
    TensorOpening,
    Vector,
    build_opening,
    open_elements,
)
from protocol.program import FORMAT_VERSION, Program
from protocol.types import INPUTS_MAX, Array, Root, Seed, StepIndex

__all__ = [
    "EMPTY_OPENING",
    "Context",
    "Evidence",
    "FieldDescriptor",
    "Header",
    "Instruction",
    "Location",
    "OperatorDescriptor",
    "SlotDescriptor",
    "TensorOpening",
    "VerifierError",
    "build_location",
    "build_openings",
    "check_location",
    "compute_element",
]

ZERO = Root(bytes(32))


# --- The referee ----------------------------------------------------------------------------------


def compute_element(
    context: Context, location: Location, openings: Sequence[TensorOpening]
) -> bytes:
    """The element's word, or the accumulator's after the chunk, 32 bytes big-endian.

    One opening per operand; LOAD_STATE and LOAD_BATCH have one, of the slot's tensor or the
    field's. The opening of an operand that the element does not depend on is not looked at (the
    table of a GATHER beyond its limit, the other side of a CONCAT). Raises `VerifierError`.
    """

    def read(number: int, commitment: Commitment, position: int, length: int) -> bytes:
        return open_elements(commitment, openings[number], position, length)

    check_location(context.program_root, context.operator, context.instruction, location)
    evaluation = Evaluation(context, location, read)
    require(len(openings) == evaluation.count_openings(), "wrong number of openings")
    return evaluation.compute().to_bytes(32, "big")


# --- What an honest party opens -------------------------------------------------------------------


class Evidence(Protocol):
    """The true trace, as its holder gives access to it. Tensors are flat; steps count over the run.

    `state_*` is the state before the step. A tensor's tree is that of its bytes, every other tree
    is a vector of tensor roots.
    """

    @property
    def seed(self) -> Seed:
        """The task's sampler seed."""

    @property
    def records(self) -> int:
        """Records of the dataset."""

    def tensor(self, step: int, operator: int, instruction: int) -> Array:
        """An instruction's output; an operator's output is that of its last instruction."""

    def tensor_tree(self, step: int, operator: int, instruction: int) -> Tree: ...

    def operator_tree(self, step: int) -> Tree:
        """Vector over the operators' output roots."""

    def instruction_tree(self, step: int, operator: int) -> Tree:
        """Vector over the operator's instructions' output roots."""

    def state_tensor(self, step: int, slot: int) -> Array: ...

    def state_tensor_tree(self, step: int, slot: int) -> Tree: ...

    def state_tree(self, step: int) -> Tree: ...

    def field_tensor(self, field: int) -> Array:
        """A dataset field's whole tensor."""

    def field_tensor_tree(self, field: int) -> Tree: ...

    def dataset_tree(self) -> Tree: ...


def build_header(program: Program) -> Header:
    """The header that the program root hashes."""
    return Header(
        FORMAT_VERSION,
        program.rows,
        program.operator_tree.root,
        len(program.operators),
        program.slot_tree.root,
        len(program.slots),
        program.field_tree.root,
        len(program.fields),
    )


def build_operator_descriptor(program: Program, operator: int) -> OperatorDescriptor:
    """The operator's descriptor."""
    producers = [item.producer for item in program.operators[operator].inputs]
    return OperatorDescriptor(
        program.instruction_trees[operator].root,
        len(program.microcode[operator]),
        len(producers),
        (*producers, *[0] * (INPUTS_MAX - len(producers))),
    )


def build_slot_descriptor(program: Program, slot: int) -> SlotDescriptor:
    """The state slot's descriptor."""
    item = program.slots[slot]
    return SlotDescriptor(item.dtype, item.size, item.producer)


def build_location(program: Program, operator: int, instruction: int) -> Location:
    """The instruction's descriptors and their paths."""
    opened = program.microcode[operator][instruction]
    field, field_path = FieldDescriptor(0, 0, 0), list[Root]()
    if opened.opcode is Opcode.LOAD_BATCH:
        item = program.fields[opened.attributes[0]]
        field = FieldDescriptor(item.dtype, item.size, item.stride)
        field_path = program.field_tree.get_path(opened.attributes[0])
    return Location(
        build_header(program),
        build_operator_descriptor(program, operator),
        tuple(program.operator_tree.get_path(operator)),
        opened,
        tuple(program.instruction_trees[operator].get_path(instruction)),
        field,
        tuple(field_path),
    )


def build_openings(
    program: Program,
    step: int,
    operator: int,
    instruction: int,
    element: int,
    chunk: int,
    source: Evidence,
) -> list[TensorOpening]:
    """What `compute_element` needs for one element, or for one chunk of its fold."""
    found: dict[int, TensorOpening] = {}

    def read(number: int, place: Commitment, position: int, length: int) -> bytes:
        index = place.index
        match place.vector:
            case Vector.OPERATORS:
                last = len(program.microcode[index]) - 1
                vector_tree = source.operator_tree(step)
                tensor = source.tensor(step, index, last)
                tree = source.tensor_tree(step, index, last)
            case Vector.INSTRUCTIONS:
                vector_tree = source.instruction_tree(step, operator)
                tensor = source.tensor(step, operator, index)
                tree = source.tensor_tree(step, operator, index)
            case Vector.STATE:
                vector_tree = source.state_tree(step)
                tensor = source.state_tensor(step, index)
                tree = source.state_tensor_tree(step, index)
            case Vector.DATASET:
                vector_tree = source.dataset_tree()
                tensor = source.field_tensor(index)
                tree = source.field_tensor_tree(index)
        found[number] = build_opening(vector_tree, index, tensor, tree, position, length)
        # The evaluation goes on with what the source holds, be it right or wrong.
        return tensor.reshape(-1)[position : position + length].tobytes()

    # Only places are of interest: the roots and the accumulator are not read.
    context = Context(
        program_root=program.root,
        dataset_root=ZERO,
        seed=source.seed,
        records=source.records,
        step=StepIndex(step),
        state_root=ZERO,
        operator_trace_root=ZERO,
        instruction_trace_root=ZERO,
        operator=operator,
        instruction=instruction,
        element=element,
        chunk=chunk,
    )
    evaluation = Evaluation(context, build_location(program, operator, instruction), read)
    evaluation.compute()
    return [found.get(number, EMPTY_OPENING) for number in range(evaluation.count_openings())]
