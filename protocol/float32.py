"""binary32 arithmetic on bit patterns, each result rounded once.

A scalar is the 32-bit pattern of an IEEE 754 binary32, held in a Python int. Every function
returns the binary32 nearest to the exact real result (ties to even, gradual underflow, overflow
to infinity), so the definition needs no floating point of the machine that runs it. Every NaN
that is returned is `NAN`, whatever the payload or the sign of the operand.

Mirrored by `contracts/modules/float32.vy`.
"""

from math import isqrt

NAN = 0x7FC00000
INFINITY = 0x7F800000
SIGN = 2**31
MAGNITUDE = 2**31 - 1  # every bit but the sign

PRECISION = 24  # bits of a significand, the hidden one included
LOWEST_EXPONENT = -149  # the weight of the last bit of a subnormal is 2**-149
HIGHEST_EXPONENT = 127  # the leading bit of the largest finite number weighs 2**127

INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)


# Classification


def is_nan(bits: int) -> bool:
    return bits & MAGNITUDE > INFINITY


def is_infinite(bits: int) -> bool:
    return bits & MAGNITUDE == INFINITY


def is_finite(bits: int) -> bool:
    return bits & MAGNITUDE < INFINITY


def is_zero(bits: int) -> bool:
    return bits & MAGNITUDE == 0


def unpack(bits: int) -> tuple[int, int, int]:
    """Return (sign, significand, exponent); the value is (-1)**sign * significand * 2**exponent.

    The pattern must be finite. The significand is below 2**24; subnormals are not normalised.
    """
    fraction = bits & (2**23 - 1)
    biased_exponent = bits >> 23 & (2**8 - 1)
    if biased_exponent == 0:
        return bits >> 31, fraction, LOWEST_EXPONENT
    return bits >> 31, fraction + 2**23, biased_exponent - 150


# Rounding


def shift_and_round(magnitude: int, places: int) -> int:
    """Return the integer nearest to magnitude / 2**places, ties to even, for any `places`."""
    if places <= 0:
        return magnitude << -places
    halves = magnitude >> (places - 1)  # the quotient, and one bit that weighs a half
    quotient = halves >> 1
    if halves & 1 and (quotient & 1 or magnitude & ((1 << (places - 1)) - 1)):
        return quotient + 1
    return quotient


def round_scaled(sign: int, magnitude: int, exponent: int) -> int:
    """Return RN32((-1)**sign * magnitude * 2**exponent), for any magnitude >= 0."""
    if magnitude == 0:
        return sign << 31
    leading = magnitude.bit_length() - 1 + exponent
    if leading > HIGHEST_EXPONENT:
        return sign << 31 | INFINITY
    last = max(leading - (PRECISION - 1), LOWEST_EXPONENT)
    significand = shift_and_round(magnitude, last - exponent)
    # Adding, not or-ing: the hidden bit raises the exponent field by one (from 0 for subnormals
    # to 1), and so does a carry out of the significand, up to infinity.
    return (sign << 31) + ((last - LOWEST_EXPONENT) << 23) + significand


def round_quotient(sign: int, numerator: int, denominator: int, exponent: int) -> int:
    """Return RN32((-1)**sign * numerator / denominator * 2**exponent).

    The numerator must not be below the denominator by more than a factor 2**38: the 64 bits that
    are added leave 26 in the quotient. Then the last bit, set when the division leaves a
    remainder, lies below the bit that decides the rounding, and stands for all that follow.
    """
    quotient, remainder = divmod(numerator << 64, denominator)
    return round_scaled(sign, quotient | (remainder != 0), exponent - 64)


def round_to_float32(sign: int, numerator: int, denominator: int) -> int:
    """Return RN32 of the rational (-1)**sign * numerator / denominator."""
    normalise = max(0, denominator.bit_length() - numerator.bit_length())
    return round_quotient(sign, numerator << normalise, denominator, -normalise)


# Arithmetic


def add(a: int, b: int) -> int:
    # The order of the patterns without their signs is the order of the sizes, and puts NaN last.
    larger, smaller = (a, b) if a & MAGNITUDE >= b & MAGNITUDE else (b, a)
    if is_nan(larger):
        return NAN
    if is_infinite(larger):
        return NAN if smaller == larger ^ SIGN else larger
    sign, significand, exponent_larger = unpack(larger)
    _, significand_smaller, exponent = unpack(smaller)
    total = significand << (exponent_larger - exponent)
    if (a ^ b) & SIGN:
        total -= significand_smaller
    else:
        total += significand_smaller
    if total == 0:
        return a & b & SIGN  # an exact zero is negative only when both operands are -0
    return round_scaled(sign, total, exponent)


def sub(a: int, b: int) -> int:
    return add(a, b ^ SIGN)


def mul(a: int, b: int) -> int:
    if is_nan(a) or is_nan(b):
        return NAN
    sign = (a ^ b) >> 31
    if is_infinite(a) or is_infinite(b):
        return NAN if is_zero(a) or is_zero(b) else sign << 31 | INFINITY
    _, significand_a, exponent_a = unpack(a)
    _, significand_b, exponent_b = unpack(b)
    return round_scaled(sign, significand_a * significand_b, exponent_a + exponent_b)


