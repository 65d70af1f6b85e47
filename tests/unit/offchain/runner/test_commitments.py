"""Roots of torch tensors equal protocol.merkle."""

import numpy as np
import pytest
import torch

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
