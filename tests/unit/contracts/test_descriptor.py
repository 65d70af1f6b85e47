"""The descriptor module against the protocol."""

from dataclasses import astuple
from typing import Any

import boa
import pytest

from protocol.descriptor import (
    Header,
    SlotDescriptor,
    check_slot,
    compute_tensor_height,
    hash_header,
    hash_slot,
)
from protocol.merkle import compute_vector_tree
from protocol.types import Root

SLOTS = [SlotDescriptor(1, 10 + number, number) for number in range(5)]
TREE = compute_vector_tree([hash_slot(slot) for slot in SLOTS])
HEADER = Header(1, 8, Root(b"o" * 32), 3, TREE.root, len(SLOTS), Root(b"f" * 32), 2)


@pytest.fixture(scope="module")
def descriptor() -> Any:
    return boa.load("contracts/mocks/DescriptorMock.vy")


def test_hash_header__any__equals_protocol(descriptor: Any) -> None:
    assert descriptor.hash_header(astuple(HEADER)) == hash_header(HEADER)


@pytest.mark.parametrize("slot", range(5))
def test_check_slot__right__accepted(descriptor: Any, slot: int) -> None:
    path = TREE.get_path(slot)
    check_slot(HEADER, slot, SLOTS[slot], path)
    descriptor.check_slot(astuple(HEADER), slot, astuple(SLOTS[slot]), path)


@pytest.mark.parametrize(
    ("slot", "opened", "path", "reason"),
    [
        (3, 2, TREE.get_path(2), "wrong slot"),
        (2, 2, TREE.get_path(3), "wrong slot"),
        (5, 4, TREE.get_path(4), "index out of range"),
        (2, 2, TREE.get_path(2)[1:], "wrong path length"),
        (2, 2, [*TREE.get_path(2), Root(bytes(32))], "wrong path length"),
    ],
)
def test_check_slot__wrong__refused(
    descriptor: Any, slot: int, opened: int, path: list[Root], reason: str
) -> None:
    with pytest.raises(ValueError, match=f"^verifier: {reason}$"):
        check_slot(HEADER, slot, SLOTS[opened], path)
    with boa.reverts(f"verifier: {reason}"):
        descriptor.check_slot(astuple(HEADER), slot, astuple(SLOTS[opened]), path)


@pytest.mark.parametrize("dtype", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 128, 129, 256, 257, 512, 513, 2**28, 2**28 + 1, 2**32])
def test_compute_tensor_height__any__equals_protocol(
    descriptor: Any, size: int, dtype: int
) -> None:
    assert descriptor.compute_tensor_height(size, dtype) == compute_tensor_height(size, dtype)


@pytest.mark.parametrize("dtype", [0, 4, 2**255])
def test_compute_tensor_height__unknown_dtype__refused(descriptor: Any, dtype: int) -> None:
    with boa.reverts("verifier: unknown dtype"):
        descriptor.compute_tensor_height(1, dtype)
