"""EXP, LOG, TANH and ERF on binary32 bit patterns, correctly rounded, in integers.

Method: each function is evaluated in fixed point with `FRACTION` = 112 fractional bits, then
rounded once by `float32.round_scaled` or `round_quotient`. No intermediate exceeds 256 bits, so
that `contracts/modules/elementary.vy` mirrors this file line by line.

Why the rounding is right. Let d be the distance of the exact result from the nearest rounding
boundary (a midpoint of two neighbouring binary32 numbers), relative to the result. If the
approximation is nearer to the exact result than d, both round alike; and d is never 0, as the
table shows. The rational results exp(0), log(1), tanh(0) and erf(0) come out exact.

    function   error below   smallest d, and the argument that has it
    exp        2**-100       2**-52.6   0xc16912cd = -0x1.d2259ap+3
    log        2**-82        2**-57.8   0x65d890d3 =  0x1.b121a6p+76
    tanh       2**-90        2**-50.3   0x3ac37de2 =  0x1.86fbc4p-10
    erf        2**-78        2**-56.4   0x3940ead6 =  0x1.81d5acp-13

Measured over all 2**32 arguments: `offchain.kernels.conformance` finds those whose d is below
2**-46 (130, 486, 64 and 722 of them), and multiple precision (MPFR, 400 bits) gave their d.
"""

from protocol.float32 import (
    INFINITY,
    NAN,
    SIGN,
    exponent_above,
    is_infinite,
    is_nan,
    is_zero,
    round_quotient,
    round_scaled,
    unpack,
)

FRACTION = 112  # twice this, and 24 bits more for a significand or a large term, fits 256 bits
UNIT = 2**FRACTION
LN2 = 3599025928123676973540407451845619  # ln 2 * UNIT, nearest
TWO_OVER_SQRT_PI = 5858879604546175277361428336400382  # 2 / sqrt(pi) * UNIT, nearest
ONE = 127 << 23  # the pattern of 1.0

EXP_TERMS = 26  # ln(2)**27 / 27! < 2**-107
ATANH_TERMS = 23  # 0.2**(2 * 23) < 2**-106
ERF_TERMS = 112  # 16**112 / 112! < 2**-151: the term has become 0 before


def to_fixed(significand: int, exponent: int) -> int:
    """Return significand * 2**exponent in fixed point, truncated."""
    places = FRACTION + exponent
    return significand << places if places >= 0 else significand >> -places


def exp_fixed(negative: int, x: int) -> tuple[int, int]:
    """Return (y, k) with exp(x / UNIT) = y / UNIT * 2**k, or exp(-x / UNIT) if `negative`.

    0 <= x <= 2**7 * UNIT; y lies between UNIT and 2 * UNIT. The error of y is below 2**-104
    relative: |k| <= 185 times half a unit of LN2, and the truncations of the sum.
    """
    quotient = x // LN2
    remainder = x - quotient * LN2
    k = quotient
    if negative:
        remainder = LN2 - remainder
        k = -quotient - 1
    y = UNIT
    for term in range(EXP_TERMS, 0, -1):
        y = UNIT + y * remainder // (term * UNIT)
    return y, k


def exp(a: int) -> int:
    if is_nan(a):
        return NAN
    negative = a >> 31
    if is_infinite(a) or exponent_above(a) > 7:  # exp(128) > 2**128, exp(-128) < 2**-150
        return 0 if negative else INFINITY
    _, significand, exponent = unpack(a)
    # What the truncation loses of a small argument is below 2**-112, next to a result near 1.
    y, k = exp_fixed(negative, to_fixed(significand, exponent))
    return round_scaled(0, y, k - FRACTION)


def log(a: int) -> int:
    """log(x) = k * ln 2 + 2 * atanh(z), z = (m - 1) / (m + 1), x = m * 2**k, 3/4 <= m < 3/2.

    Where k = 0 the result may be small, at least 2**-25; the error is relative to z there.
    """
    if is_nan(a):
        return NAN
    if is_zero(a):
        return SIGN | INFINITY
    if a & SIGN:
        return NAN
    if is_infinite(a):
        return a
    _, significand, exponent = unpack(a)
    k = exponent_above(a) - 1
    one = 1 << (k - exponent)  # 2**k in units of the significand
    if 2 * significand >= 3 * one:
        k += 1
        one *= 2
    z = abs(significand - one) * UNIT // (significand + one)
    square = z * z // UNIT
    series = 0
    for term in range(ATANH_TERMS, -1, -1):
        series = UNIT // (2 * term + 1) + series * square // UNIT
    tail = 2 * z * series // UNIT
    value = k * LN2 + (tail if significand >= one else -tail)
    return round_scaled(int(value < 0), abs(value), -FRACTION)


def tanh(a: int) -> int:
    """tanh(x) = (1 - exp(-2x)) / (1 + exp(-2x)), on |x|.

    Below 2**-12 the result is x: it is off by less than x**3 / 3 < 2**-25 * |x|, and the nearest
    boundary towards zero is at least 2**-25 * |x| away. From 16 on it is 1, less than 2**-45 off.
    """
    if is_nan(a):
        return NAN
    sign = a >> 31
    if is_infinite(a) or exponent_above(a) > 4:
        return sign << 31 | ONE
    if exponent_above(a) <= -12:
        return a
    _, significand, exponent = unpack(a)
    y, k = exp_fixed(1, to_fixed(significand, exponent + 1))
    power = y >> -k
    return round_quotient(sign, UNIT - power, UNIT + power, 0)


def erf(a: int) -> int:
    """erf(x) = 2 / sqrt(pi) * x * sum of (-1)**n * t**n / (n! * (2n + 1)), t = x**2.

    The sum is at least 0.2, and x is multiplied in last, so that small results keep their
    relative precision. Terms grow to 2**20 at most: a truncation of 2**-112 in one of fewer than
    2**7 terms grows by at most exp(16) < 2**24 in those that follow. From 4 on the result is 1:
    erfc(4) < 2**-25, half the distance from 1 to its lower neighbour.
    """
    if is_nan(a):
        return NAN
    sign = a >> 31
    if is_infinite(a) or exponent_above(a) > 2:
        return sign << 31 | ONE
    _, significand, exponent = unpack(a)
    square = to_fixed(significand * significand, 2 * exponent)
    power = UNIT  # t**n / n!
    positive = UNIT
    negative = 0
    for n in range(1, ERF_TERMS):
        power = power * square // (n * UNIT)
        if power == 0:
            break
        if n % 2 == 1:
            negative += power // (2 * n + 1)
        else:
            positive += power // (2 * n + 1)
    factor = (positive - negative) * TWO_OVER_SQRT_PI // UNIT
    return round_scaled(sign, significand * factor, exponent - FRACTION)
