"""Roots by the device's kernels are those of the specification.

The interpreter takes seconds for one level of any size, so tensors are few.
"""

import numpy as np
import pytest
import torch

from offchain.kernels.cuda import sha256
from offchain.runner.commitments import compute_tensor_root
from protocol.merkle import compute_tensor_root as compute_specified_root
from protocol.types import Root
from tests.unit.offchain.kernels.cuda.device import DEVICE


def compute_roots(*tensors: torch.Tensor) -> list[Root]:
    return sha256.compute_roots([tensor.to(DEVICE) for tensor in tensors])


def test_compute_roots__sizes_layouts_and_nans__are_the_specification(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sha256, "ON_HOST", 1)  # every level on the device
    generator = torch.Generator().manual_seed(0)
    # Five leaves, the last not full: levels of odd lengths, padded by the tree of zeros.
    whole = torch.randint(-(2**31), 2**31 - 1, (256 * 4 + 3,), generator=generator)
    whole = whole.to(torch.int32)
    words = np.array([0x7F800001, 0xFFC00000, 0x7F800000, 0xFF800000, 0x80000000], dtype=np.uint32)
    real = torch.from_numpy(np.resize(words, 60).view(np.float32)).reshape(20, 3).T
    roots = compute_roots(whole, real, torch.empty(0))
    canonical = torch.where(real.isnan(), torch.nan, real).contiguous()
    assert roots == [
        compute_specified_root(whole.numpy()),
        compute_specified_root(canonical.numpy()),
        compute_specified_root(np.empty(0, dtype=np.float32)),
    ]
    assert roots == [compute_tensor_root(tensor) for tensor in (whole, real, torch.empty(0))]


def test_compute_roots__last_levels_on_the_host__are_the_same() -> None:
    tensor = torch.arange(256 * 6 + 1, dtype=torch.int32)
    assert compute_roots(tensor) == [compute_tensor_root(tensor)]
    assert sha256.compute_roots([]) == []
