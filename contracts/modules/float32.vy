# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title binary32 arithmetic on bit patterns, each result rounded once
@notice Mirrors `protocol/float32.py` name by name. A scalar is the 32-bit pattern of an IEEE 754
        binary32 in a uint256; callers clear the bits above. Every result is the binary32 nearest
        to the exact real result (ties to even, gradual underflow, overflow to infinity). Every
        NaN that is returned is `NAN`.
@dev No function reverts, whatever the operands, as long as they are below 2**32 (significands
     then are below 2**24 and exponents between -149 and 104), or as its own comment demands.
     That range is the reason for every unsafe operation here that states no other.
"""


NAN: constant(uint256) = 2**31 - 2**22  # the pattern 0x7fc00000
INFINITY: constant(uint256) = 2**31 - 2**23  # the pattern 0x7f800000
SIGN: constant(uint256) = 2**31
MAGNITUDE: constant(uint256) = 2**31 - 1  # every bit but the sign

PRECISION: constant(int256) = 24  # bits of a significand, the hidden one included
LOWEST_EXPONENT: constant(int256) = -149  # the last bit of a subnormal weighs 2**-149
HIGHEST_EXPONENT: constant(int256) = 127  # the largest finite number's leading bit weighs 2**127

INT32_MAX: constant(uint256) = 2**31 - 1

# The bit lengths of 0 to 15, four bits each, that of 0 lowest.
LENGTHS_OF_NIBBLES: constant(uint256) = 4919131752702878224


# Classification


@internal
@pure
def is_nan(bits: uint256) -> bool:
    return bits & MAGNITUDE > INFINITY


@internal
@pure
def is_infinite(bits: uint256) -> bool:
    return bits & MAGNITUDE == INFINITY


@internal
@pure
def is_finite(bits: uint256) -> bool:
    return bits & MAGNITUDE < INFINITY


@internal
@pure
def is_zero(bits: uint256) -> bool:
    return bits & MAGNITUDE == 0


@internal
@pure
def unpack(bits: uint256) -> (uint256, int256):
    """
    @notice (significand, exponent) of a finite pattern: it is significand * 2**exponent in size.
    @dev The sign is `bits >> 31`, which callers mostly have already.
    """
    fraction: uint256 = bits & (2**23 - 1)
    biased_exponent: uint256 = (bits >> 23) & 255
    if biased_exponent == 0:
        return fraction, LOWEST_EXPONENT
    # unsafe: a biased exponent is below 256
    return fraction | 2**23, unsafe_sub(convert(biased_exponent, int256), 150)


# Rounding


@internal
@pure
def bit_length(x: uint256) -> int256:
    """
    @notice The number of bits of x; 0 for 0.
    """
    length: uint256 = 0
    rest: uint256 = x
    if rest >= 2**128:
        rest >>= 128
        length = 128
    if rest >= 2**64:
        rest >>= 64
        length |= 64
    if rest >= 2**32:
        rest >>= 32
        length |= 32
    if rest >= 2**16:
        rest >>= 16
        length |= 16
    if rest >= 2**8:
        rest >>= 8
        length |= 8
    if rest >= 2**4:
        rest >>= 4
        length |= 4
    # unsafe: at most 252 + 4
    return convert(unsafe_add(length, (LENGTHS_OF_NIBBLES >> (rest << 2)) & 15), int256)


@internal
@pure
def shift_and_round(magnitude: uint256, places: int256) -> uint256:
    """
    @notice The integer nearest to magnitude / 2**places, ties to even.
    @dev A negative `places` must not push bits out of the word.
    """
    if places <= 0:
        return magnitude << convert(unsafe_sub(0, places), uint256)
    # unsafe: places > 0
    below: uint256 = convert(unsafe_sub(places, 1), uint256)
    halves: uint256 = magnitude >> below
    quotient: uint256 = halves >> 1
    half: uint256 = 1 << below
    if halves & 1 == 1:
        # unsafe: where the power of two is too large for the word, the wrapped mask is all ones
        if quotient & 1 == 1 or magnitude & unsafe_sub(half, 1) != 0:
            # unsafe: halved, so below 2**255
            return unsafe_add(quotient, 1)
    return quotient


@internal
@pure
def round_scaled(sign: uint256, magnitude: uint256, exponent: int256) -> uint256:
    """
    @notice RN32((-1)**sign * magnitude * 2**exponent), for any magnitude.
    @dev |exponent| must be below 2**200; that is why no sum of exponents can wrap.
    """
    signed_zero: uint256 = sign << 31
    if magnitude == 0:
        return signed_zero
    leading: int256 = unsafe_add(unsafe_sub(self.bit_length(magnitude), 1), exponent)
    if leading > HIGHEST_EXPONENT:
        return signed_zero | INFINITY
    last: int256 = max(unsafe_sub(leading, PRECISION - 1), LOWEST_EXPONENT)
    significand: uint256 = self.shift_and_round(magnitude, unsafe_sub(last, exponent))
    # Adding, not or-ing: the hidden bit raises the exponent field by one (from 0 for subnormals
    # to 1), and so does a carry out of the significand, up to infinity.
    # unsafe: -149 <= last <= 104, so the sum is a pattern
    field: uint256 = convert(unsafe_sub(last, LOWEST_EXPONENT), uint256)
    return unsafe_add(unsafe_add(signed_zero, field << 23), significand)


@internal
@pure
def round_quotient(
    sign: uint256, numerator: uint256, denominator: uint256, exponent: int256
) -> uint256:
    """
    @notice RN32((-1)**sign * numerator / denominator * 2**exponent).
    @dev The numerator must be below 2**192, the denominator not 0 and at most 2**38 times the
         numerator: the quotient then has 26 bits or more, and its last one, set when the division
         leaves a remainder, lies below the bit that decides the rounding.
    """
    scaled: uint256 = numerator << 64
    # unsafe: the caller's denominator is not 0
    quotient: uint256 = unsafe_div(scaled, denominator)
    if unsafe_mul(quotient, denominator) != scaled:  # unsafe: at most `scaled`
        quotient |= 1
    return self.round_scaled(sign, quotient, unsafe_sub(exponent, 64))


# Arithmetic


@internal
@pure
def add(a: uint256, b: uint256) -> uint256:
    # The order of the patterns without their signs is the order of the sizes, and puts NaN last.
    larger: uint256 = a
    smaller: uint256 = b
    if a & MAGNITUDE < b & MAGNITUDE:
        larger = b
        smaller = a
    if self.is_nan(larger):
        return NAN
    if self.is_infinite(larger):
        if smaller == larger ^ SIGN:
            return NAN
        return larger
    significand: uint256 = 0
    exponent_larger: int256 = 0
    significand, exponent_larger = self.unpack(larger)
    significand_smaller: uint256 = 0
    exponent: int256 = 0
    significand_smaller, exponent = self.unpack(smaller)
    gap: uint256 = convert(unsafe_sub(exponent_larger, exponent), uint256)
    if gap > 64:
        # So far below, the smaller operand only says on which side of the larger one the sum
        # lies. The last of 64 further bits says the same, and the word holds it.
        gap = 64
        exponent = unsafe_sub(exponent_larger, 64)
        significand_smaller = min(significand_smaller, 1)
    # unsafe: below 2**88, and the larger operand's share is not below the smaller's
    total: uint256 = significand << gap
    if (a ^ b) & SIGN == 0:
        total = unsafe_add(total, significand_smaller)
    else:
        total = unsafe_sub(total, significand_smaller)
    if total == 0:
        return a & b & SIGN  # an exact zero is negative only when both operands are -0
    return self.round_scaled(larger >> 31, total, exponent)


@internal
@pure
def sub(a: uint256, b: uint256) -> uint256:
    return self.add(a, b ^ SIGN)


@internal
@pure
def mul(a: uint256, b: uint256) -> uint256:
    if self.is_nan(a) or self.is_nan(b):
        return NAN
    sign: uint256 = (a ^ b) >> 31
    if self.is_infinite(a) or self.is_infinite(b):
        if self.is_zero(a) or self.is_zero(b):
            return NAN
        return (sign << 31) | INFINITY
    significand_a: uint256 = 0
    exponent_a: int256 = 0
    significand_a, exponent_a = self.unpack(a)
    significand_b: uint256 = 0
    exponent_b: int256 = 0
    significand_b, exponent_b = self.unpack(b)
    return self.round_scaled(
        sign, unsafe_mul(significand_a, significand_b), unsafe_add(exponent_a, exponent_b)
    )


@internal
@pure
def div(a: uint256, b: uint256) -> uint256:
    if self.is_nan(a) or self.is_nan(b):
        return NAN
    sign: uint256 = (a ^ b) >> 31
    if self.is_infinite(a):
        if self.is_infinite(b):
            return NAN
        return (sign << 31) | INFINITY
    if self.is_infinite(b):
        return sign << 31
    if self.is_zero(b):
        if self.is_zero(a):
            return NAN
        return (sign << 31) | INFINITY
    significand_a: uint256 = 0
    exponent_a: int256 = 0
    significand_a, exponent_a = self.unpack(a)
    significand_b: uint256 = 0
    exponent_b: int256 = 0
    significand_b, exponent_b = self.unpack(b)
    return self.round_quotient(
        sign, significand_a, significand_b, unsafe_sub(exponent_a, exponent_b)
    )


@internal
@pure
def sqrt(a: uint256) -> uint256:
    if self.is_nan(a):
        return NAN
    if self.is_zero(a):
        return a  # the root of -0 is -0
    if a & SIGN != 0:
        return NAN
    if self.is_infinite(a):
        return a
    significand: uint256 = 0
    exponent: int256 = 0
    significand, exponent = self.unpack(a)
    # exponent - scale is even, and the root has at least 32 bits
    scale: uint256 = 64 | (convert(unsafe_add(exponent, 256), uint256) & 1)
    square: uint256 = significand << scale
    root: uint256 = isqrt(square)
    doubled: uint256 = root << 1
    if unsafe_mul(root, root) != square:  # unsafe: the root is below 2**45
        doubled |= 1
    exponent = unsafe_sub(exponent, convert(scale, int256)) >> 1  # arithmetic, and even
    return self.round_scaled(0, doubled, unsafe_sub(exponent, 1))


@internal
@pure
def neg(a: uint256) -> uint256:
    if self.is_nan(a):
        return NAN
    return a ^ SIGN


@internal
@pure
def absolute(a: uint256) -> uint256:
    if self.is_nan(a):
        return NAN
    return a & MAGNITUDE


@internal
@pure
def floor(a: uint256) -> uint256:
    if self.is_nan(a):
        return NAN
    if self.is_infinite(a):
        return a
    significand: uint256 = 0
    exponent: int256 = 0
    significand, exponent = self.unpack(a)
    if exponent >= 0:
        return a
    sign: uint256 = a >> 31
    places: uint256 = convert(unsafe_sub(0, exponent), uint256)
    whole: uint256 = significand >> places
    if sign == 1 and whole << places != significand:
        whole = unsafe_add(whole, 1)
    return self.round_scaled(sign, whole, 0)


# Comparison


@internal
@pure
def order(bits: uint256) -> int256:
    """
    @notice An integer that is ordered like the value; both zeros have 0. Not for NaN.
    """
    size: int256 = convert(bits & MAGNITUDE, int256)
    if bits & SIGN != 0:
        return unsafe_sub(0, size)
    return size


@internal
@pure
def maximum(a: uint256, b: uint256) -> uint256:
    """
    @notice The larger; NaN if either is NaN; +0 is larger than -0.
    """
    if self.is_nan(a) or self.is_nan(b):
        return NAN
    order_a: int256 = self.order(a)
    order_b: int256 = self.order(b)
    if order_a == order_b:
        return a & b  # equal, or two zeros: negative only if both are
    if order_a > order_b:
        return a
    return b


@internal
@pure
def minimum(a: uint256, b: uint256) -> uint256:
    """
    @notice The smaller; NaN if either is NaN; -0 is smaller than +0.
    """
    if self.is_nan(a) or self.is_nan(b):
        return NAN
    order_a: int256 = self.order(a)
    order_b: int256 = self.order(b)
    if order_a == order_b:
        return a | b  # equal, or two zeros: negative if either is
    if order_a < order_b:
        return a
    return b


@internal
@pure
def less_than(a: uint256, b: uint256) -> uint256:
    if self.is_nan(a) or self.is_nan(b):
        return 0
    return convert(self.order(a) < self.order(b), uint256)


@internal
@pure
def less_equal(a: uint256, b: uint256) -> uint256:
    if self.is_nan(a) or self.is_nan(b):
        return 0
    return convert(self.order(a) <= self.order(b), uint256)


@internal
@pure
def equal(a: uint256, b: uint256) -> uint256:
    if self.is_nan(a) or self.is_nan(b):
        return 0
    return convert(self.order(a) == self.order(b), uint256)


# Integers


@internal
@pure
def split_sign(number: int256) -> (uint256, uint256):
    """
    @notice (sign, size) of an integer.
    @dev Through bytes32, because `convert` to uint256 reverts on a negative value and there is
         no int256 of size 2**255. unsafe: the two's complement of the lowest is its size.
    """
    word: uint256 = convert(convert(number, bytes32), uint256)
    if number < 0:
        return 1, unsafe_sub(0, word)
    return 0, word


@internal
@pure
def from_int(number: int256) -> uint256:
    """
    @notice RN32(number): I2F, for i32 and i64.
    """
    sign: uint256 = 0
    size: uint256 = 0
    sign, size = self.split_sign(number)
    return self.round_scaled(sign, size, 0)


@internal
@pure
def to_int(a: uint256) -> int256:
    """
    @notice The value truncated towards zero: F2I.
    @dev NaN gives 0; what lies outside i32 gives its nearest limit.
    """
    if self.is_nan(a):
        return 0
    whole: uint256 = INT32_MAX + 1
    if self.is_finite(a):
        significand: uint256 = 0
        exponent: int256 = 0
        significand, exponent = self.unpack(a)
        if exponent < 0:
            whole = significand >> convert(unsafe_sub(0, exponent), uint256)
        else:
            whole = min(whole, significand << convert(exponent, uint256))
    if a & SIGN != 0:
        return unsafe_sub(0, convert(whole, int256))  # unsafe: at most 2**31
    return convert(min(whole, INT32_MAX), int256)


@internal
@pure
def exponent_above(m: uint256) -> int256:
    """
    @notice The e with 2**(e-1) <= |m| < 2**e, for a finite m that is not zero.
    """
    significand: uint256 = 0
    exponent: int256 = 0
    significand, exponent = self.unpack(m)
    if significand >= 2**23:
        return unsafe_add(exponent, PRECISION)
    return unsafe_add(exponent, self.bit_length(significand))


@internal
@pure
def quantize(x: uint256, m: uint256, bits: uint256) -> int256:
    """
    @notice The integer nearest to x * 2**(bits - 1 - exponent_above(m)), ties to even: QUANTIZE.
    @dev Limited to at most 2**(bits - 1) - 1 in size, 1 <= bits <= 32. An m of 0 or one that is
         not finite gives 0, and so does an x that is NaN. The sign of m has no meaning.
    """
    if self.is_zero(m) or not self.is_finite(m) or self.is_nan(x):
        return 0
    precision: uint256 = unsafe_sub(bits, 1)  # unsafe: 1 <= bits
    limit: uint256 = (1 << precision) - 1
    magnitude: uint256 = limit
    if self.is_finite(x):
        significand: uint256 = 0
        exponent: int256 = 0
        significand, exponent = self.unpack(x)
        places: int256 = unsafe_sub(
            unsafe_sub(self.exponent_above(m), convert(precision, int256)), exponent
        )
        # A left shift by 31 alone takes all but 0 to the limit, and more could leave the word.
        magnitude = min(self.shift_and_round(significand, max(places, -31)), limit)
    if x & SIGN != 0:
        return unsafe_sub(0, convert(magnitude, int256))
    return convert(magnitude, int256)


@internal
@pure
def dequantize(
    acc: int256, m_a: uint256, bits_a: uint256, m_b: uint256, bits_b: uint256
) -> uint256:
    """
    @notice RN32(acc * 2**(e_a - (bits_a - 1)) * 2**(e_b - (bits_b - 1))): DEQUANTIZE.
    @dev e = exponent_above(m). With bits_b = 0 the second factor is 1 and m_b has no meaning.
         NaN if an m is not finite, else +0 if an m or acc is 0. One rounding.
         1 <= bits_a <= 32, bits_b <= 32.
    """
    has_b: bool = bits_b != 0
    if not self.is_finite(m_a) or (has_b and not self.is_finite(m_b)):
        return NAN
    if self.is_zero(m_a) or (has_b and self.is_zero(m_b)):
        return 0
    sign: uint256 = 0
    size: uint256 = 0
    sign, size = self.split_sign(acc)
    if size == 0:
        return 0
    exponent: int256 = self.exponent_above(m_a) - (convert(bits_a, int256) - 1)
    if has_b:
        exponent += self.exponent_above(m_b) - (convert(bits_b, int256) - 1)
    return self.round_scaled(sign, size, exponent)
