"""Trees against a recursive implementation of the two sentences that define them."""

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.merkle import (
    ZERO_LEAF,
    ZERO_VALUE,
    Tree,
    compute_leaf,
    compute_leaf_count,
    compute_node,
    compute_root_from_descendants,
    compute_root_from_path,
    compute_tensor_root,
    compute_tensor_tree,
    compute_vector_root,
    compute_vector_tree,
    get_leaf_data,
)
from protocol.types import LEAF_BYTES

VALUES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


def compute_root(leaves: list[bytes], padding: bytes) -> bytes:
    """Pad to a power of two, halve, hash."""
    while len(leaves) & (len(leaves) - 1):
        leaves = [*leaves, padding]
    if len(leaves) == 1:
        return leaves[0]
    half = len(leaves) // 2
    sides = compute_root(leaves[:half], padding), compute_root(leaves[half:], padding)
    return sha256(b"\x01" + sides[0] + sides[1]).digest()


@given(VALUES)
def test_compute_vector_root__any_values__is_the_defined_one(values: list[bytes]) -> None:
    assert compute_vector_root(values) == compute_root(values, bytes(32))


@given(st.integers(1, 700), st.sampled_from(["<f4", "<i4", "<i8"]), st.integers(0, 9))
def test_compute_tensor_root__any_tensor__is_the_defined_one(
    size: int, dtype: str, seed: int
) -> None:
    data = np.random.default_rng(seed).bytes(size * np.dtype(dtype).itemsize)
    array = np.frombuffer(data, dtype=dtype)
    blocks = [data[i : i + 1024].ljust(1024, b"\0") for i in range(0, len(data), 1024)]
    leaves = [sha256(b"\x00" + block).digest() for block in blocks]
    padding = sha256(b"\x00" + bytes(1024)).digest()
    assert compute_tensor_root(array) == compute_root(leaves, padding)
    assert len(leaves) == compute_leaf_count(len(data))


def test_compute_tensor_root__strided_array__hashes_the_row_major_bytes() -> None:
    array = np.arange(600, dtype=np.int32).reshape(20, 30)
    assert compute_tensor_root(array.T) == compute_tensor_root(np.ascontiguousarray(array.T))
    assert compute_tensor_root(array.T) != compute_tensor_root(array)


@given(VALUES, st.data())
def test_get_path__any_node__leads_to_the_root(values: list[bytes], data: st.DataObject) -> None:
    tree = compute_vector_tree(values)
    height = data.draw(st.integers(0, tree.height))
    index = data.draw(st.integers(0, 2 ** (tree.height - height) - 1))
    node, path = tree.get_node(height, index), tree.get_path(index, height)
    assert len(path) == tree.height - height
    assert compute_root_from_path(node, index, path) == tree.root
    if path:
        assert compute_root_from_path(node, index ^ 1, path) != tree.root or node == path[0]
        assert compute_root_from_path(node, index, path[:-1]) != tree.root


@given(VALUES, st.data())
def test_get_descendants__any_node__hash_to_it(values: list[bytes], data: st.DataObject) -> None:
    tree = compute_vector_tree(values)
    height = data.draw(st.integers(0, tree.height))
    index = data.draw(st.integers(0, 2 ** (tree.height - height) - 1))
    depth = data.draw(st.integers(0, height))
    below = tree.get_descendants(height, index, depth)
    assert len(below) == 2**depth
    assert compute_root_from_descendants(below) == tree.get_node(height, index)
    assert below == [tree.get_node(height - depth, index * 2**depth + i) for i in range(2**depth)]


def test_compute_vector_root__no_values__is_the_zero_value() -> None:
    assert compute_vector_root([]) == ZERO_VALUE
    assert compute_vector_root([b"\x07" * 32]) == b"\x07" * 32


def test_tree__more_leaves_than_its_height_holds__is_refused() -> None:
    assert Tree([bytes(32)] * 4, ZERO_VALUE, height=2).count == 4
    with pytest.raises(ValueError, match="5 leaves exceed height 2"):
        Tree([bytes(32)] * 5, ZERO_VALUE, height=2)


def test_tree__height_given__pads_with_whole_subtrees() -> None:
    node = compute_node(ZERO_VALUE, ZERO_VALUE)
    one = b"\x01" * 32
    expected = compute_node(compute_node(one, ZERO_VALUE), node)
    assert Tree([one], ZERO_VALUE, height=2).root == expected


def test_compute_leaf__other_length__is_refused() -> None:
    assert compute_leaf(bytes(LEAF_BYTES)) == ZERO_LEAF
    with pytest.raises(ValueError, match="1023 bytes, expected 1024"):
        compute_leaf(bytes(LEAF_BYTES - 1))


def test_compute_leaf__bytes_of_a_node__give_another_hash() -> None:
    """A leaf's data cannot be passed off as a node's children: the first byte differs."""
    left, right = b"\x02" * 32, b"\x03" * 32
    data = (left + right).ljust(LEAF_BYTES, b"\0")
    assert compute_leaf(data) != compute_node(left, right)
    assert compute_leaf(data) == sha256(b"\x00" + data).digest()


def test_get_leaf_data__beyond_the_data__is_zero() -> None:
    data = np.arange(300, dtype=np.int32).tobytes()
    assert get_leaf_data(data, 1) == data[1024:].ljust(1024, b"\0")
    assert get_leaf_data(data, 5) == bytes(1024)
    assert compute_tensor_tree(np.arange(300, dtype=np.int32)).get_node(0, 1) == compute_leaf(
        get_leaf_data(data, 1)
    )
