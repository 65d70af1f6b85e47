"""Descriptors, opened one by one against a program root.

A program root hashes a header, the header names three vectors of descriptor hashes, and each
operator's descriptor names the vector of its instructions'. Mirrored by
`contracts/modules/descriptor.vy`; the encodings are those of `protocol.program`.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from hashlib import sha256

from protocol.instructions import Instruction, encode_instruction, encode_words
from protocol.merkle import compute_root_from_path
from protocol.types import LEAF_BYTES, Dtype, Root, compute_ceil_log2


class VerifierError(ValueError):
    """Something opened is malformed or not what was committed; the message is the contract's."""


def require(condition: bool, reason: str) -> None:
    """Raise `VerifierError("verifier: <reason>")` unless the condition holds."""
    if not condition:
        raise VerifierError(f"verifier: {reason}")


@dataclass(frozen=True)
class Header:
    """What a program root is the SHA-256 of."""

    version: int
    rows: int  # records per step
    operators_root: Root
    operators: int
    slots_root: Root
    slots: int
    fields_root: Root
    fields: int


@dataclass(frozen=True)
class SlotDescriptor:
    """A state slot."""

    dtype: int
    size: int  # elements
    producer: int  # the operator whose output is the slot's value after a step


@dataclass(frozen=True)
class FieldDescriptor:
    """A dataset field."""

    dtype: int
    size: int  # elements of one record
    stride: int  # elements between the starts of neighbouring records


@dataclass(frozen=True)
class OperatorDescriptor:
    """An operator."""

    instructions_root: Root
    instructions: int
    inputs: int
    producers: tuple[int, ...]  # 8 of them; unused places are zero


@dataclass(frozen=True)
class Location:
    """The descriptors of one instruction, with their paths under the program root."""

    header: Header
    operator: OperatorDescriptor
    operator_path: tuple[Root, ...]
    instruction: Instruction
    instruction_path: tuple[Root, ...]
    field: FieldDescriptor = FieldDescriptor(0, 0, 0)  # only read by LOAD_BATCH
    field_path: tuple[Root, ...] = ()


def _hash(words: Sequence[int | bytes]) -> bytes:
    encoded = (w if isinstance(w, bytes) else encode_words([w]) for w in words)
    return sha256(b"".join(encoded)).digest()


def hash_header(header: Header) -> bytes:
    """The program root."""
    return _hash(astuple(header))


def hash_slot(descriptor: SlotDescriptor) -> bytes:
    """Leaf of the slots' vector."""
    return _hash(astuple(descriptor))


def hash_field(descriptor: FieldDescriptor) -> bytes:
    """Leaf of the fields' vector."""
    return _hash(astuple(descriptor))


def hash_operator(descriptor: OperatorDescriptor) -> bytes:
    """Leaf of the operators' vector."""
    return _hash(
        (
            descriptor.instructions_root,
            descriptor.instructions,
            descriptor.inputs,
            *descriptor.producers,
        )
    )


def hash_instruction(instruction: Instruction) -> bytes:
    """Leaf of an operator's instructions' vector."""
    return sha256(encode_instruction(instruction)).digest()


def check_header(program_root: bytes, header: Header) -> None:
    """Raise unless the header is the program's."""
    require(hash_header(header) == program_root, "wrong header")


def check_member(
    root: bytes, count: int, index: int, value: bytes, path: Sequence[bytes], reason: str
) -> None:
    """Raise unless `value` is leaf `index` of the vector of `count` values with that root.

    The reason is given for a wrong value. An index at `count` or above and a path that is not as
    long as the tree is high have reasons of their own: they could pass padding or a node off as
    a leaf.
    """
    require(index < count, "index out of range")
    require(len(path) == compute_ceil_log2(count), "wrong path length")
    require(compute_root_from_path(value, index, path) == root, reason)


def check_slot(
    header: Header, slot: int, descriptor: SlotDescriptor, path: Sequence[bytes]
) -> None:
    """Raise unless the descriptor is that of the slot."""
    value = hash_slot(descriptor)
    check_member(header.slots_root, header.slots, slot, value, path, "wrong slot")


def check_field(
    header: Header, field: int, descriptor: FieldDescriptor, path: Sequence[bytes]
) -> None:
    """Raise unless the descriptor is that of the dataset field."""
    value = hash_field(descriptor)
    check_member(header.fields_root, header.fields, field, value, path, "wrong field")


def check_operator(
    header: Header, operator: int, descriptor: OperatorDescriptor, path: Sequence[bytes]
) -> None:
    """Raise unless the descriptor is that of the operator."""
    value = hash_operator(descriptor)
    check_member(header.operators_root, header.operators, operator, value, path, "wrong operator")


def check_instruction(
    descriptor: OperatorDescriptor,
    instruction: int,
    opened: Instruction,
    path: Sequence[bytes],
) -> None:
    """Raise unless the opened instruction is that of the operator."""
    root, count = descriptor.instructions_root, descriptor.instructions
    check_member(root, count, instruction, hash_instruction(opened), path, "wrong instruction")


def check_location(
    program_root: bytes, operator: int, instruction: int, location: Location
) -> None:
    """Raise unless the descriptors are those of the instruction under the program root."""
    header = location.header
    check_header(program_root, header)
    check_operator(header, operator, location.operator, location.operator_path)
    check_instruction(
        location.operator, instruction, location.instruction, location.instruction_path
    )


def compute_element_bytes(dtype: int) -> int:
    """Bytes of one element: 4 or 8."""
    require(dtype in (Dtype.F32, Dtype.I32, Dtype.I64), "unknown dtype")
    return Dtype(dtype).size_bytes


def compute_tensor_height(size: int, dtype: int) -> int:
    """Height of the tree over a tensor of `size` elements."""
    per_leaf = LEAF_BYTES // compute_element_bytes(dtype)
    return compute_ceil_log2(-(-size // per_leaf))
