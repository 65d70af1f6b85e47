"""Trigonometric functions and erfc, as float32 polynomials on a reduced argument.

The instruction set has none of them, so what a program computes is exactly these steps. Measured
against float64: within 3 units in the last place of results of size 1, absolute for sin, cos, tan
near their zeros and below them, as far as |x| <= 8192; from there on the argument's own spacing
is what counts, and results stay between -1 and 1. erfc is within 2e-6 of its value down to 1e-37.
"""

from collections.abc import Sequence
from math import pi

import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering
from offchain.capture.lowering_pointwise import binary, div, mul, where
from offchain.capture.registry import lowers

aten = torch.ops.aten

# pi / 2 in three parts, of which the first two have 8 and 11 bits: exact times up to 2**13.
HALF_PI = (1.5703125, 0.0004837512969970703, 7.549790126404332e-08)

# Chebyshev fits by rising power of z = x**2 (of t for erfc), rounded to float32.
# (sin(x) / x - 1) / z and (cos(x) - 1 + z / 2) / z**2 for |x| <= pi / 4
SIN = (-0.166666641831398, 0.008332736790180206, -0.0001958537322934717)
COS = (0.0416666641831398, -0.0013888290850445628, 2.454541936458554e-05)
# (atan(x) / x - 1) / z for |x| <= tan(pi / 8)
ATAN = (
    -0.3333333134651184,
    0.1999952346086502,
    -0.14263366162776947,
    0.10737396776676178,
    -0.06431038677692413,
)
ATAN_NEAR = 0.41421357
# (asin(x) / x - 1) / z for |x| <= 1 / 2
ASIN = (
    0.1666666567325592,
    0.07500094920396805,
    0.044599320739507675,
    0.031101727858185768,
    0.017143717035651207,
    0.03370072692632675,
)
# erfc(x) * exp(x**2) by t = 1 / (x + 2) for 1 / 2 <= x <= 10.2
ERFC = (
    4.726837687485386e-06,
    0.5639088749885559,
    1.1356773376464844,
    1.8652888536453247,
    3.865589141845703,
    -3.932851791381836,
    27.469518661499023,
    -81.01962280273438,
    92.99382781982422,
    -39.55274200439453,
)
ERFC_END = 10.2  # where erfc is below every float32


def _polynomial(low: Lowering, coefficients: Sequence[float], x: Ref) -> Ref:
    total = mul(low, x, coefficients[-1])
    for coefficient in reversed(coefficients[1:-1]):
        total = low.emit("mul", binary(low, "add", total, coefficient), x)
    return binary(low, "add", total, coefficients[0])


def _odd(low: Lowering, coefficients: Sequence[float], x: Ref) -> Ref:
    """x + x**3 * polynomial(x**2)."""
    square = low.emit("mul", x, x)
    rest = low.emit("mul", square, _polynomial(low, coefficients, square))
    return low.emit("add", x, low.emit("mul", x, rest))


def _reduce(low: Lowering, x: Ref) -> tuple[Ref, Ref]:
    """(the nearest multiple of pi / 2, what is left), counted from 0 to 3."""
    turns = low.emit("floor", binary(low, "add", mul(low, x, 2 / pi), 0.5))
    rest = x
    for part in HALF_PI:
        rest = low.emit("sub", rest, mul(low, turns, part))
    rest = binary(low, "maximum", binary(low, "minimum", rest, pi / 4), -pi / 4)
    rounds = low.emit("floor", mul(low, turns, 0.25))
    return low.emit("sub", turns, mul(low, rounds, 4.0)), rest


def _sine(low: Lowering, x: Ref, quarter: int) -> Ref:
    """The sine a number of quarters of a turn later."""
    turns, rest = _reduce(low, x)
    square = low.emit("mul", rest, rest)
    fourth = low.emit("mul", square, square)
    cosine = binary(low, "sub", 1.0, mul(low, square, 0.5))
    cosine = low.emit("add", cosine, low.emit("mul", fourth, _polynomial(low, COS, square)))
    sine = _odd(low, SIN, rest)

    def is_one_of(first: int, second: int) -> Ref:
        return low.emit(
            "bitwise_or",
            binary(low, "eq", turns, float((first - quarter) % 4)),
            binary(low, "eq", turns, float((second - quarter) % 4)),
        )

    size = where(low, is_one_of(1, 3), cosine, sine)
    return where(low, is_one_of(2, 3), low.emit("neg", size), size)


@lowers(aten.sin.default)
def _sin(low: Lowering, x: Ref) -> Ref:
    return _sine(low, low.as_float(x), 0)


@lowers(aten.cos.default)
def _cos(low: Lowering, x: Ref) -> Ref:
    return _sine(low, low.as_float(x), 1)


@lowers(aten.tan.default)
def _tan(low: Lowering, x: Ref) -> Ref:
    x = low.as_float(x)
    return low.emit("div", _sine(low, x, 0), _sine(low, x, 1))


