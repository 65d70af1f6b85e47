"""Whether a device's kernels give the right bits: asked once per process, before first use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from offchain.kernels.cuda import launch

if TYPE_CHECKING:
    from offchain.kernels.cuda.products import Tile

LENGTH = 2**12  # of the products that are compared


@cache
def has_product(device: torch.device, bits_a: int, bits_b: int, tile: Tile) -> bool:
    """Whether products of digits equal those in float64, at the extremes too."""
    try:
        return _is_product_right(device, (bits_a, bits_b), tile)
    except Exception:  # whatever a compiler or a driver raises: the slower path is right
        return False


def has_products(device: torch.device) -> bool:
    """Whether products of the default policy go through tensor cores there."""
    if not launch.is_available(device):
        return False
    from offchain.kernels.cuda.products import TILE

    return has_product(device, 15, 15, TILE)


def _is_product_right(device: torch.device, bits: tuple[int, int], tile: Tile) -> bool:
    from offchain.kernels.cuda import products

    generator = torch.Generator().manual_seed(sum(bits))
    integers = []
    for limit, shape in zip((2 ** (b - 1) - 1 for b in bits), ((70, LENGTH), (2, 133, LENGTH))):
        drawn = torch.randint(-limit, limit + 1, shape, generator=generator)
        drawn[..., 3:7, :] = limit  # every product at the extreme
        drawn[..., 0] = limit  # so that the largest is known
        integers.append(drawn.double())
    expected = (integers[0] @ integers[1].mT).float()
    a, b = (x.float().to(device) for x in integers)
    result = products.matmul(a, b, *bits, tile)
    edges = torch.tensor([[float("nan")], [float("inf")], [0.0], [-0.0], [2.0**-149], [-1.5]])
    of_edges = products.matmul(edges.to(device), edges.to(device), *bits, tile).cpu()
    is_finite = edges.isfinite() & edges.mT.isfinite()
    return torch.equal(result.cpu(), expected) and bool(
        (of_edges.isnan() == ~is_finite).all() and (of_edges[2:4, 2:].view(torch.int32) == 0).all()
    )


@cache
def has_trees(device: torch.device) -> bool:
    """Whether roots equal the specification's."""
    if not launch.is_available(device):
        return False
    from protocol.merkle import compute_tensor_root

    tensors = [torch.arange(n, dtype=torch.float32) for n in (3, 256 * 131 + 5)]
    expected = [compute_tensor_root(tensor.numpy()) for tensor in tensors]
    try:
        from offchain.kernels.cuda import sha256

        return sha256.compute_roots([tensor.to(device) for tensor in tensors]) == expected
    except Exception:  # whatever a compiler or a driver raises: the host hashes instead
        return False
