"""Packed digits put together are the quantised integers, in any layout."""

import pytest
import torch
from torch import Tensor

from offchain.kernels import llvm, packing, quantising
from offchain.kernels.settings import numeric_settings

pytestmark = pytest.mark.skipif(llvm.LLVM is None, reason="LLVM is not installed")
SHAPES = [(5, 7), (16, 64), (33, 130), (3, 40, 19), (1, 1), (2, 2, 17, 300)]


def unpack(words: Tensor) -> Tensor:
    """Bytes [batch, vectors, elements] of words [batch, panels, words, PANEL]."""
    digits = words.view(torch.uint8).reshape(*words.shape, packing.DIGITS)
    batch, _, count, _ = words.shape
    return digits.permute(0, 1, 3, 2, 4).reshape(batch, -1, count * packing.DIGITS).long()


def make_vectors(shape: tuple[int, ...], columns: bool) -> Tensor:
    """Vectors of different sizes, one of them of zeros."""
    generator = torch.Generator().manual_seed(sum(shape))
    x = torch.randn(shape, generator=generator)
    x *= torch.randn(shape[:-1], generator=generator).exp()[..., None]
    x[..., shape[-2] // 2, :] = 0
    return x.mT.contiguous().mT if columns else x


@pytest.mark.parametrize("bits", [8, 11, 14, 15])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_pack__any_layout__holds_the_integers(
    bits: int, signed: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "SLICE_ELEMENTS", 64)
    for shape in SHAPES:
        for columns in (False, True):
            x = make_vectors(shape, columns)
            with numeric_settings(threads=threads):
                packed, tops = packing.pack(x, bits, signed)
                _, scale, low, high = quantising.compute_digits(x, bits, bits > 8)
            *_, vectors, length = shape
            digits = unpack(packed.low)
            if signed:
                digits = (digits + 128) % 256 - 128
                assert not digits[:, :vectors, length:].any(), "padding would add to a product"
            if packed.high is not None:
                above = unpack(packed.high)
                digits = digits + 256 * ((above + 128) % 256 - 128 if signed else above)
            expected = low.long() + (256 * high.long() if bits > 8 else 0)
            expected = expected.reshape(-1, vectors, length)
            assert torch.equal(digits[:, :vectors, :length] - packed.offset, expected)

            def own(value: Tensor, count: int = vectors) -> Tensor:
                return value.flatten(1)[:, :count]

            assert torch.equal(own(packed.total).long(), expected.sum(-1))
            assert torch.equal(own(packed.scale), scale.reshape(-1, vectors))
            assert torch.equal(own(tops), x.abs().amax(-1).reshape(-1, vectors))
