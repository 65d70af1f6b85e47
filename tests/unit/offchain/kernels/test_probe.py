"""The faster of two paths is found, and what a machine uses is said."""

import pytest
import torch

from offchain.kernels import fused, int8, probe, vnni
from offchain.kernels.paths import describe_paths


def test_find_crossover__first_becomes_faster__is_that_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(probe.time, "perf_counter", lambda: now)

    def spend(seconds: float) -> None:
        nonlocal now
        now += seconds

    def first(size: int) -> None:
        spend(10.0)

    def second(size: int) -> None:
        spend(float(size))

    assert probe.find_crossover(first, second, (4, 8, 16, 32)) == 16
    assert probe.find_crossover(first, second, (4, 8)) is None


@pytest.mark.skipif(not int8.is_available(), reason="this CPU's int8 products are not exact")
def test_compute_least_products__here__is_one_of_the_sizes_and_changes_no_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = [*int8.SIZES, 2 * int8.SIZES[-1]]
    assert int8.compute_least_products() in [size**3 for size in sizes]
    a, b = torch.randn(2, 40, 50, generator=torch.Generator().manual_seed(0))
    results = []
    for least in (0, 2**40):
        monkeypatch.setattr(int8, "PRODUCTS_MIN", least)
        assert int8.is_usable(a, b, 15, 15) == (least == 0)
        results.append(fused.exact_matmul(a, b, 15, 15))
    assert torch.equal(*results)


def test_describe_paths__cpu__names_what_multiplies_and_hashes() -> None:
    paths = describe_paths(torch.device("cpu"))
    assert set(paths) == {"products", "maps, sums", "threads", "hashing"}
    assert ("VNNI" in paths["products"]) == vnni.is_available()
