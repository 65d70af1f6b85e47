"""Products through int8 units, by compiled loops and by torch, equal those through float64."""

import numpy as np
import pytest
import torch

from offchain.kernels import fused, int8, vnni
from offchain.kernels.maps import canonicalize
from offchain.kernels.settings import numeric_settings
from tests.unit.offchain.kernels.samples import is_same, make_floats


@pytest.fixture(autouse=True, params=["loops", "torch"])
def has_loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Products of any size go through int8 units, by compiled loops or by torch."""
    monkeypatch.setattr(int8, "PRODUCTS_MIN", 0)
    if request.param == "loops":
        if not vnni.is_available():
            pytest.skip("this CPU has no VNNI, or LLVM is not installed")
        return True
    monkeypatch.setattr(vnni, "is_available", lambda: False)
    return False


@pytest.mark.skipif(not int8.is_available(), reason="this CPU's int8 products are not exact")
@pytest.mark.parametrize("bits", [(8, 8), (15, 15), (14, 14), (15, 8), (8, 15), (11, 15)])
def test_matmul__random_layouts__equals_float64(
    bits: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(bits[0] * 100 + bits[1])
    used = 0
    with numeric_settings(threads=1):
        for values in ["plain", "awkward", "limit"] * 8:
            m, k, n = (int(rng.integers(1, 40)) for _ in range(3))
            k = int(rng.choice([k, 300, 4099]))
            a, b = (
                torch.from_numpy(make_floats(rng, rows * k, values)).reshape(rows, k)
                for rows in (m, n)
            )
            if values == "limit":  # every product at the extreme, all of one sign
                a, b = torch.full((m, k), 1 - 2.0**-20), torch.full((n, k), -1 + 2.0**-20)
            a = a.T.contiguous().T if rng.random() < 0.5 else a
            b = b.T.contiguous().T if rng.random() < 0.5 else b
            result = int8.matmul(a, b, *bits)
            used += result is not None
            with monkeypatch.context() as patch:
                patch.setattr(int8, "is_usable", lambda *_: False)
                expected = fused.exact_matmul(a, b, *bits)
            assert result is None or is_same(result, expected)
            assert is_same(fused.exact_matmul(a, b, *bits), expected)
    assert used >= 12


@pytest.mark.parametrize("shape", [(256, 1, 6), (1, 5, 6), (7, 5, 1), (1, 1, 1), (2, 2, 2)])
@pytest.mark.parametrize("columns", [(False, False), (True, False), (False, True), (True, True)])
def test_exact_matmul__axes_of_one_element__equals_float64(
    shape: tuple[int, int, int],
    columns: tuple[bool, bool],
    has_loops: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = (
        torch.from_numpy(make_floats(rng, rows * k, "plain")).reshape(k, rows).T
        if by_columns
        else torch.from_numpy(make_floats(rng, rows * k, "plain")).reshape(rows, k)
        for rows, by_columns in zip((m, n), columns)
    )
    by_torch = shape == (2, 2, 2) and int8.is_available()
    assert int8.is_usable(a, b, 15, 15) == (has_loops or by_torch)
    result = fused.exact_matmul(a, b, 15, 15)
    monkeypatch.setattr(int8, "is_usable", lambda *_: False)
    assert is_same(result, fused.exact_matmul(a, b, 15, 15))


@pytest.mark.skipif(not int8.is_available(), reason="this CPU's int8 products are not exact")
@pytest.mark.parametrize("bits", [(8, 8), (15, 15), (8, 15)])
@pytest.mark.parametrize("compiled", [True, False])
def test_matmul__batches_in_random_layouts__equal_float64(
    bits: tuple[int, int], compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "BATCHED_MIN", 0)
    if not compiled:
        monkeypatch.setattr(int8, "is_compiled", lambda: False)
        monkeypatch.setattr(int8, "is_combined", lambda: False)
    rng = np.random.default_rng(sum(bits))
    used = 0
    for values in ["plain", "awkward", "wild"] * 6:
        m, k, n, h = (int(rng.integers(1, 20)) for _ in range(4))
        batch = (2, h) if rng.random() < 0.5 else (h,)
        a, b = (
            torch.from_numpy(make_floats(rng, rows * k * int(np.prod(batch)), values)).reshape(
                *batch, rows, k
            )
            for rows in (m, n)
        )
        a = a.mT.contiguous().mT if rng.random() < 0.5 else a
        b = b.movedim(0, -2).contiguous().movedim(-2, 0) if rng.random() < 0.5 else b
        if not int8.is_usable(a, b, *bits):
            assert min(m, k, n) == 1
            continue
        with numeric_settings(threads=1):
            used += int8.matmul(a, b, *bits) is not None
            result = fused.exact_matmul(a, b, *bits)
            with monkeypatch.context() as patch:
                patch.setattr(int8, "is_usable", lambda *_: False)
                assert is_same(canonicalize(result), canonicalize(fused.exact_matmul(a, b, *bits)))
    assert used >= 4


def test_compute_digits__maximum_out_of_range__is_left_to_float64() -> None:
    for value in (2.0**-61, 2.0**61, float("inf"), float("nan")):
        assert int8.compute_digits(torch.tensor([[1.0, value], [value, 0.0]]), 15) is None
    assert int8.compute_digits(torch.zeros(2, 2), 15) is not None


def test_vnni_matmul__maximum_out_of_range__is_left_to_float64(has_loops: bool) -> None:
    if not has_loops:
        pytest.skip("of the compiled loops only")
    usual = torch.ones(1, 2)
    for value in (2.0**-61, 2.0**61, float("inf"), float("nan"), 2.0**-149):
        for x in (torch.tensor([[1.0, value], [value, 0.0]]), torch.tensor([[value, -value]])):
            assert vnni.matmul(x, usual, 15, 15) is None
            assert vnni.matmul(usual, x, 15, 15) is None
    zeros = vnni.matmul(torch.zeros(2, 2), usual, 15, 15)
    assert zeros is not None and is_same(zeros, torch.zeros(2, 1))


def test_vnni_matmul__leading_axes_broadcast__equals_float64(
    has_loops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    a = torch.from_numpy(make_floats(rng, 2 * 19 * 33, "plain")).reshape(2, 1, 19, 33)
    b = torch.from_numpy(make_floats(rng, 3 * 21 * 33, "plain")).reshape(3, 21, 33)
    with numeric_settings(threads=2):
        result = fused.exact_matmul(a, b, 15, 15)
        monkeypatch.setattr(int8, "is_usable", lambda *_: False)
        assert is_same(result, fused.exact_matmul(a, b, 15, 15))
    assert result.shape == (2, 3, 19, 21)
