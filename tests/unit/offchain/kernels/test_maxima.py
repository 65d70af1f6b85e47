"""MAXIMUM and ABSMAX by the compiled loop are those of the specification, bit for bit."""

import numpy as np
import pytest
import torch

from offchain.kernels import folds, maxima
from offchain.kernels.maps import canonicalize
from offchain.kernels.settings import numeric_settings
from protocol.semantics import fold_maximum
from tests.unit.offchain.kernels.samples import is_same, make_floats

pytestmark = pytest.mark.skipif(not maxima.is_available(), reason="LLVM is not installed")


@pytest.mark.parametrize("is_absolute", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (3, 15), (2, 5, 16), (7, 33), (40, 257), (5,)])
def test_maximum__awkward_values__equals_the_specification(
    shape: tuple[int, ...], is_absolute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maxima, "SLICE_ELEMENTS", 16)
    rng = np.random.default_rng(len(shape))
    seen = set()
    for values in ("plain", "awkward", "wild") * 3:
        x = torch.from_numpy(make_floats(rng, int(np.prod(shape)), values)).reshape(shape)
        x = x.abs().neg() if values == "plain" else x
        lines = x.numpy().reshape(-1, shape[-1])
        lines = np.abs(lines) if is_absolute else lines
        expected = np.array([fold_maximum(line) for line in lines], dtype=np.float32)
        for threads in (1, 2):
            with numeric_settings(threads=threads):
                result = maxima.maximum(x, is_absolute)
            assert is_same(result, canonicalize(torch.from_numpy(expected)).reshape(shape[:-1]))
        seen |= {"nan" if np.isnan(v) else "zero" if v == 0 else "number" for v in expected}
    assert "number" in seen


def test_maximum__lines_across_memory__are_copied_first() -> None:
    x = torch.randn(37, 21, generator=torch.Generator().manual_seed(0))
    assert torch.equal(folds.maximum(x.T), x.amax(0))
