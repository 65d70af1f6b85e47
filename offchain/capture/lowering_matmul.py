"""Matrix products. Their bits are chosen afterwards, by policy."""

from math import prod

import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering, Number
from offchain.capture.lowering_pointwise import binary, mul
from offchain.capture.registry import Unsupported, lowers
from protocol.types import Dtype, Shape
from protocol.views import contiguous

aten = torch.ops.aten

UNDECIDED = 15  # bits until the policy decides


def matmul(low: Lowering, a: Ref, b: Ref) -> Ref:
    """[..., M, K] and [..., K, N] -> [..., M, N]."""
    if a.dtype is not Dtype.F32 or b.dtype is not Dtype.F32:
        raise Unsupported("a matrix product of integers")
    return low.emit("matmul", a, b, bits_a=UNDECIDED, bits_b=UNDECIDED)


@lowers(aten.mm.default)
def _mm(low: Lowering, a: Ref, b: Ref) -> Ref:
    return matmul(low, a, b)


@lowers(aten.bmm.default)
def _bmm(low: Lowering, a: Ref, b: Ref) -> Ref:
    source_a, source_b = _get_uncopied(low, a), _get_uncopied(low, b)
    leading = _get_leading(source_a) or _get_leading(source_b)
    if leading is None:
        return matmul(low, a, b)
    wide = [
        source if _get_leading(source) == leading else low.builder.reshape(x, leading + x.shape[1:])
        for x, source in ((a, source_a), (b, source_b))
    ]
    product = matmul(low, wide[0], wide[1])  # type: ignore[arg-type]
    return low.builder.reshape(product, (a.shape[0], a.shape[1], b.shape[2]))


def _get_uncopied(low: Lowering, x: Ref) -> Ref | None:
    """What was copied only to join its leading axes into the one of a batched product.

    Attention's heads are such a case: matmul reads them where they lie.
    """
    source = low.builder.copied.get(x.producer)
    if source is None or len(source.shape) < 3:
        return None
    shape: Shape = (prod(source.shape[:-2]), *source.shape[-2:])
    whole = x.seen(contiguous(shape))
    if x == whole:
        return source
    return source.swap_last() if x == whole.swap_last() else None


def _get_leading(x: Ref | None) -> Shape | None:
    return None if x is None else x.shape[:-2]


def _biased(low: Lowering, bias: Ref, product: Ref, beta: Number, alpha: Number) -> Ref:
    if beta == 0:
        return mul(low, product, float(alpha))
    return binary(low, "add", mul(low, product, float(alpha)), mul(low, bias, float(beta)))


@lowers(aten.addmm.default)
def _addmm(low: Lowering, bias: Ref, a: Ref, b: Ref, beta: Number = 1, alpha: Number = 1) -> Ref:
    return _biased(low, bias, matmul(low, a, b), beta, alpha)


@lowers(aten.baddbmm.default)
def _baddbmm(low: Lowering, bias: Ref, a: Ref, b: Ref, beta: Number = 1, alpha: Number = 1) -> Ref:
    return _biased(low, bias, _bmm(low, a, b), beta, alpha)


@lowers(aten.mv.default)
def _mv(low: Lowering, a: Ref, b: Ref) -> Ref:
    return low.builder.reshape(matmul(low, a, b.unsqueeze(1)), (a.shape[0],))


@lowers(aten.dot.default, aten.vdot.default)
def _dot(low: Lowering, a: Ref, b: Ref) -> Ref:
    return low.builder.reshape(matmul(low, a.unsqueeze(0), b.unsqueeze(1)), ())
