"""im2col and col2im, as operations of their own (nn.Unfold, nn.Fold)."""

from math import prod

import torch

from offchain.capture.builder import Ref
from offchain.capture.geometry import compute_extents, fit, overlap_add, slide
from offchain.capture.lowering import Lowering
from offchain.capture.registry import lowers

aten = torch.ops.aten


def _count_outputs(
    lengths: tuple[int, ...],
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
) -> tuple[int, ...]:
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(lengths, kernel, stride, padding, dilation)
    )


@lowers(aten.im2col.default)
def _im2col(
    low: Lowering,
    x: Ref,
    kernel: list[int],
    dilation: list[int],
    padding: list[int],
    stride: list[int],
) -> Ref:
    """[..., C, H, W] -> [..., C * kernel, positions]."""
    outputs = _count_outputs(x.shape[-2:], kernel, stride, padding, dilation)
    x = fit(low, x, padding, compute_extents(outputs, kernel, stride, dilation))
    windows = slide(x, outputs, kernel, stride, dilation)
    lead = len(x.shape) - 2
    turned = windows.permute((*range(lead), lead + 2, lead + 3, lead, lead + 1))
    return low.builder.reshape(turned, low.get_result_shape())


@lowers(aten.col2im.default)
def _col2im(
    low: Lowering,
    x: Ref,
    sizes: list[int],
    kernel: list[int],
    dilation: list[int],
    padding: list[int],
    stride: list[int],
) -> Ref:
    """[..., C * kernel, positions] -> [..., C, H, W], windows added up."""
    outputs = _count_outputs(tuple(sizes), kernel, stride, padding, dilation)
    lead = (*x.shape[:-2], x.shape[-2] // prod(kernel))
    wide = low.builder.reshape(x, (*lead, *kernel, *outputs))
    rank = len(lead)
    windows = wide.permute((*range(rank), rank + 2, rank + 3, rank, rank + 1))
    return overlap_add(low, windows, sizes, padding, stride, dilation)
