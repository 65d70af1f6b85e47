# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title EXP, LOG, TANH and ERF on binary32 bit patterns, correctly rounded
@notice Mirrors `protocol/elementary.py` line by line; the reasons for the method, the error
        bounds and the ranges of arguments are stated there. `log_` has its underscore because
        Vyper reserves the word.
@dev Arguments are below 2**32. Unsafe operations: a fixed-point number is below 2**120 but for
     the terms of ERF, which are below 2**133 and multiplied by squares below 2**116; no divisor
     is 0.
"""


from . import float32


FRACTION: constant(uint256) = 112
UNIT: constant(uint256) = 2**112
LN2: constant(uint256) = 3599025928123676973540407451845619  # ln 2 * UNIT, nearest
TWO_OVER_SQRT_PI: constant(uint256) = 5858879604546175277361428336400382  # * UNIT, nearest
ONE: constant(uint256) = 127 * 2**23  # the pattern of 1.0

EXP_TERMS: constant(uint256) = 26
ATANH_TERMS: constant(uint256) = 23
ERF_TERMS: constant(uint256) = 112


@internal
@pure
def to_fixed(significand: uint256, exponent: int256) -> uint256:
    """
    @notice significand * 2**exponent in fixed point, truncated.
    """
    places: int256 = unsafe_add(convert(FRACTION, int256), exponent)
    if places >= 0:
        return significand << convert(places, uint256)
    return significand >> convert(unsafe_sub(0, places), uint256)


@internal
@pure
def exp_fixed(negative: bool, x: uint256) -> (uint256, int256):
    """
    @notice (y, k) with exp(x / UNIT) = y / UNIT * 2**k, or exp(-x / UNIT) if `negative`.
    @dev 0 <= x <= 2**7 * UNIT; y lies between UNIT and 2 * UNIT.
    """
    quotient: uint256 = unsafe_div(x, LN2)
    remainder: uint256 = unsafe_sub(x, unsafe_mul(quotient, LN2))
    k: int256 = convert(quotient, int256)
    if negative:
        remainder = unsafe_sub(LN2, remainder)
        k = unsafe_sub(unsafe_sub(0, k), 1)
    y: uint256 = UNIT
    divisor: uint256 = EXP_TERMS * UNIT
    for i: uint256 in range(EXP_TERMS):
        y = unsafe_add(UNIT, unsafe_div(unsafe_mul(y, remainder), divisor))
        divisor = unsafe_sub(divisor, UNIT)
    return y, k


@internal
@pure
def exp(a: uint256) -> uint256:
    if float32.is_nan(a):
        return float32.NAN
    negative: bool = a >> 31 == 1
    if float32.is_infinite(a) or float32.exponent_above(a) > 7:
        if negative:
            return 0
        return float32.INFINITY
    significand: uint256 = 0
    exponent: int256 = 0
    significand, exponent = float32.unpack(a)
    y: uint256 = 0
    k: int256 = 0
    y, k = self.exp_fixed(negative, self.to_fixed(significand, exponent))
    return float32.round_scaled(0, y, unsafe_sub(k, convert(FRACTION, int256)))


@internal
@pure
def log_(a: uint256) -> uint256:
    """
    @notice log(x) = k * ln 2 + 2 * atanh(z), z = (m - 1) / (m + 1), x = m * 2**k.
    """
    if float32.is_nan(a):
        return float32.NAN
    if float32.is_zero(a):
        return float32.SIGN | float32.INFINITY
    if a & float32.SIGN != 0:
        return float32.NAN
    if float32.is_infinite(a):
        return a
    significand: uint256 = 0
    exponent: int256 = 0
    significand, exponent = float32.unpack(a)
    k: int256 = unsafe_sub(float32.exponent_above(a), 1)
    one: uint256 = 1 << convert(unsafe_sub(k, exponent), uint256)
    if unsafe_mul(2, significand) >= unsafe_mul(3, one):
        k = unsafe_add(k, 1)
        one = one << 1
    is_above: bool = significand >= one
    difference: uint256 = unsafe_sub(one, significand)
    if is_above:
        difference = unsafe_sub(significand, one)
    z: uint256 = unsafe_div(difference << FRACTION, unsafe_add(significand, one))
    square: uint256 = unsafe_mul(z, z) >> FRACTION
    series: uint256 = 0
    odd: uint256 = 2 * ATANH_TERMS + 1
    for i: uint256 in range(ATANH_TERMS + 1):
        series = unsafe_add(unsafe_div(UNIT, odd), unsafe_mul(series, square) >> FRACTION)
        odd = unsafe_sub(odd, 2)
    tail: int256 = convert((unsafe_mul(z, series) << 1) >> FRACTION, int256)
    result: int256 = unsafe_mul(k, convert(LN2, int256))
    if is_above:
        result = unsafe_add(result, tail)
    else:
        result = unsafe_sub(result, tail)
    sign: uint256 = 0
    size: uint256 = 0
    sign, size = float32.split_sign(result)
    return float32.round_scaled(sign, size, -convert(FRACTION, int256))


@internal
@pure
def tanh(a: uint256) -> uint256:
    """
    @notice tanh(x) = (1 - exp(-2x)) / (1 + exp(-2x)), on |x|.
    """
    if float32.is_nan(a):
        return float32.NAN
    sign: uint256 = a >> 31
    if float32.is_infinite(a) or float32.exponent_above(a) > 4:
        return (sign << 31) | ONE
    if float32.exponent_above(a) <= -12:
        return a
    significand: uint256 = 0
    exponent: int256 = 0
    significand, exponent = float32.unpack(a)
    y: uint256 = 0
    k: int256 = 0
    y, k = self.exp_fixed(True, self.to_fixed(significand, unsafe_add(exponent, 1)))
    power: uint256 = y >> convert(unsafe_sub(0, k), uint256)
    return float32.round_quotient(sign, unsafe_sub(UNIT, power), unsafe_add(UNIT, power), 0)


@internal
@pure
def erf(a: uint256) -> uint256:
    """
    @notice erf(x) = 2 / sqrt(pi) * x * sum of (-1)**n * t**n / (n! * (2n + 1)), t = x**2.
    """
    if float32.is_nan(a):
        return float32.NAN
    sign: uint256 = a >> 31
    if float32.is_infinite(a) or float32.exponent_above(a) > 2:
        return (sign << 31) | ONE
    significand: uint256 = 0
    exponent: int256 = 0
    significand, exponent = float32.unpack(a)
    square: uint256 = self.to_fixed(
        unsafe_mul(significand, significand), unsafe_add(exponent, exponent)
    )
    power: uint256 = UNIT  # t**n / n!
    total: uint256 = UNIT
    for n: uint256 in range(1, ERF_TERMS):
        power = unsafe_div(unsafe_mul(power, square), n << FRACTION)
        if power == 0:
            break
        # unsafe: may wrap below 0 between two terms; the sum of all is at least UNIT / 5
        if n & 1 == 1:
            total = unsafe_sub(total, unsafe_div(power, (n << 1) | 1))
        else:
            total = unsafe_add(total, unsafe_div(power, (n << 1) | 1))
    factor: uint256 = unsafe_mul(total, TWO_OVER_SQRT_PI) >> FRACTION
    return float32.round_scaled(
        sign, unsafe_mul(significand, factor), unsafe_sub(exponent, convert(FRACTION, int256))
    )
