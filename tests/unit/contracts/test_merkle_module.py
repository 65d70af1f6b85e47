"""The merkle module against `protocol.merkle`."""

from hashlib import sha256
from typing import Any

import boa
import pytest

from protocol.merkle import compute_leaf, compute_node, compute_vector_tree
from protocol.types import compute_ceil_log2


@pytest.fixture(scope="module")
def module() -> Any:
    return boa.load("contracts/mocks/MerkleMock.vy")


def make_values(count: int) -> list[bytes]:
    return [sha256(bytes([i])).digest() for i in range(count)]


def test_compute_node__two_values__equals_protocol(module):
    left, right = make_values(2)
    assert module.compute_node(left, right) == compute_node(left, right)
    assert module.compute_node(right, left) != compute_node(left, right)


def test_compute_leaf__kilobyte__equals_protocol(module):
    data = bytes(range(256)) * 4
    assert module.compute_leaf(data) == compute_leaf(data)


@pytest.mark.parametrize("length", [0, 1, 1023])
def test_compute_leaf__other_length__reverts(module, length):
    with boa.reverts("merkle: leaf is not 1024 bytes"):
        module.compute_leaf(bytes(length))


def test_compute_height__counts__equals_protocol(module):
    assert module.compute_height(0) == 0
    for height in range(64):
        for count in {max(1, 2**height - 1), 2**height, 2**height + 1}:
            assert module.compute_height(count) == compute_ceil_log2(count)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 33])
def test_compute_root_from_path__every_leaf__is_the_root(module, count):
    tree = compute_vector_tree(make_values(count))
    for index in range(count):
        path = tree.get_path(index)
        assert module.compute_root_from_path(tree.get_node(0, index), index, path) == tree.root


@pytest.mark.parametrize("depth", range(6))
def test_compute_root_from_descendants__power_of_two__is_the_root(module, depth):
    values = make_values(2**depth)
    assert module.compute_root_from_descendants(values) == compute_vector_tree(values).root


@pytest.mark.parametrize("count", [0, 3, 31])
def test_compute_root_from_descendants__other_count__reverts(module, count):
    with boa.reverts("merkle: not a power of two"):
        module.compute_root_from_descendants(make_values(count))
