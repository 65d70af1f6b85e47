"""The self-checks pass on right kernels, and wrong ones are found out."""

import pytest
import torch

from offchain.kernels.cuda import checks, products, sha256
from tests.unit.offchain.kernels.cuda.device import DEVICE


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LENGTH", 2**6)
    checks.has_product.cache_clear()
    checks.has_trees.cache_clear()


def test_has_products__wrong_in_one_element__is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    right = products.matmul
    for tile in products.TILES:
        assert checks._is_product_right(DEVICE, (22, 15), tile)

    def wrong(*arguments: object) -> torch.Tensor:
        result = right(*arguments)  # type: ignore[arg-type]
        result.view(-1)[-1] *= 1 + 2.0**-23
        return result

    monkeypatch.setattr(products, "matmul", wrong)
    assert not checks.has_product(DEVICE, 15, 15, products.TILE)
    assert not checks.has_products(DEVICE)


def test_has_products__kernel_that_does_not_compile__is_false(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> torch.Tensor:
        raise AttributeError("no such target")

    monkeypatch.setattr(products, "matmul", fail)
    assert not checks.has_product(DEVICE, 15, 15, products.TILE)
    assert not checks.has_products(DEVICE)


def test_has_trees__wrong_root__is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sha256, "compute_roots", lambda tensors: [bytes(32)] * len(tensors))
    assert not checks.has_trees(DEVICE)
