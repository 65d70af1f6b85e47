"""Arithmetic and functions, element by element."""

import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering, Number
from offchain.capture.registry import Unsupported, lowers
from protocol.rejections import IntegerOverflow
from protocol.types import Dtype

aten = torch.ops.aten

Value = Ref | Number

INTEGER_BITS = 30  # integers of unknown range count up to 2**30
DIVIDED_MAX = 2**24  # operands of an integer division, exact in binary32


def is_integer(*values: Value) -> bool:
    """Whether none of the tensors and numbers is a float."""
    return all(
        value.dtype is Dtype.I32 if isinstance(value, Ref) else not isinstance(value, float)
        for value in values
    )


def binary(low: Lowering, kind: str, x: Value, y: Value) -> Ref:
    """An operator on floats, or its `int_` form where both sides are integers."""
    if not is_integer(x, y):
        return low.emit(kind, low.as_float(x), low.as_float(y))
    x, y = low.as_int(x), low.as_int(y)
    try:
        return low.emit(f"int_{kind}", x, y)
    except IntegerOverflow:
        if kind == "mul":
            raise
    return low.emit(f"int_{kind}", narrow(low, x), narrow(low, y))


def narrow(low: Lowering, x: Ref) -> Ref:
    """An integer of unknown range, taken modulo 2**31 into [-2**30, 2**30).

    So a sum stays inside i32 whatever the data holds; see the decision on integers.
    """
    limit = 2**INTEGER_BITS
    low_end, high_end = low.builder.get_range(x)
    if -limit <= low_end and high_end < limit:
        return x
    below = low.emit("bitwise_and", x, low.full(limit - 1, Dtype.I32))
    moved = low.emit("int_sub", below, low.full(limit, Dtype.I32))
    return low.emit("where", low.emit("int_lt", x, low.full(0, Dtype.I32)), moved, below)


def mul(low: Lowering, x: Value, y: Value) -> Ref:
    """x * y; a factor that is the number 1 costs nothing."""
    if isinstance(x, Ref) and not isinstance(y, Ref) and y == 1:
        return x if x.dtype is Dtype.I32 and not isinstance(y, float) else low.as_float(x)
    return binary(low, "mul", x, y)


def div(low: Lowering, x: Value, y: Value) -> Ref:
    """x / y as f32."""
    return low.emit("div", low.as_float(x), low.as_float(y))


def where(low: Lowering, condition: Ref, x: Value, y: Value) -> Ref:
    """x where the condition holds, else y."""
    if is_integer(x, y):
        return low.emit("where", condition, low.as_int(x), low.as_int(y))
    return low.emit("where", condition, low.as_float(x), low.as_float(y))


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
    if rounding_mode is not None and is_integer(x, y):
        return divide_integers(low, x, y, rounding_mode)
    quotient = div(low, x, y)
    if rounding_mode is None:
        return quotient
    return low.emit("floor", quotient) if rounding_mode == "floor" else truncate(low, quotient)


def divide_integers(low: Lowering, x: Value, y: Value, rounding_mode: str) -> Ref:
    """The quotient as i32, exact: integers up to 2**24 have quotients that binary32 tells apart
    from the next integer.
    """
    for value in (x, y):
        ends = low.builder.get_range(value) if isinstance(value, Ref) else (value, value)
        if ends[0] < -DIVIDED_MAX or ends[1] > DIVIDED_MAX:
            raise Unsupported(
                f"division of integers from {ends[0]} to {ends[1]}, limit {DIVIDED_MAX}; bound "
                "them first (a bitwise AND with a mask does)"
            )
    quotient = div(low, x, y)
    rounded = low.emit("floor", quotient) if rounding_mode == "floor" else quotient
    return low.emit("to_int", rounded)


@lowers(aten.remainder.Tensor, aten.remainder.Scalar)
def _remainder(low: Lowering, x: Value, y: Value) -> Ref:
    if not is_integer(x, y):
        raise Unsupported("a remainder of floats, which no few float32 operations give exactly")
    if not isinstance(y, Ref) and y > 0 and y & (y - 1) == 0:  # type: ignore[operator]
        return low.emit("bitwise_and", low.as_int(x), low.full(y - 1, Dtype.I32))
    whole = low.emit("to_float", divide_integers(low, x, y, "floor"))
    # The product is at most as large as x is, so it is exact, and so is the difference.
    product = low.emit("mul", whole, low.as_float(y))
    return low.emit("to_int", low.emit("sub", low.as_float(x), product))


def truncate(low: Lowering, x: Ref) -> Ref:
    """x rounded towards zero, as a float."""
    below = low.emit("lt", x, low.full(0.0, Dtype.F32))
    rounded = low.emit("floor", low.emit("abs", x))
    return low.emit("where", below, low.emit("neg", rounded), rounded)


@lowers(aten.reciprocal.default)
def _reciprocal(low: Lowering, x: Ref) -> Ref:
    return div(low, 1.0, x)


@lowers(aten.neg.default)
def _neg(low: Lowering, x: Ref) -> Ref:
    return binary(low, "sub", 0, x) if is_integer(x) else low.emit("neg", x)


@lowers(aten.abs.default)
def _abs(low: Lowering, x: Ref) -> Ref:
    if is_integer(x):
        return where(low, binary(low, "lt", x, 0), binary(low, "sub", 0, x), x)
    return low.emit("abs", x)


@lowers(aten.sign.default, aten.sgn.default)
def _sign(low: Lowering, x: Ref) -> Ref:
    if is_integer(x):
        return binary(low, "sub", binary(low, "lt", 0, x), binary(low, "lt", x, 0))
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
