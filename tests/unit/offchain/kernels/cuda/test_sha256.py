"""Roots by the device's kernels are those of the specification."""

import numpy as np
import pytest
import torch

from offchain.kernels.cuda import sha256
from offchain.runner.commitments import compute_tensor_root
from protocol.merkle import compute_tensor_root as compute_specified_root


@pytest.mark.parametrize("elements", [0, 256, 700, 256 * 5 + 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int32])
def test_compute_roots__any_size__is_the_specification(
    elements: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sha256, "ON_HOST", 1)  # every level on the device
    generator = torch.Generator().manual_seed(elements)
    words = torch.randint(-(2**31), 2**31 - 1, (elements,), dtype=torch.int32, generator=generator)
    tensor = words.view(dtype)
    (root,) = sha256.compute_roots([tensor])
    assert root == compute_tensor_root(tensor)
    if dtype is torch.int32:
        assert root == compute_specified_root(tensor.numpy())


def test_compute_roots__nans__are_canonical() -> None:
    words = np.array([0x7F800001, 0xFFC00000, 0x7F800000, 0xFF800000, 0x80000000], dtype=np.uint32)
    x = torch.from_numpy(words.view(np.float32).copy())
    canonical = torch.where(x.isnan(), torch.nan, x)
    assert sha256.compute_roots([x]) == [compute_specified_root(canonical.numpy())]
    bits = x.view(torch.int32)
    assert sha256.compute_roots([bits]) == [compute_specified_root(bits.numpy())]


def test_compute_roots__many_tensors__come_in_order() -> None:
    tensors = [torch.arange(n, dtype=torch.int32).reshape(-1, 1) for n in (3, 0, 256 * 5, 1)]
    assert sha256.compute_roots(tensors) == [compute_tensor_root(t) for t in tensors]
    assert sha256.compute_roots([]) == []


def test_compute_roots__transposed__hashes_rows() -> None:
    x = torch.randn(20, 30).T
    assert sha256.compute_roots([x]) == [compute_tensor_root(x)]
