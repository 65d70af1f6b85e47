"""Products of digits by the device's kernels equal those through float64, bit for bit."""

import numpy as np
import pytest
import torch

from offchain.kernels import fused, int8
from offchain.kernels.cuda import products
from offchain.kernels.cuda.digits import STRIPE, compute_digits
from offchain.kernels.cuda.products import TILES, Tile
from offchain.kernels.maps import canonicalize
from offchain.kernels.rounding import round_to_grid
from tests.unit.offchain.kernels.cuda.device import DEVICE
from tests.unit.offchain.kernels.samples import is_same, make_floats

BITS = [(15, 15), (14, 14), (8, 8), (15, 8), (8, 15), (11, 15), (22, 15), (14, 22), (8, 22)]


def multiply(
    a: torch.Tensor, b: torch.Tensor, bits: tuple[int, int], tile: Tile | None = None
) -> torch.Tensor:
    tile = tile or products.choose_tile(a, b, *bits)
    return products.matmul(a.to(DEVICE), b.to(DEVICE), *bits, tile).cpu()


def multiply_in_float64(a: torch.Tensor, b: torch.Tensor, bits: tuple[int, int]) -> torch.Tensor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8, "is_usable", lambda *_: False)
        return canonicalize(fused.exact_matmul(a, b, *bits))


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("values", ["plain", "awkward", "wild", "limit"])
def test_matmul__any_values_and_layout__equals_float64(bits: tuple[int, int], values: str) -> None:
    rng = np.random.default_rng(100 * bits[0] + bits[1])
    for _ in range(2):
        m, k, n = (int(rng.integers(1, 50)) for _ in range(3))
        lead = int(rng.integers(1, 3))
        if values == "limit":  # every product at the extreme, all of one sign
            k = 300
            a, b = torch.full((lead, m, k), 1 - 2.0**-20), torch.full((n, k), -1 + 2.0**-20)
        else:
            a = torch.from_numpy(make_floats(rng, lead * m * k, values)).reshape(lead, m, k)
            b = torch.from_numpy(make_floats(rng, n * k, values)).reshape(n, k)
        a = a.mT.contiguous().mT if rng.random() < 0.5 else a
        b = b.T.contiguous().T if rng.random() < 0.5 else b
        result = canonicalize(multiply(a, b, bits))
        assert is_same(result, multiply_in_float64(a, b, bits))


@pytest.mark.parametrize("tile", TILES, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1), (70, 17, 130), (65, 129, 1)])
def test_matmul__tiles_that_are_not_full__equals_float64(
    shape: tuple[int, int, int], tile: Tile
) -> None:
    m, k, n = shape
    generator = torch.Generator().manual_seed(m)
    a, b = torch.randn(m, k, generator=generator), torch.randn(n, k, generator=generator)
    for bits in ((15, 15), (22, 8)):
        assert is_same(multiply(a, b, bits, tile), multiply_in_float64(a, b, bits))


def test_choose_tile__shapes__have_their_own() -> None:
    def choose(rows: int, length: int, columns: int, bits: int = 15) -> Tile:
        device = torch.device("meta")
        a, b = torch.empty(rows, length, device=device), torch.empty(columns, length, device=device)
        return products.choose_tile(a, b, bits, bits)

    assert choose(8192, 8192, 8192) is products.LARGE_TILE
    assert choose(8192, 768, 50304) is products.TILE
    assert choose(1024, 64, 1024) is products.SHALLOW_TILE
    assert choose(1024, 1024, 64) is products.NARROW_TILE


@pytest.mark.parametrize("bits", [8, 15, 22])
@pytest.mark.parametrize("shape", [(2, 3, 40), (1, 2, 5000), (2, 70, 67)])
@pytest.mark.parametrize("along", [True, False])
def test_compute_digits__any_rows__are_the_quantised_integers(
    bits: int, shape: tuple[int, int, int], along: bool
) -> None:
    rng = np.random.default_rng(bits)
    values = make_floats(rng, int(np.prod(shape)), "plain")
    x = torch.from_numpy(values).reshape(shape)
    x[0, 0] = 0.0
    x = x if along else x.mT.contiguous().mT
    digits = compute_digits(x.to(DEVICE), bits)
    planes = digits.stripes.cpu().unflatten(1, (-1, digits.planes, STRIPE)).movedim(2, 0)
    total = sum(plane.flatten(1, 2).long() << (8 * n) for n, plane in enumerate(planes))
    assert isinstance(total, torch.Tensor)
    total = total[:, : shape[1]]
    grid = round_to_grid(x, bits).values
    assert torch.equal(total[..., : shape[-1]] * digits.unit.cpu()[..., None], grid)
    assert not total[..., shape[-1] :].any()


def test_is_usable__bits_or_length_beyond_int32__is_not() -> None:
    x = torch.ones(1, 2**16)
    assert not products.is_usable(x, x, 15, 15)
    assert products.is_usable(x[:, :4], x[:, :4], 22, 15)
    assert not products.is_usable(x[:, :4], x[:, :4], 22, 22)
    assert not products.is_usable(x[:, :4], x[:, :4], 23, 8)
    assert products.is_usable(x[:, :4], x[:, :4], 15, 8)
