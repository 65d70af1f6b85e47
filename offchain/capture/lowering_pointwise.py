"""Arithmetic and functions, element by element."""

from math import log
from typing import Any

import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering, Number
from offchain.capture.registry import Unsupported, lowers
from protocol.types import Dtype

aten = torch.ops.aten

Value = Ref | Number

# pow with a whole exponent up to this is repeated multiplication.
POWER_MAX = 8


def is_integer(*values: Value) -> bool:
    """Whether none of the tensors and numbers is a float."""
    return all(
        value.dtype is Dtype.I32 if isinstance(value, Ref) else not isinstance(value, float)
        for value in values
    )


def binary(low: Lowering, kind: str, x: Value, y: Value) -> Ref:
    """An operator on floats, or its `int_` form where both sides are integers."""
    if is_integer(x, y):
        return low.emit(f"int_{kind}", low.as_int(x), low.as_int(y))
    return low.emit(kind, low.as_float(x), low.as_float(y))


def mul(low: Lowering, x: Value, y: Value) -> Ref:
    """x * y; a factor that is the number 1 costs nothing."""
    if isinstance(x, Ref) and not isinstance(y, Ref) and y == 1:
        return x if x.dtype is Dtype.I32 and not isinstance(y, float) else low.as_float(x)
    return binary(low, "mul", x, y)


def div(low: Lowering, x: Value, y: Value) -> Ref:
    """x / y as f32."""
    return low.emit("div", low.as_float(x), low.as_float(y))


# --- Arithmetic -----------------------------------------------------------------------------------


@lowers(aten.add.Tensor, aten.add.Scalar)
def _add(low: Lowering, x: Value, y: Value, alpha: Number = 1) -> Ref:
    if low.get_result_dtype() is torch.bool:
        return low.emit("bitwise_or", low.as_int(x), low.as_int(y))
    return binary(low, "add", x, y if alpha == 1 else mul(low, y, alpha))


@lowers(aten.sub.Tensor, aten.sub.Scalar)
def _sub(low: Lowering, x: Value, y: Value, alpha: Number = 1) -> Ref:
    return binary(low, "sub", x, y if alpha == 1 else mul(low, y, alpha))


@lowers(aten.rsub.Tensor, aten.rsub.Scalar)
def _rsub(low: Lowering, x: Value, y: Value, alpha: Number = 1) -> Ref:
    return binary(low, "sub", y, x if alpha == 1 else mul(low, x, alpha))


@lowers(aten.mul.Tensor, aten.mul.Scalar)
def _mul(low: Lowering, x: Value, y: Value) -> Ref:
    if low.get_result_dtype() is torch.bool:
        return low.emit("bitwise_and", low.as_int(x), low.as_int(y))
    return mul(low, x, y)


@lowers(aten.div.Tensor, aten.div.Scalar)
def _div(low: Lowering, x: Value, y: Value) -> Ref:
    return div(low, x, y)


@lowers(aten.div.Tensor_mode, aten.div.Scalar_mode)
def _div_mode(low: Lowering, x: Value, y: Value, rounding_mode: str | None = None) -> Ref:
    quotient = div(low, x, y)
    if rounding_mode is None:
        return quotient
    if is_integer(x, y):
        raise Unsupported("integer division")
    return low.emit("floor", quotient) if rounding_mode == "floor" else truncate(low, quotient)


@lowers(aten.reciprocal.default)
def _reciprocal(low: Lowering, x: Ref) -> Ref:
    return div(low, 1.0, x)


@lowers(aten.neg.default)
def _neg(low: Lowering, x: Ref) -> Ref:
    return low.emit("int_sub", low.full(0, x.dtype), x) if is_integer(x) else low.emit("neg", x)


@lowers(aten.abs.default)
def _abs(low: Lowering, x: Ref) -> Ref:
    if is_integer(x):
        raise Unsupported("abs of integers")
    return low.emit("abs", x)


@lowers(aten.sign.default, aten.sgn.default)
def _sign(low: Lowering, x: Ref) -> Ref:
    zero = low.full(0.0, Dtype.F32)
    above, below = low.emit("lt", zero, x), low.emit("lt", x, zero)
    return low.emit("sub", low.emit("to_float", above), low.emit("to_float", below))


