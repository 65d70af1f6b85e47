"""Convolutions of one, two and three dimensions: windows laid out as rows, and a matrix product.

The transposed convolution is the gradient of a convolution by its input, and the other way round,
so three functions serve both and their gradients. Each contraction vector of the product (a window
over all channels of a group, a filter) has a scale of its own.
"""

from collections.abc import Sequence
from math import prod

import torch

from offchain.capture.builder import Ref
from offchain.capture.geometry import compute_extents, fit, slide, spread
from offchain.capture.lowering import Lowering
from offchain.capture.lowering_matmul import matmul
from offchain.capture.lowering_pointwise import binary
from offchain.capture.lowering_reductions import fold
from offchain.capture.registry import lowers
from protocol.types import Shape

aten = torch.ops.aten

Steps = Sequence[int]


def _compute_outputs(lengths: Steps, kernel: Steps, stride: Steps, dilation: Steps) -> Shape:
    return tuple(
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(lengths, kernel, stride, dilation)
    )


def _lay_out_windows(
    low: Lowering,
    x: Ref,
    outputs: Shape,
    kernel: Steps,
    stride: Steps,
    dilation: Steps,
    groups: int,
) -> Ref:
    """x [N, C, *lengths] -> [G, N, positions, C/G * kernel], a copy in which windows are rows."""
    batch, channels, count = x.shape[0], x.shape[1] // groups, len(outputs)
    # Joined leading axes keep the view of a grouped three-dimensional window within eight axes.
    joined = low.builder.reshape(x, (batch * groups, channels, *x.shape[2:]))
    windows = slide(joined, outputs, kernel, stride, dilation)
    rows = windows.permute((0, *range(2, 2 + count), 1, *range(2 + count, 2 + 2 * count)))
    width = channels * prod(kernel)
    laid = low.builder.reshape(rows, (batch, groups, prod(outputs), width))
    return laid.permute((1, 0, 2, 3))


def convolve(
    low: Lowering, x: Ref, weight: Ref, stride: Steps, dilation: Steps, groups: int
) -> Ref:
    """x [N, C, *lengths], padded already, and weight [O, C/G, *kernel] -> [N, O, *outputs]."""
    filters, kernel = weight.shape[0], weight.shape[2:]
    outputs = _compute_outputs(x.shape[2:], kernel, stride, dilation)
    rows = _lay_out_windows(low, x, outputs, kernel, stride, dilation, groups)
    _, batch, positions, width = rows.shape
    if groups == 1:
        flat = low.builder.reshape(rows, (batch * positions, width))
        columns = low.builder.reshape(weight, (filters, width)).swap_last()
        product = low.builder.reshape(matmul(low, flat, columns), (batch, positions, filters))
        return low.builder.reshape(product.swap_last(), (batch, filters, *outputs))
    blocks = low.builder.reshape(weight, (groups, 1, filters // groups, width))
    product = matmul(low, blocks, rows.swap_last()).permute((1, 0, 2, 3))
    return low.builder.reshape(product, (batch, filters, *outputs))


def convolve_back(
    low: Lowering,
    y: Ref,
    weight: Ref,
    lengths: Steps,
    stride: Steps,
    padding: Steps,
    dilation: Steps,
    groups: int,
) -> Ref:
    """The transpose of a convolution: y [N, O, *outputs], weight [O, C/G, *kernel] ->
    [N, C, *lengths].
    """
    filters, channels, kernel = weight.shape[0], weight.shape[1], weight.shape[2:]
    for number, step in enumerate(stride):
        y = spread(low, y, 2 + number, step)
    margins = [d * (k - 1) for d, k in zip(dilation, kernel)]
    y = fit(
        low,
        y,
        [margin - p for margin, p in zip(margins, padding)],
        [n + margin for n, margin in zip(lengths, margins)],
    )
    blocks = low.builder.reshape(weight, (groups, filters // groups, channels, *kernel))
    turned = blocks.permute((0, 2, 1, *range(3, 3 + len(kernel))))
    for axis in range(3, 3 + len(kernel)):
        turned = turned.seen(turned.view.flip(axis))
    turned = low.builder.reshape(turned, (groups * channels, filters // groups, *kernel))
    return convolve(low, y, turned, [1] * len(kernel), dilation, groups)


def compute_weight_gradient(
    low: Lowering, y: Ref, x: Ref, shape: Shape, stride: Steps, dilation: Steps, groups: int
) -> Ref:
    """y [N, O, *outputs] against the windows of x [N, C, *lengths], padded -> [O, C/G, *kernel]."""
    filters, kernel, outputs = shape[0], shape[2:], y.shape[2:]
    rows = _lay_out_windows(low, x, outputs, kernel, stride, dilation, groups)
    _, batch, positions, width = rows.shape
    rows = low.builder.reshape(rows, (groups, batch * positions, width))
    blocks = low.builder.reshape(y, (batch, groups, filters // groups, positions))
    columns = low.builder.reshape(
        blocks.permute((1, 2, 0, 3)), (groups, filters // groups, batch * positions)
    )
    if groups == 1:
        rows, columns = rows.seen(rows.view.select(0, 0)), columns.seen(columns.view.select(0, 0))
    return low.builder.reshape(matmul(low, columns, rows), shape)


def _extend(low: Lowering, x: Ref, outputs: Steps, kernel: Steps, *steps: Steps) -> Ref:
    """x with the padding that windows at `outputs` positions need, and without what none reads."""
    stride, padding, dilation = steps
    return fit(low, x, padding, compute_extents(outputs, kernel, stride, dilation))


@lowers(aten.convolution.default)
def _convolution(
    low: Lowering,
    x: Ref,
    weight: Ref,
    bias: Ref | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> Ref:
    outputs = low.get_result_shape()[2:]
    if transposed:
        y = convolve_back(low, x, weight, outputs, stride, padding, dilation, groups)
    else:
        x = _extend(low, x, outputs, weight.shape[2:], stride, padding, dilation)
        y = convolve(low, x, weight, stride, dilation, groups)
    if bias is None:
        return y
    ones = [1] * len(outputs)
    return binary(low, "add", y, low.builder.reshape(bias, (bias.shape[0], *ones)))


@lowers(aten.convolution_backward.default)
def _convolution_backward(
    low: Lowering,
    gradient: Ref,
    x: Ref,
    weight: Ref,
    bias_sizes: list[int] | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    mask: list[bool],
) -> tuple[Ref | None, Ref | None, Ref | None]:
    kernel, steps = weight.shape[2:], (stride, padding, dilation)
    by_input = by_weight = by_bias = None
    # The small side has the windows' positions, the large side the elements that they read.
    small, large = (x, gradient) if transposed else (gradient, x)
    if (mask[0] and transposed) or mask[1]:
        extended = _extend(low, large, small.shape[2:], kernel, *steps)
        if mask[0] and transposed:
            by_input = convolve(low, extended, weight, stride, dilation, groups)
        if mask[1]:
            by_weight = compute_weight_gradient(
                low, small, extended, weight.shape, stride, dilation, groups
            )
    if mask[0] and not transposed:
        lengths = x.shape[2:]
        by_input = convolve_back(low, gradient, weight, lengths, *steps, groups)
    if mask[2]:
        axes = [0, *range(2, len(gradient.shape))]
        by_bias = fold(low, "sum", gradient, axes, keep=False)
    return by_input, by_weight, by_bias
