"""Functions of one element that take a few operators: rounding, powers, logarithms, hyperbolics.

Each is as accurate as float32 allows where PyTorch's is: near zero too, and up to overflow.
"""

from math import log
from typing import Any

import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering, Number
from offchain.capture.lowering_pointwise import (
    binary,
    div,
    is_integer,
    mul,
    truncate,
    where,
)
from offchain.capture.registry import Unsupported, lowers
from protocol.types import Dtype

aten = torch.ops.aten

# A whole exponent up to this is repeated multiplication, by squares.
POWER_MAX = 2**6
LARGE = 20.0  # beyond it exp(-x) is nothing beside exp(x)
HUGE = 1e9  # beyond it 1 is nothing beside x**2

_INFINITY = float("inf")


def _register_unary(kind: str, operation: Any) -> None:
    @lowers(operation)
    def unary(low: Lowering, x: Ref) -> Ref:
        return low.emit(kind, low.as_float(x))


for _kind, _operation in {
    "sqrt": aten.sqrt.default,
    "exp": aten.exp.default,
    "log": aten.log.default,
    "tanh": aten.tanh.default,
    "erf": aten.erf.default,
}.items():
    _register_unary(_kind, _operation)


# --- Rounding -------------------------------------------------------------------------------------


@lowers(aten.floor.default)
def _floor(low: Lowering, x: Ref) -> Ref:
    return x if is_integer(x) else low.emit("floor", x)


@lowers(aten.ceil.default)
def _ceil(low: Lowering, x: Ref) -> Ref:
    return x if is_integer(x) else low.emit("neg", low.emit("floor", low.emit("neg", x)))


@lowers(aten.trunc.default)
def _trunc(low: Lowering, x: Ref) -> Ref:
    return x if is_integer(x) else truncate(low, x)


@lowers(aten.round.default)
def _round(low: Lowering, x: Ref) -> Ref:
    """To the nearest integer, a half to the even one."""
    if is_integer(x):
        return x
    whole = low.emit("floor", x)
    rest = low.emit("sub", x, whole)
    half = mul(low, whole, 0.5)
    is_odd = low.emit("lt", low.emit("floor", half), half)
    over = low.emit("to_float", binary(low, "lt", 0.5, rest))
    tie = where(low, binary(low, "eq", rest, 0.5), low.emit("to_float", is_odd), over)
    # From 2**23 on every number is whole, and so is infinity, whose rest is no number.
    is_whole = binary(low, "le", 2.0**23, low.emit("abs", x))
    return where(low, is_whole, x, low.emit("add", whole, tie))


# --- Logarithms and exponentials ------------------------------------------------------------------


def log1p(low: Lowering, x: Ref) -> Ref:
    """log(1 + x): log(u) * x / (u - 1) with u = 1 + x rounded, whose error cancels (Kahan)."""
    u = binary(low, "add", x, 1.0)
    rest = binary(low, "sub", u, 1.0)
    ratio = low.emit("div", x, rest)
    precise = low.emit("mul", low.emit("log", u), ratio)
    is_small = binary(low, "eq", rest, 0.0)
    is_infinite = binary(low, "eq", u, _INFINITY)
    return where(low, is_small, x, where(low, is_infinite, u, precise))


def expm1(low: Lowering, x: Ref) -> Ref:
    """exp(x) - 1; within [-1, 1] as 2t / (1 - t) with t = tanh(x / 2)."""
    t = low.emit("tanh", mul(low, x, 0.5))
    near = low.emit("div", mul(low, t, 2.0), binary(low, "sub", 1.0, t))
    far = binary(low, "sub", low.emit("exp", x), 1.0)
    return where(low, binary(low, "lt", low.emit("abs", x), 1.0), near, far)


@lowers(aten.log1p.default)
def _log1p(low: Lowering, x: Ref) -> Ref:
    return log1p(low, low.as_float(x))


@lowers(aten.expm1.default)
def _expm1(low: Lowering, x: Ref) -> Ref:
    return expm1(low, low.as_float(x))


def _register_logarithm(operation: Any, base: float) -> None:
    @lowers(operation)
    def logarithm(low: Lowering, x: Ref) -> Ref:
        return div(low, low.emit("log", low.as_float(x)), log(base))


