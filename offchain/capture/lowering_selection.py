"""Comparisons, selections, conversions and fills, element by element."""

from typing import Any

import torch

from offchain.capture.builder import Ref
from offchain.capture.dtypes import get_dtype
from offchain.capture.lowering import Lowering, Number
from offchain.capture.lowering_pointwise import Value, binary, is_integer, where
from offchain.capture.registry import Unsupported, lowers
from protocol.types import Dtype

aten = torch.ops.aten


# --- Comparisons and selection --------------------------------------------------------------------


@lowers(aten.eq.Tensor, aten.eq.Scalar)
def _eq(low: Lowering, x: Value, y: Value) -> Ref:
    return binary(low, "eq", x, y)


@lowers(aten.ne.Tensor, aten.ne.Scalar)
def _ne(low: Lowering, x: Value, y: Value) -> Ref:
    return low.emit("logical_not", binary(low, "eq", x, y))


@lowers(aten.lt.Tensor, aten.lt.Scalar)
def _lt(low: Lowering, x: Value, y: Value) -> Ref:
    return binary(low, "lt", x, y)


@lowers(aten.le.Tensor, aten.le.Scalar)
def _le(low: Lowering, x: Value, y: Value) -> Ref:
    return binary(low, "le", x, y)


@lowers(aten.gt.Tensor, aten.gt.Scalar)
def _gt(low: Lowering, x: Value, y: Value) -> Ref:
    return binary(low, "lt", y, x)


@lowers(aten.ge.Tensor, aten.ge.Scalar)
def _ge(low: Lowering, x: Value, y: Value) -> Ref:
    return binary(low, "le", y, x)


@lowers(aten.isnan.default)
def _isnan(low: Lowering, x: Ref) -> Ref:
    return low.emit("logical_not", low.emit("eq", x, x))


@lowers(aten.isinf.default)
def _isinf(low: Lowering, x: Ref) -> Ref:
    return low.emit("eq", low.emit("abs", x), low.full(float("inf"), Dtype.F32))


def truth(low: Lowering, x: Value) -> Ref:
    """1 where x is not 0, else 0."""
    return low.emit("logical_not", binary(low, "eq", x, 0))


def boolean(low: Lowering, x: Ref, dtype: torch.dtype) -> Ref:
    """x, of PyTorch's type `dtype`, as 0 or 1."""
    return x if dtype is torch.bool else truth(low, x)


def _booleans(low: Lowering, *values: Ref) -> list[Ref]:
    return [boolean(low, v, low.get_argument_dtype(n)) for n, v in enumerate(values)]


@lowers(aten.logical_and.default)
def _logical_and(low: Lowering, x: Ref, y: Ref) -> Ref:
    return low.emit("bitwise_and", *_booleans(low, x, y))


@lowers(aten.logical_or.default)
def _logical_or(low: Lowering, x: Ref, y: Ref) -> Ref:
    return low.emit("bitwise_or", *_booleans(low, x, y))


@lowers(aten.logical_not.default)
def _logical_not(low: Lowering, x: Ref) -> Ref:
    return low.emit("logical_not", *_booleans(low, x))


@lowers(aten.logical_xor.default)
def _logical_xor(low: Lowering, x: Ref, y: Ref) -> Ref:
    return low.emit("logical_not", low.emit("int_eq", *_booleans(low, x, y)))


@lowers(aten.bitwise_and.Tensor, aten.bitwise_and.Scalar)
def _bitwise_and(low: Lowering, x: Value, y: Value) -> Ref:
    return low.emit("bitwise_and", low.as_int(x), low.as_int(y))


@lowers(aten.bitwise_or.Tensor, aten.bitwise_or.Scalar)
def _bitwise_or(low: Lowering, x: Value, y: Value) -> Ref:
    return low.emit("bitwise_or", low.as_int(x), low.as_int(y))


@lowers(aten.bitwise_xor.Tensor)
def _bitwise_xor(low: Lowering, x: Ref, y: Ref) -> Ref:
    if low.get_result_dtype() is not torch.bool:
        raise Unsupported("exclusive or of integers")
    return low.emit("logical_not", low.emit("int_eq", x, y))


@lowers(aten.bitwise_not.default)
def _bitwise_not(low: Lowering, x: Ref) -> Ref:
    if low.get_result_dtype() is torch.bool:
        return low.emit("logical_not", x)
    return low.emit("int_sub", low.full(-1, Dtype.I32), x)


