"""Compiled quantising equals the torch path bit for bit, whatever the layout and the threads."""

import numpy as np
import pytest
import torch
from torch import Tensor

from offchain.kernels import fused, int8, llvm, quantising, rounding
from offchain.kernels.settings import numeric_settings
from tests.unit.offchain.kernels.operands import EDGES_F32
from tests.unit.offchain.kernels.samples import is_same, make_floats

pytestmark = pytest.mark.skipif(llvm.LLVM is None, reason="LLVM is not installed")
SHAPES = [(1,), (70,), (1, 1), (5, 1), (1, 9), (130, 67), (3, 5, 7), (2, 3, 65, 4), (40, 300)]
LAYOUTS = ["along", "across", "mixed", "repeated", "cut"]


def make_vectors(rng: np.random.Generator, shape: tuple[int, ...], layout: str) -> Tensor:
    size = int(np.prod(shape))
    if rng.random() < 0.3:
        edges = np.array(EDGES_F32, dtype=np.uint32).view(np.float32)
        values = rng.choice(edges, size)
    else:
        values = make_floats(rng, size, str(rng.choice(["plain", "awkward", "wild"])))
    x = torch.from_numpy(values.copy()).reshape(shape)
    if len(shape) < 2:
        return x
    match layout:
        case "across":
            return x.mT.contiguous().mT
        case "mixed":
            return x.movedim(0, -1).contiguous().movedim(-1, 0)
        case "repeated":
            return x[..., :1, :].expand(shape)
        case "cut":
            return torch.cat([x, x], dim=-1)[..., : shape[-1]]
    return x


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_round_to_grid_and_exact_sum__any_layout__equal_torch(
    shape: tuple[int, ...], layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rounding.is_compiled()
    rng = np.random.default_rng(len(layout) + sum(shape))
    finite = 0
    for number in range(12):
        x = make_vectors(rng, shape, layout)
        bits = int(rng.choice([8, 15, 22, 24]))
        with numeric_settings(threads=1 + number % 2):
            grid, total = rounding.round_to_grid(x, bits), fused.exact_sum(x, 24)
            with monkeypatch.context() as patch:
                patch.setattr(rounding, "is_compiled", lambda: False)
                patch.setattr(fused, "is_compiled", lambda: False)
                expected, sums = rounding.round_to_grid(x, bits), fused.exact_sum(x, 24)
        assert grid.values.shape == x.shape
        assert is_same(grid.values.view(torch.int64), expected.values.view(torch.int64))
        if grid.bad is None or expected.bad is None:
            assert grid.bad is None and (expected.bad is None or not expected.bad.any())
        else:
            assert torch.equal(grid.bad, expected.bad)
        assert torch.equal(total.isnan(), sums.isnan())
        assert is_same(total.nan_to_num(7.0), sums.nan_to_num(7.0))
        finite += int(total.isfinite().sum())
    assert finite >= 2


@pytest.mark.parametrize("threads", [1, 2])
def test_round_vectors__groups_and_vectors_over_threads__equal_one_thread(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantising, "SLICE_ELEMENTS", 64)
    x = torch.randn(3, 50, 33, generator=torch.Generator().manual_seed(1))
    with numeric_settings(threads=threads):
        for vectors in (x, x.mT, x[0], x[0].T):
            expected = rounding._round_any(vectors, rounding.compute_largest(vectors), 15)
            assert torch.equal(quantising.round_vectors(vectors, 15)[1], expected.values)


@pytest.mark.parametrize("bits", [8, 11, 15])
def test_compute_digits__any_layout__equals_torch(bits: int) -> None:
    rng = np.random.default_rng(bits)
    used = 0
    for _ in range(60):
        shape = (int(rng.integers(1, 140)), int(rng.integers(1, 90)))
        x = make_vectors(rng, shape, str(rng.choice(["along", "across", "cut"])))
        result, expected = int8.compute_digits(x, bits), int8._compute_digits(x, bits)
        assert (result is None) == (expected is None)
        if result is None or expected is None:
            continue
        assert torch.equal(result.low, expected.low)
        assert is_same(result.scale, expected.scale)
        assert (result.high is None) == (bits <= int8.DIGIT_BITS)
        if result.high is not None and expected.high is not None:
            assert torch.equal(result.high, expected.high)
        used += 1
    assert used >= 10


@pytest.mark.parametrize("count", [0, 1, 2])
def test_combine__extreme_products__equals_torch(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    for shape in [(1, 1), (17, 24), (200, 301)]:
        low, *middles, high = torch.randint(
            -(2**30), 2**30, (4, *shape), dtype=torch.int32, generator=generator
        )
        low[0, 0], high[0, 0] = 2**31 - 1, -(2**31)
        top = high if count == 2 else None
        rows, columns = (2.0 ** (torch.arange(n)[:, None] % 80 - 40) for n in shape)
        result = quantising.combine(low, middles[:count], top, rows, columns)
        expected = int8._combine(low, [m.clone() for m in middles[:count]], top, rows, columns)
        assert is_same(result, expected)


def test_is_compiled__kernel_that_is_wrong__is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantising, "sum_vectors", lambda x, bits: x.sum(-1) + 1)
    assert not rounding.is_compiled.__wrapped__()
    monkeypatch.setattr(llvm, "LLVM", None)
    assert not rounding.is_compiled.__wrapped__()