_register_logarithm(aten.log2.default, 2)
_register_logarithm(aten.log10.default, 10)


@lowers(aten.exp2.default)
def _exp2(low: Lowering, x: Ref) -> Ref:
    return low.emit("exp", mul(low, low.as_float(x), log(2)))


@lowers(aten.xlogy.Tensor, aten.xlogy.Scalar_Self, aten.xlogy.Scalar_Other)
def _xlogy(low: Lowering, x: Ref | Number, y: Ref | Number) -> Ref:
    x, y = low.as_float(x), low.as_float(y)
    product = low.emit("mul", x, low.emit("log", y))
    zero = where(low, binary(low, "eq", x, 0.0), 0.0, product)
    return where(low, low.emit("eq", y, y), zero, y)


# --- Hyperbolic functions -------------------------------------------------------------------------


def _half_exponential(low: Lowering, size: Ref) -> Ref:
    """exp(size) / 2 without overflow before its time."""
    root = low.emit("exp", mul(low, size, 0.5))
    return low.emit("mul", mul(low, root, 0.5), root)


def _with_sign(low: Lowering, x: Ref, size: Ref) -> Ref:
    return where(low, binary(low, "lt", x, 0.0), low.emit("neg", size), size)


@lowers(aten.sinh.default)
def _sinh(low: Lowering, x: Ref) -> Ref:
    size = low.emit("abs", low.as_float(x))
    e = expm1(low, size)
    ratio = low.emit("div", e, binary(low, "add", e, 1.0))
    near = mul(low, low.emit("add", e, ratio), 0.5)
    far = _half_exponential(low, size)
    return _with_sign(low, x, where(low, binary(low, "lt", LARGE, size), far, near))


@lowers(aten.cosh.default)
def _cosh(low: Lowering, x: Ref) -> Ref:
    size = low.emit("abs", low.as_float(x))
    e = low.emit("exp", size)
    near = mul(low, low.emit("add", e, div(low, 1.0, e)), 0.5)
    far = _half_exponential(low, size)
    return where(low, binary(low, "lt", LARGE, size), far, near)


@lowers(aten.asinh.default)
def _asinh(low: Lowering, x: Ref) -> Ref:
    size = low.emit("abs", low.as_float(x))
    square = low.emit("mul", size, size)
    root = low.emit("sqrt", binary(low, "add", square, 1.0))
    near = log1p(low, low.emit("add", size, low.emit("div", square, binary(low, "add", root, 1.0))))
    far = binary(low, "add", low.emit("log", size), log(2))
    return _with_sign(low, x, where(low, binary(low, "lt", HUGE, size), far, near))


@lowers(aten.acosh.default)
def _acosh(low: Lowering, x: Ref) -> Ref:
    x = low.as_float(x)
    t = binary(low, "sub", x, 1.0)
    inner = low.emit("add", mul(low, t, 2.0), low.emit("mul", t, t))
    near = log1p(low, low.emit("add", t, low.emit("sqrt", inner)))
    far = binary(low, "add", low.emit("log", x), log(2))
    return where(low, binary(low, "lt", HUGE, x), far, near)


@lowers(aten.atanh.default)
def _atanh(low: Lowering, x: Ref) -> Ref:
    size = low.emit("abs", low.as_float(x))
    ratio = low.emit("div", mul(low, size, 2.0), binary(low, "sub", 1.0, size))
    return _with_sign(low, x, mul(low, log1p(low, ratio), 0.5))


# --- Powers and roots -----------------------------------------------------------------------------


@lowers(aten.rsqrt.default)
def _rsqrt(low: Lowering, x: Ref) -> Ref:
    return div(low, 1.0, low.emit("sqrt", low.as_float(x)))