@lowers(aten.sinc.default)
def _sinc(low: Lowering, x: Ref) -> Ref:
    x = low.as_float(x)
    turned = mul(low, x, pi)
    ratio = low.emit("div", _sine(low, turned, 0), turned)
    return where(low, binary(low, "eq", x, 0.0), 1.0, ratio)


def _atan_of_size(low: Lowering, size: Ref) -> Ref:
    """atan of numbers from 0 to 1."""
    is_near = binary(low, "le", size, ATAN_NEAR)
    turned = low.emit("div", binary(low, "sub", size, 1.0), binary(low, "add", size, 1.0))
    result = _odd(low, ATAN, where(low, is_near, size, turned))
    return where(low, is_near, result, binary(low, "add", result, pi / 4))


def _with_sign_of(low: Lowering, sign: Ref, size: Ref) -> Ref:
    """The size with a sign, a negative zero's too."""
    is_zero = binary(low, "eq", sign, 0.0)
    sign = where(low, is_zero, div(low, 1.0, sign), sign)
    return where(low, binary(low, "lt", sign, 0.0), low.emit("neg", size), size)


@lowers(aten.atan.default)
def _atan(low: Lowering, x: Ref) -> Ref:
    x = low.as_float(x)
    size = low.emit("abs", x)
    is_far = binary(low, "lt", 1.0, size)
    result = _atan_of_size(low, where(low, is_far, div(low, 1.0, size), size))
    result = where(low, is_far, binary(low, "sub", pi / 2, result), result)
    return _with_sign_of(low, x, result)


@lowers(aten.atan2.default)
def _atan2(low: Lowering, y: Ref, x: Ref) -> Ref:
    x, y = low.as_float(x), low.as_float(y)
    width, height = low.emit("abs", x), low.emit("abs", y)
    large, small = low.emit("maximum", width, height), low.emit("minimum", width, height)
    ratio = low.emit("div", small, large)
    ratio = where(low, binary(low, "eq", large, 0.0), 0.0, ratio)
    ratio = where(low, binary(low, "eq", small, float("inf")), 1.0, ratio)
    angle = _atan_of_size(low, ratio)
    angle = where(low, low.emit("lt", width, height), binary(low, "sub", pi / 2, angle), angle)
    # From the axis towards the left: the same angle on the other side.
    side = _with_sign_of(low, x, low.full(1.0, angle.dtype).expand(x.shape))
    angle = where(low, binary(low, "lt", side, 0.0), binary(low, "sub", pi, angle), angle)
    return _with_sign_of(low, y, angle)


def _asin_far(low: Lowering, size: Ref) -> Ref:
    """acos of numbers from 1 / 2 to 1; NaN above 1."""
    half = mul(low, binary(low, "sub", 1.0, size), 0.5)
    return mul(low, _odd(low, ASIN, low.emit("sqrt", half)), 2.0)


@lowers(aten.asin.default)
def _asin(low: Lowering, x: Ref) -> Ref:
    x = low.as_float(x)
    size = low.emit("abs", x)
    far = binary(low, "sub", pi / 2, _asin_far(low, size))
    is_near = binary(low, "le", size, 0.5)
    return _with_sign_of(low, x, where(low, is_near, _odd(low, ASIN, size), far))


@lowers(aten.acos.default)
def _acos(low: Lowering, x: Ref) -> Ref:
    x = low.as_float(x)
    size = low.emit("abs", x)
    far = _asin_far(low, size)
    far = where(low, binary(low, "lt", x, 0.0), binary(low, "sub", pi, far), far)
    near = binary(low, "sub", pi / 2, _odd(low, ASIN, x))
    return where(low, binary(low, "le", size, 0.5), near, far)


@lowers(aten.erfc.default)
def _erfc(low: Lowering, x: Ref) -> Ref:
    """1 - erf(x), from 1 / 2 on without the loss of a difference.

    exp(-x**2) is exp(-c**2) * exp(-(x - c) * (x + c)) with c = x cut to 11 bits, whose square is
    exact.
    """
    x = low.as_float(x)
    size = binary(low, "minimum", low.emit("abs", x), ERFC_END)
    cut = mul(low, low.emit("floor", mul(low, size, 2.0**7)), 2.0**-7)
    rest = low.emit("mul", low.emit("sub", size, cut), low.emit("add", size, cut))
    fall = low.emit("exp", low.emit("neg", low.emit("mul", cut, cut)))
    fall = low.emit("mul", fall, low.emit("exp", low.emit("neg", rest)))
    t = div(low, 1.0, binary(low, "add", size, 2.0))
    far = low.emit("mul", fall, _polynomial(low, ERFC, t))
    far = where(low, binary(low, "le", ERFC_END, size), 0.0, far)
    is_far = binary(low, "lt", 0.5, x)
    return where(low, is_far, far, binary(low, "sub", 1.0, low.emit("erf", x)))
