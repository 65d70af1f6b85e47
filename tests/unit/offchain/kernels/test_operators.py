"""Every operator: the compiled kernel equals its microcode, bit for bit."""

import zlib

import numpy as np
import pytest
import torch

from offchain.kernels import fused, operators
from offchain.kernels.instructions import execute_microcode
from offchain.kernels.maps import canonicalize
from offchain.kernels.memory import Outside
from offchain.kernels.settings import numeric_settings
from protocol.instructions import Opcode
from protocol.operators import REGISTRY
from tests.unit.offchain.kernels.samples import count_elements, is_same, make_sample

CPU = torch.device("cpu")
STATE = (torch.arange(6, dtype=torch.float32),)
OUTSIDE = Outside(STATE, STATE)
FUSED = {
    "sum",
    "mean",
    "matmul",
    "softmax",
    "log_softmax",
    "index_add",
    "scatter_add",
    "layer_norm_backward",
}


@pytest.mark.parametrize("kind", sorted(REGISTRY))
def test_compile_operator__random_shapes_and_strides__equals_microcode(kind: str) -> None:
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    elements = 0
    with numeric_settings(threads=1):
        for values in ["plain", "awkward", "wild"] * 8:
            sample = make_sample(kind, rng, values)
            kernel = operators.compile_operator(sample.instructions, CPU)
            result = kernel(sample.inputs, OUTSIDE)
            expected = execute_microcode(sample.instructions, sample.inputs, OUTSIDE, CPU)[-1]
            if result.dtype is torch.float32:
                result = canonicalize(result)
            assert result.is_contiguous()
            assert is_same(result, expected), (values, sample.instructions)
            elements += count_elements(sample)
    assert elements >= 24


@pytest.mark.parametrize("kind", sorted(FUSED))
def test_compile_operator__folding_operator__leaves_no_quantised_fold(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed: list[Opcode] = []
    original = operators.execute_fold

    def record(instruction, sources):  # type: ignore[no-untyped-def]
        executed.append(instruction.opcode)
        return original(instruction, sources)

    monkeypatch.setattr(operators, "execute_fold", record)
    rng = np.random.default_rng(1)
    for _ in range(10):
        sample = make_sample(kind, rng, "plain")
        operators.compile_operator(sample.instructions, CPU)(sample.inputs, OUTSIDE)
    assert set(executed) <= {Opcode.MAXIMUM}


def test_is_exact__accumulator_beyond_53_bits__is_refused() -> None:
    assert fused.is_exact(22 + 15 - 2, 2**17)
    assert not fused.is_exact(23 + 23, 2**8)


@pytest.mark.parametrize("fault", ["none", "last bit", "raises"])
def test_whole_operator__kernel_that_is_wrong__is_left_for_stages(fault: str) -> None:
    sample = make_sample("softmax", np.random.default_rng(0))
    expected = execute_microcode(sample.instructions, sample.inputs, OUTSIDE, CPU)[-1]
    calls = 0

    def kernel(inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if fault == "raises":
            raise RuntimeError("no such target")
        result = expected.clone()
        if fault == "last bit":
            result.view(torch.int32).view(-1)[0] ^= 1
        return result

    operator = operators.WholeOperator(kernel, sample.instructions, CPU)
    for _ in range(2):
        assert is_same(canonicalize(operator(sample.inputs, OUTSIDE)), expected)
    assert calls == (3 if fault == "none" else 1)