@lowers(aten.where.self, aten.where.ScalarSelf, aten.where.ScalarOther, aten.where.Scalar)
def _where(low: Lowering, condition: Ref, x: Value, y: Value) -> Ref:
    return where(low, condition, x, y)


@lowers(aten.masked_fill.Scalar, aten.masked_fill.Tensor)
def _masked_fill(low: Lowering, x: Ref, mask: Ref, value: Value) -> Ref:
    if not isinstance(value, Ref) and x.dtype is Dtype.F32:
        value = float(value)
    return where(low, mask, value, x)


def smaller(low: Lowering, x: Value, y: Value) -> Ref:
    if is_integer(x, y):
        return where(low, binary(low, "lt", x, y), x, y)
    return binary(low, "minimum", x, y)


def larger(low: Lowering, x: Value, y: Value) -> Ref:
    if is_integer(x, y):
        return where(low, binary(low, "lt", x, y), y, x)
    return binary(low, "maximum", x, y)


@lowers(aten.maximum.default)
def _maximum(low: Lowering, x: Ref, y: Ref) -> Ref:
    return larger(low, x, y)


@lowers(aten.minimum.default)
def _minimum(low: Lowering, x: Ref, y: Ref) -> Ref:
    return smaller(low, x, y)


@lowers(aten.clamp.default, aten.clamp.Tensor)
def _clamp(low: Lowering, x: Ref, min: Value | None = None, max: Value | None = None) -> Ref:
    # The types of bounds that are numbers follow x.
    cast = float if x.dtype is Dtype.F32 else int
    if min is not None:
        x = larger(low, x, min if isinstance(min, Ref) else cast(min))
    if max is not None:
        x = smaller(low, x, max if isinstance(max, Ref) else cast(max))
    return x


@lowers(aten.clamp_min.default)
def _clamp_min(low: Lowering, x: Ref, bound: Value) -> Ref:
    return _clamp(low, x, bound)


@lowers(aten.clamp_max.default)
def _clamp_max(low: Lowering, x: Ref, bound: Value) -> Ref:
    return _clamp(low, x, None, bound)


# --- Types ----------------------------------------------------------------------------------------


def convert(low: Lowering, x: Ref, dtype: torch.dtype, source: torch.dtype) -> Ref:
    """x, of PyTorch's type `source`, in another type."""
    if dtype is source:
        return x
    if dtype is torch.bool:
        return boolean(low, x, source)
    if get_dtype(dtype) is x.dtype:
        return x
    return low.emit("to_float" if x.dtype is Dtype.I32 else "to_int", x)


@lowers(aten._to_copy.default, torch.ops.prims.convert_element_type.default, aten.to.dtype)
def _to_copy(low: Lowering, x: Ref, *_: object, **__: object) -> Ref:
    return convert(low, x, low.get_result_dtype(), low.get_argument_dtype())


@lowers(
    aten.full_like.default,
    aten.zeros_like.default,
    aten.ones_like.default,
    aten.new_zeros.default,
    aten.new_ones.default,
    aten.new_full.default,
    aten.empty_like.default,
    aten.new_empty.default,
    aten.new_empty_strided.default,
)
def _full_like(low: Lowering, x: Ref, *arguments: Any, **_: object) -> Ref:
    name = str(low.node.target)
    value: Number = 1 if "ones" in name else 0
    if "full" in name:
        value = arguments[-1]
    return low.full(value, get_dtype(low.get_result_dtype())).expand(low.get_result_shape())


@lowers(aten.fill.Scalar)
def _fill(low: Lowering, x: Ref, value: Number) -> Ref:
    return low.full(value, x.dtype).expand(x.shape)


@lowers(aten.fill.Tensor)
def _fill_tensor(low: Lowering, x: Ref, value: Ref) -> Ref:
    cast = low.as_float(value) if x.dtype is Dtype.F32 else low.as_int(value)
    return cast.expand(x.shape)


@lowers(aten.copy.default)
def _copy(low: Lowering, x: Ref, source: Ref, non_blocking: bool = False) -> Ref:
    target = low.get_argument_dtype(0)
    return convert(low, source, target, low.get_argument_dtype(1)).expand(x.shape)
