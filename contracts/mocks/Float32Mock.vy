# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title Float32Mock
@notice Exposes the functions of `modules/float32.vy` to tests.
"""


from ..modules import float32


@external
@pure
def shift_and_round(magnitude: uint256, places: int256) -> uint256:
    return float32.shift_and_round(magnitude, places)


@external
@pure
def round_scaled(sign: uint256, magnitude: uint256, exponent: int256) -> uint256:
    return float32.round_scaled(sign, magnitude, exponent)


@external
@pure
def round_quotient(
    sign: uint256, numerator: uint256, denominator: uint256, exponent: int256
) -> uint256:
    return float32.round_quotient(sign, numerator, denominator, exponent)


@external
@pure
def add(a: uint256, b: uint256) -> uint256:
    return float32.add(a, b)


@external
@pure
def sub(a: uint256, b: uint256) -> uint256:
    return float32.sub(a, b)


@external
@pure
def mul(a: uint256, b: uint256) -> uint256:
    return float32.mul(a, b)


@external
@pure
def div(a: uint256, b: uint256) -> uint256:
    return float32.div(a, b)


@external
@pure
def maximum(a: uint256, b: uint256) -> uint256:
    return float32.maximum(a, b)


@external
@pure
def minimum(a: uint256, b: uint256) -> uint256:
    return float32.minimum(a, b)


@external
@pure
def less_than(a: uint256, b: uint256) -> uint256:
    return float32.less_than(a, b)


@external
@pure
def less_equal(a: uint256, b: uint256) -> uint256:
    return float32.less_equal(a, b)


@external
@pure
def equal(a: uint256, b: uint256) -> uint256:
    return float32.equal(a, b)


@external
@pure
def sqrt(a: uint256) -> uint256:
    return float32.sqrt(a)


@external
@pure
def neg(a: uint256) -> uint256:
    return float32.neg(a)


@external
@pure
def absolute(a: uint256) -> uint256:
    return float32.absolute(a)


@external
@pure
def floor(a: uint256) -> uint256:
    return float32.floor(a)


@external
@pure
def from_int(number: int256) -> uint256:
    return float32.from_int(number)


@external
@pure
def to_int(a: uint256) -> int256:
    return float32.to_int(a)


@external
@pure
def exponent_above(m: uint256) -> int256:
    return float32.exponent_above(m)


@external
@pure
def quantize(x: uint256, m: uint256, bits: uint256) -> int256:
    return float32.quantize(x, m, bits)


@external
@pure
def dequantize(
    acc: int256, m_a: uint256, bits_a: uint256, m_b: uint256, bits_b: uint256
) -> uint256:
    return float32.dequantize(acc, m_a, bits_a, m_b, bits_b)
