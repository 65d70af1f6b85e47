"""Running sums and products, and products of lines: in doubling steps."""

from math import prod

import torch

from offchain.capture.builder import Ref
from offchain.capture.geometry import crop, join, pad_axis
from offchain.capture.lowering import Lowering
from offchain.capture.lowering_pointwise import binary
from offchain.capture.lowering_reductions import normalize_axes
from offchain.capture.lowering_selection import convert
from offchain.capture.lowering_views import merge, normalize_axis
from offchain.capture.registry import lowers

aten = torch.ops.aten


def _scan(low: Lowering, kind: str, x: Ref, axis: int, neutral: int) -> Ref:
    """Each element joined with all before it: log2(length) operators on whole tensors."""
    x = convert(low, x, low.get_result_dtype(), low.get_argument_dtype())
    if not x.shape:
        return x
    axis = normalize_axis(axis, len(x.shape))
    length, step = x.shape[axis], 1
    while step < length:
        shifted = pad_axis(low, crop(x, axis, 0, length - step), axis, step, 0, neutral)
        x = binary(low, kind, x, shifted)
        step *= 2
    return x


@lowers(aten.cumsum.default)
def _cumsum(low: Lowering, x: Ref, axis: int, dtype: object = None) -> Ref:
    return _scan(low, "add", x, axis, 0)


@lowers(aten.cumprod.default)
def _cumprod(low: Lowering, x: Ref, axis: int, dtype: object = None) -> Ref:
    return _scan(low, "mul", x, axis, 1)


@lowers(aten.prod.default, aten.prod.dim_int)
def _prod(
    low: Lowering, x: Ref, axis: int | None = None, keep: bool = False, dtype: object = None
) -> Ref:
    x = convert(low, x, low.get_result_dtype(), low.get_argument_dtype())
    lines = merge(low, x, normalize_axes(axis, len(x.shape)))
    last = len(lines.shape) - 1
    while lines.shape[last] > 1:
        half = lines.shape[last] // 2
        pairs = binary(low, "mul", crop(lines, last, 0, half), crop(lines, last, half, half))
        odd = crop(lines, last, 2 * half, lines.shape[last] - 2 * half)
        lines = join(low, [pairs, odd], last)
    assert prod(lines.shape) == prod(low.get_result_shape())
    return low.builder.reshape(lines, low.get_result_shape())