def div(a: int, b: int) -> int:
    if is_nan(a) or is_nan(b):
        return NAN
    sign = (a ^ b) >> 31
    if is_infinite(a):
        return NAN if is_infinite(b) else sign << 31 | INFINITY
    if is_infinite(b):
        return sign << 31
    if is_zero(b):
        return NAN if is_zero(a) else sign << 31 | INFINITY
    _, significand_a, exponent_a = unpack(a)
    _, significand_b, exponent_b = unpack(b)
    return round_quotient(sign, significand_a, significand_b, exponent_a - exponent_b)


def sqrt(a: int) -> int:
    if is_nan(a):
        return NAN
    if is_zero(a):
        return a  # the root of -0 is -0
    if a & SIGN:
        return NAN
    if is_infinite(a):
        return a
    _, significand, exponent = unpack(a)
    scale = 64 + exponent % 2  # exponent - scale is even, and the root has at least 32 bits
    square = significand << scale
    root = isqrt(square)
    return round_scaled(0, 2 * root | (root * root != square), (exponent - scale) // 2 - 1)


def neg(a: int) -> int:
    return NAN if is_nan(a) else a ^ SIGN


def absolute(a: int) -> int:
    return NAN if is_nan(a) else a & MAGNITUDE


def floor(a: int) -> int:
    if is_nan(a):
        return NAN
    if is_infinite(a):
        return a
    sign, significand, exponent = unpack(a)
    if exponent >= 0:
        return a
    whole = significand >> -exponent
    if sign == 1 and whole << -exponent != significand:
        whole += 1
    return round_scaled(sign, whole, 0)


# Comparison


def order(bits: int) -> int:
    """Return an integer that is ordered like the value; both zeros have 0. Not for NaN."""
    return -(bits & MAGNITUDE) if bits & SIGN else bits


def maximum(a: int, b: int) -> int:
    """Return the larger; NaN if either is NaN; +0 is larger than -0."""
    if is_nan(a) or is_nan(b):
        return NAN
    if order(a) == order(b):
        return a & b  # equal, or two zeros: negative only if both are
    return a if order(a) > order(b) else b


def minimum(a: int, b: int) -> int:
    """Return the smaller; NaN if either is NaN; -0 is smaller than +0."""
    if is_nan(a) or is_nan(b):
        return NAN
    if order(a) == order(b):
        return a | b  # equal, or two zeros: negative if either is
    return a if order(a) < order(b) else b


def less_than(a: int, b: int) -> int:
    return int(not (is_nan(a) or is_nan(b)) and order(a) < order(b))


def less_equal(a: int, b: int) -> int:
    return int(not (is_nan(a) or is_nan(b)) and order(a) <= order(b))


def equal(a: int, b: int) -> int:
    return int(not (is_nan(a) or is_nan(b)) and order(a) == order(b))


# Integers


def from_int(number: int) -> int:
    """Return RN32(number): I2F, for i32 and i64."""
    return round_scaled(int(number < 0), abs(number), 0)


def to_int(a: int) -> int:
    """Return the value truncated towards zero: F2I.

    NaN gives 0; what lies outside i32 gives its nearest limit.
    """
    if is_nan(a):
        return 0
    if is_infinite(a):
        return INT32_MIN if a & SIGN else INT32_MAX
    sign, significand, exponent = unpack(a)
    whole = significand << exponent if exponent >= 0 else significand >> -exponent
    return max(-whole, INT32_MIN) if sign else min(whole, INT32_MAX)


def exponent_above(m: int) -> int:
    """Return the e with 2**(e-1) <= |m| < 2**e, for a finite m that is not zero."""
    _, significand, exponent = unpack(m)
    return significand.bit_length() + exponent


def quantize(x: int, m: int, bits: int) -> int:
    """Return the integer nearest to x * 2**(bits - 1 - exponent_above(m)), ties to even: QUANTIZE.

    Limited to at most 2**(bits - 1) - 1 in size, 1 <= bits <= 32. An m of 0 or one that is not
    finite gives 0, and so does an x that is NaN. The sign of m has no meaning.
    """
    if is_zero(m) or not is_finite(m) or is_nan(x):
        return 0
    limit = (1 << (bits - 1)) - 1
    if is_infinite(x):
        magnitude = limit
    else:
        _, significand, exponent = unpack(x)
        places = exponent_above(m) - (bits - 1) - exponent
        magnitude = min(shift_and_round(significand, places), limit)
    return -magnitude if x & SIGN else magnitude


def dequantize(acc: int, m_a: int, bits_a: int, m_b: int | None = None, bits_b: int = 0) -> int:
    """Return RN32(acc * 2**(e_a - (bits_a - 1)) * 2**(e_b - (bits_b - 1))): DEQUANTIZE.

    e = exponent_above(m). Without m_b the second factor is 1. NaN if an m is not finite, else
    +0 if an m or acc is 0. One rounding.
    """
    if not is_finite(m_a) or (m_b is not None and not is_finite(m_b)):
        return NAN
    if is_zero(m_a) or (m_b is not None and is_zero(m_b)):
        return 0
    exponent = exponent_above(m_a) - (bits_a - 1)
    if m_b is not None:
        exponent += exponent_above(m_b) - (bits_b - 1)
    return round_scaled(int(acc < 0), abs(acc), exponent)