@lowers(aten.hypot.default)
def _hypot(low: Lowering, x: Ref, y: Ref) -> Ref:
    x, y = low.emit("abs", x), low.emit("abs", y)
    large, small = low.emit("maximum", x, y), low.emit("minimum", x, y)
    ratio = low.emit("div", small, large)
    root = low.emit("sqrt", binary(low, "add", low.emit("mul", ratio, ratio), 1.0))
    size = low.emit("mul", large, root)
    infinite = low.emit("bitwise_or", *(binary(low, "eq", part, _INFINITY) for part in (x, y)))
    size = where(low, binary(low, "eq", large, 0.0), 0.0, size)
    return where(low, infinite, _INFINITY, size)


def _multiply_out(low: Lowering, x: Ref, exponent: int) -> Ref:
    """x to a whole power above 0, by squares."""
    result: Ref | None = None
    while True:
        if exponent & 1:
            result = x if result is None else binary(low, "mul", result, x)
        exponent >>= 1
        if not exponent:
            assert result is not None
            return result
        x = binary(low, "mul", x, x)


@lowers(aten.pow.Tensor_Scalar)
def _pow(low: Lowering, x: Ref, exponent: Number) -> Ref:
    if exponent == 0:
        return low.full(1, x.dtype).expand(x.shape)
    is_whole = exponent == int(exponent) if abs(exponent) < _INFINITY else False
    if is_integer(x) and low.get_result_dtype() is not torch.float32:
        if exponent < 0 or exponent > POWER_MAX:
            raise Unsupported(f"the power {exponent} of integers")
        return _multiply_out(low, x, int(exponent))
    x = low.as_float(x)
    if exponent == 0.5:
        return low.emit("sqrt", x)
    if exponent == -0.5:
        return div(low, 1.0, low.emit("sqrt", x))
    if is_whole and abs(exponent) <= POWER_MAX:
        result = _multiply_out(low, x, abs(int(exponent)))
        return result if exponent > 0 else div(low, 1.0, result)
    return power(low, x, low.full(float(exponent), Dtype.F32))


def power(low: Lowering, base: Ref, exponent: Ref) -> Ref:
    """base**exponent as C's pow has it: exp(exponent * log(|base|)), the sign by the exponent."""
    size = low.emit("exp", low.emit("mul", exponent, low.emit("log", low.emit("abs", base))))
    is_whole = low.emit("eq", exponent, low.emit("floor", exponent))
    half = mul(low, exponent, 0.5)
    is_odd = low.emit("lt", low.emit("floor", half), half)
    signed = where(low, is_odd, low.emit("neg", size), size)
    signed = where(low, is_whole, signed, float("nan"))
    negative = binary(low, "lt", base, 0.0)
    result = where(low, negative, signed, size)
    # log(0) * 0 and log(1) * infinity are no numbers, but these powers are 1.
    is_one = low.emit("bitwise_or", binary(low, "eq", exponent, 0.0), binary(low, "eq", base, 1.0))
    return where(low, is_one, 1.0, result)


@lowers(aten.pow.Scalar)
def _pow_scalar(low: Lowering, base: Number, exponent: Ref) -> Ref:
    exponent = low.as_float(exponent)
    if 0 < base < _INFINITY:
        return low.emit("exp", mul(low, exponent, log(base)))
    return power(low, low.full(float(base), Dtype.F32), exponent)


@lowers(aten.pow.Tensor_Tensor)
def _pow_tensor(low: Lowering, base: Ref, exponent: Ref) -> Ref:
    if low.get_result_dtype() is not torch.float32:
        raise Unsupported("a power of integers by integers of a tensor")
    return power(low, low.as_float(base), low.as_float(exponent))


# --- Not expressible ------------------------------------------------------------------------------


def _refuse(operation: Any, reason: str) -> None:
    @lowers(operation)
    def refused(low: Lowering, *_: object, **__: object) -> Ref:
        raise Unsupported(reason)


for _name in ("lgamma", "digamma", "erfinv", "i0"):
    _refuse(getattr(aten, _name).default, "the instruction set cannot express it")
for _overload in (aten.fmod.Tensor, aten.fmod.Scalar):
    _refuse(_overload, "no few float32 operations give a remainder exactly")
_refuse(aten.logcumsumexp.default, "a running logarithm of sums; subtract a maximum and use cumsum")
_refuse(
    aten._local_scalar_dense.default,
    "`.item()`, `float()` and `int()` take a value out of the program; keep it a tensor",
)
