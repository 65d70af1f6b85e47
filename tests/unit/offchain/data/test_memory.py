"""Data larger than memory: what is allocated does not grow with it."""

import tracemalloc

import numpy as np
import pytest

from offchain.data import read_data
from offchain.store.artifacts import Store

ELEMENTS = 2**23
ALLOWED_BYTES = 24 * 2**20  # a few blocks of 2**20 elements


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_put_dataset__large_file__takes_blocks_of_memory(tmp_path, dtype):
    path = tmp_path / "x.npy"
    # Sparse: a file of zeros takes no time to make.
    np.lib.format.open_memmap(path, "w+", dtype, (ELEMENTS,))[-1] = 7
    done: list[int] = []
    tracemalloc.start()
    try:
        data = read_data(path)
        Store(str(tmp_path / "store")).put_dataset(data.dataset, done.append)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < ALLOWED_BYTES < 4 * ELEMENTS
    assert sum(done) == 2 * 4 * ELEMENTS  # hashed, then written


def test_read_text__large_file__takes_pieces_of_memory(tmp_path):
    path = tmp_path / "x.bin"
    with open(path, "wb") as file:
        file.truncate(2**26)
    tracemalloc.start()
    try:
        data = read_data(path, tokenizer="bytes")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * ALLOWED_BYTES < 2**26 < len(data.dataset.fields[0]) * 4