@lowers(aten.addcmul.default)
def _addcmul(low: Lowering, x: Ref, y: Ref, z: Ref, value: Number = 1) -> Ref:
    return binary(low, "add", x, mul(low, mul(low, y, value), z))


@lowers(aten.addcdiv.default)
def _addcdiv(low: Lowering, x: Ref, y: Ref, z: Ref, value: Number = 1) -> Ref:
    return binary(low, "add", x, div(low, mul(low, y, value), z))


@lowers(aten.lerp.Scalar, aten.lerp.Tensor)
def _lerp(low: Lowering, start: Ref, end: Ref, weight: Value) -> Ref:
    distance = low.emit("sub", end, start)
    if isinstance(weight, Ref) or weight < 0.5:
        return low.emit("add", start, mul(low, distance, weight))
    return low.emit("sub", end, mul(low, distance, 1 - weight))


# --- Functions ------------------------------------------------------------------------------------


def _register_unary(kind: str, operation: Any) -> None:
    @lowers(operation)
    def unary(low: Lowering, x: Ref) -> Ref:
        return low.emit(kind, low.as_float(x))


for _kind, _operation in {
    "sqrt": aten.sqrt.default,
    "floor": aten.floor.default,
    "exp": aten.exp.default,
    "log": aten.log.default,
    "tanh": aten.tanh.default,
    "erf": aten.erf.default,
}.items():
    _register_unary(_kind, _operation)


@lowers(aten.rsqrt.default)
def _rsqrt(low: Lowering, x: Ref) -> Ref:
    return div(low, 1.0, low.emit("sqrt", low.as_float(x)))


@lowers(aten.ceil.default)
def _ceil(low: Lowering, x: Ref) -> Ref:
    return low.emit("neg", low.emit("floor", low.emit("neg", x)))


def truncate(low: Lowering, x: Ref) -> Ref:
    """x rounded towards zero, as a float."""
    below = low.emit("lt", x, low.full(0.0, Dtype.F32))
    rounded = low.emit("floor", low.emit("abs", x))
    return low.emit("where", below, low.emit("neg", rounded), rounded)


@lowers(aten.trunc.default)
def _trunc(low: Lowering, x: Ref) -> Ref:
    return truncate(low, x)


@lowers(aten.log2.default)
def _log2(low: Lowering, x: Ref) -> Ref:
    return div(low, low.emit("log", low.as_float(x)), log(2))


@lowers(aten.log1p.default)
def _log1p(low: Lowering, x: Ref) -> Ref:
    return low.emit("log", binary(low, "add", low.as_float(x), 1.0))


@lowers(aten.expm1.default)
def _expm1(low: Lowering, x: Ref) -> Ref:
    return binary(low, "sub", low.emit("exp", low.as_float(x)), 1.0)


@lowers(aten.exp2.default)
def _exp2(low: Lowering, x: Ref) -> Ref:
    return low.emit("exp", mul(low, low.as_float(x), log(2)))


@lowers(aten.pow.Tensor_Scalar)
def _pow(low: Lowering, x: Ref, exponent: Number) -> Ref:
    if is_integer(x) and exponent != 2:
        raise Unsupported("a power of integers other than the square")
    if exponent == 0.5:
        return low.emit("sqrt", x)
    if exponent == -0.5:
        return div(low, 1.0, low.emit("sqrt", x))
    if exponent == int(exponent) and 0 < abs(exponent) <= POWER_MAX:
        result = x
        for _ in range(abs(int(exponent)) - 1):
            result = binary(low, "mul", result, x)
        return result if exponent > 0 else div(low, 1.0, result)
    return low.emit("exp", mul(low, low.emit("log", x), float(exponent)))


@lowers(aten.pow.Scalar)
def _pow_scalar(low: Lowering, base: Number, exponent: Ref) -> Ref:
    if base <= 0:
        raise Unsupported(f"a power of {base}, which is not positive")
    return low.emit("exp", mul(low, low.as_float(exponent), log(base)))


@lowers(aten.pow.Tensor_Tensor)
def _pow_tensor(low: Lowering, base: Ref, exponent: Ref) -> Ref:
    return low.emit("exp", mul(low, low.as_float(exponent), low.emit("log", low.as_float(base))))
