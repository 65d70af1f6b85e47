"""Numeric settings are set inside the block and restored after it, also when it fails."""

import pytest
import torch

from offchain.kernels.settings import numeric_settings


def test_numeric_settings__block_that_raises__restores_everything() -> None:
    before = (torch.get_float32_matmul_precision(), torch.get_num_threads())
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(RuntimeError, match="inside"), numeric_settings(threads=1):
            assert torch.get_float32_matmul_precision() == "highest"
            assert torch.get_num_threads() == 1
            assert not torch.is_grad_enabled()
            raise RuntimeError("inside")
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.get_num_threads() == before[1]
        assert torch.is_grad_enabled()
    finally:
        torch.set_float32_matmul_precision(before[0])
