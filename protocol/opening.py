"""Openings: elements of a committed tensor, proved against the vector that its root belongs to.

Mirrored by `contracts/modules/opening.vy`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from protocol.descriptor import (
    check_member,
    compute_element_bytes,
    compute_tensor_height,
    require,
)
from protocol.instructions import Operand
from protocol.map_unit import to_word
from protocol.merkle import Tree, compute_leaf, compute_root_from_path
from protocol.types import ELEMENTS_MAX, LEAF_BYTES, RANK_MAX, Array, Dtype, Root, Shape


@dataclass(frozen=True)
class TensorOpening:
    """A tensor's root, its path in its vector, and the leaves that hold the elements asked for.

    There is one leaf, or two where a fold's chunk crosses from one to the next.
    """

    root: Root
    root_path: tuple[Root, ...]
    leaves: tuple[bytes, ...]
    leaf_paths: tuple[tuple[Root, ...], ...]


# For an operand whose value the element does not depend on.
EMPTY_OPENING = TensorOpening(Root(bytes(32)), (), (), ())


class Vector(Enum):
    """The vectors of roots that the game has settled."""

    OPERATORS = "operators"  # outputs of the step's operators
    INSTRUCTIONS = "instructions"  # outputs of the operator's instructions
    STATE = "state"  # the slots before the step
    DATASET = "dataset"  # the fields


@dataclass(frozen=True)
class Commitment:
    """Where a tensor is committed: leaf `index` of a vector of `count` roots; and what it holds."""

    vector: Vector
    vector_root: Root
    count: int
    index: int
    size: int  # elements
    dtype: int


def compute_size_checked(shape: Shape) -> int:
    """Elements of a tensor; raises above ELEMENTS_MAX, so that no product overflows on chain."""
    size = 1
    for length in shape:
        size *= length
        require(size <= ELEMENTS_MAX, "tensor too large")
    return size


def compute_coordinates(shape: Shape, element: int) -> list[int]:
    """The element's coordinates, row-major; raises for a rank or an element out of bounds."""
    require(len(shape) <= RANK_MAX, "rank out of range")
    coordinates, rest = [0] * len(shape), element
    for axis in reversed(range(len(shape))):
        require(shape[axis] != 0, "element out of bounds")
        rest, coordinates[axis] = divmod(rest, shape[axis])
    require(rest == 0, "element out of bounds")
    return coordinates


def compute_position(operand: Operand, coordinates: Sequence[int]) -> int:
    """The index map at these coordinates; may lie outside the tensor."""
    strides = operand.view.strides
    return operand.view.offset + sum(c * stride for c, stride in zip(coordinates, strides))


def check_bounds(commitment: Commitment, position: int, length: int) -> None:
    """Raise unless all of position .. position + length - 1 are elements of the tensor."""
    inside = position >= 0 and position + length <= commitment.size
    require(inside, "position out of bounds")


def open_elements(
    commitment: Commitment, opening: TensorOpening, position: int, length: int
) -> bytes:
    """The bytes of 1 to 256 neighbouring elements. Raises `VerifierError`."""
    element_bytes = compute_element_bytes(commitment.dtype)
    height = compute_tensor_height(commitment.size, commitment.dtype)
    check_bounds(commitment, position, length)
    check_member(
        commitment.vector_root,
        commitment.count,
        commitment.index,
        opening.root,
        opening.root_path,
        "wrong tensor",
    )
    start = position * element_bytes
    first = start // LEAF_BYTES
    count = (start + length * element_bytes - 1) // LEAF_BYTES - first + 1
    counts = (len(opening.leaves), len(opening.leaf_paths))
    require(counts == (count, count), "wrong number of leaves")
    for number, (leaf, path) in enumerate(zip(opening.leaves, opening.leaf_paths)):
        require(len(leaf) == LEAF_BYTES, "wrong leaf length")
        require(len(path) == height, "wrong path length")
        root = compute_root_from_path(compute_leaf(leaf), first + number, path)
        require(root == opening.root, "wrong leaf")
    within = start % LEAF_BYTES
    return b"".join(opening.leaves)[within : within + length * element_bytes]


def decode_word(data: bytes, dtype: int) -> int:
    """Word of one element's bytes: f32 bits zero-extended, integers sign-extended."""
    return to_word(int.from_bytes(data, "little", signed=dtype != Dtype.F32))


def build_opening(
    vector_tree: Tree, index: int, array: Array, tree: Tree, position: int, length: int
) -> TensorOpening:
    """The opening of elements that lie inside a flat tensor, by whoever holds it."""
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    start = position * array.dtype.itemsize
    end = start + length * array.dtype.itemsize
    numbers = range(start // LEAF_BYTES, (end - 1) // LEAF_BYTES + 1)
    return TensorOpening(
        vector_tree.get_node(0, index),
        tuple(vector_tree.get_path(index)),
        tuple(
            data[number * LEAF_BYTES : (number + 1) * LEAF_BYTES].tobytes().ljust(LEAF_BYTES, b"\0")
            for number in numbers
        ),
        tuple(tuple(tree.get_path(number)) for number in numbers),
    )
