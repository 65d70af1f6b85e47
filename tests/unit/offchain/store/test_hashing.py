"""Roots computed block by block are those of the specification."""

import numpy as np
import pytest

from offchain.store.hashing import BLOCK_BYTES, compute_root
from protocol.merkle import compute_tensor_root


@pytest.mark.parametrize(
    "size", [0, 1, 1024, 1025, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 5 * BLOCK_BYTES + 7]
)
def test_compute_root__any_size__is_the_specification_s(size):
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    done: list[int] = []
    assert compute_root(data.data, done.append) == compute_tensor_root(data)
    assert sum(done) == size
