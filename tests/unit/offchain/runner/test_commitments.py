"""Roots of torch tensors equal protocol.merkle."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.kernels import sha256
from offchain.kernels.settings import numeric_settings
from offchain.runner import commitments
from protocol import merkle


@pytest.mark.parametrize("elements", [1, 255, 256, 257, 1024, 3 * 256 + 1, 5000])
def test_compute_tensor_tree__any_size__equals_the_specification(elements: int) -> None:
    values = np.random.default_rng(elements).standard_normal(elements).astype(np.float32)
    expected = merkle.compute_tensor_tree(values)
    tree = commitments.compute_tensor_tree(torch.from_numpy(values))
    assert tree.root == expected.root == commitments.compute_tensor_root(torch.from_numpy(values))
    assert (tree.height, tree.count) == (expected.height, expected.count)
    for height in range(tree.height + 1):
        for index in range(2 ** (tree.height - height)):
            assert tree.get_node(height, index) == expected.get_node(height, index)
    assert tree.get_path(tree.count - 1) == expected.get_path(tree.count - 1)


@pytest.mark.parametrize("size", [0, 1, 63, 64, 1023, 1024, 1025, 3 * 1024, 37 * 1024 + 7])
@pytest.mark.parametrize("compiled", [True, False])
def test_compute_tensor_root__any_bytes__equals_the_specification(
    size: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(sha256, "get_hash_many", lambda: None)
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    root = commitments.compute_tensor_root(torch.from_numpy(data))
    assert root == merkle.compute_tensor_root(data)


@pytest.mark.parametrize("threads", [1, 2])
def test_compute_tensor_root__drawn_sizes_and_threads__equals_the_specification(
    threads: int,
) -> None:
    sizes: set[int] = set()

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**16), st.integers(-3, 3))
    def check(leaves_of_16: int, beside: int) -> None:
        size = max(0, leaves_of_16 * 16 + beside)
        data = np.random.default_rng(size).integers(-(2**31), 2**31, size // 4, dtype=np.int32)
        with numeric_settings(threads=threads):
            root = commitments.compute_tensor_root(torch.from_numpy(data))
        assert root == merkle.compute_tensor_root(data)
        sizes.add(size)

    check()
    assert sum(size > 2 * sha256.SLICE_BYTES for size in sizes) >= 3


@pytest.mark.parametrize("step", [2, 3])
def test_compute_tensor_root__every_other_element__hashes_what_is_shown(step: int) -> None:
    values = torch.arange(5000, dtype=torch.float32)[::step]
    assert commitments.compute_tensor_root(values) == merkle.compute_tensor_root(values.numpy())


def test_compute_tensor_root__nan_of_a_device__is_made_canonical() -> None:
    bits = torch.tensor([0x3F800000, -0x400000, 0x7FC00001], dtype=torch.int32)
    canonical = torch.tensor([0x3F800000, 0x7FC00000, 0x7FC00000], dtype=torch.int32)
    root = commitments.compute_tensor_root(bits.view(torch.float32))
    assert root == merkle.compute_tensor_root(canonical.numpy())


def test_compute_tensor_root__permuted_tensor__hashes_row_major() -> None:
    values = torch.arange(12, dtype=torch.int32).reshape(3, 4).T
    assert commitments.compute_tensor_root(values) == merkle.compute_tensor_root(values.numpy())


def test_compute_state_root__equals_the_specification() -> None:
    state = (np.zeros(3, dtype=np.int32), np.ones((700, 2), dtype=np.float32))
    expected = merkle.compute_vector_root([merkle.compute_tensor_root(t) for t in state])
    assert commitments.compute_state_root([torch.from_numpy(t) for t in state]) == expected
