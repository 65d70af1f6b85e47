# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title MapUnit
@notice The map instructions of the set, one element at a time. See IMapUnit.
"""


from .interfaces import IMapUnit
from .modules import elementary
from .modules import float32

implements: IMapUnit


# The numbers of `protocol.instructions.Opcode`; Vyper reserves the words AND, OR and NOT.
ADD: constant(uint256) = 1
SUB: constant(uint256) = 2
MUL: constant(uint256) = 3
DIV: constant(uint256) = 4
SQRT: constant(uint256) = 5
NEG: constant(uint256) = 6
ABS: constant(uint256) = 7
FLOOR: constant(uint256) = 8
EXP: constant(uint256) = 9
LOG: constant(uint256) = 10
TANH: constant(uint256) = 11
ERF: constant(uint256) = 12
MAX: constant(uint256) = 13
MIN: constant(uint256) = 14
LT: constant(uint256) = 15
LE: constant(uint256) = 16
EQ: constant(uint256) = 17
AND_: constant(uint256) = 18
OR_: constant(uint256) = 19
NOT_: constant(uint256) = 20
SELECT: constant(uint256) = 21
IADD: constant(uint256) = 22
ISUB: constant(uint256) = 23
IMUL: constant(uint256) = 24
I2F: constant(uint256) = 25
F2I: constant(uint256) = 26
QUANTIZE: constant(uint256) = 27
DEQUANTIZE: constant(uint256) = 28
COPY: constant(uint256) = 29
ILT: constant(uint256) = 30
ILE: constant(uint256) = 31
IEQ: constant(uint256) = 32

FLOAT_BITS: constant(uint256) = 2**32 - 1
MAX_BITS: constant(uint256) = 32  # of QUANTIZE, whose result is an i32


@external
@pure
def compute_map(
    opcode: uint256,
    a: uint256,
    b: uint256,
    c: uint256,
    attribute0: int256,
    attribute1: int256,
) -> uint256:
    """
    @notice See IMapUnit.
    @custom:reverts "map: unknown opcode"
    """
    if opcode < AND_:
        return self.compute_float(opcode, a & FLOAT_BITS, b & FLOAT_BITS)
    if opcode == QUANTIZE:
        return self.to_word(
            float32.quantize(a & FLOAT_BITS, b & FLOAT_BITS, self.clamp_bits(attribute0))
        )
    if opcode == DEQUANTIZE:
        bits_b: uint256 = 0
        if attribute1 != 0:
            bits_b = self.clamp_bits(attribute1)
        return float32.dequantize(
            self.to_integer(a),
            b & FLOAT_BITS,
            self.clamp_bits(attribute0),
            c & FLOAT_BITS,
            bits_b,
        )
    return self.compute_integer(opcode, a, b, c)


@internal
@pure
def compute_float(opcode: uint256, a: uint256, b: uint256) -> uint256:
    if opcode == ADD:
        return float32.add(a, b)
    if opcode == SUB:
        return float32.sub(a, b)
    if opcode == MUL:
        return float32.mul(a, b)
    if opcode == DIV:
        return float32.div(a, b)
    if opcode == SQRT:
        return float32.sqrt(a)
    if opcode == NEG:
        return float32.neg(a)
    if opcode == ABS:
        return float32.absolute(a)
    if opcode == FLOOR:
        return float32.floor(a)
    if opcode == EXP:
        return elementary.exp(a)
    if opcode == LOG:
        return elementary.log_(a)
    if opcode == TANH:
        return elementary.tanh(a)
    if opcode == ERF:
        return elementary.erf(a)
    if opcode == MAX:
        return float32.maximum(a, b)
    if opcode == MIN:
        return float32.minimum(a, b)
    if opcode == LT:
        return float32.less_than(a, b)
    if opcode == LE:
        return float32.less_equal(a, b)
    if opcode == EQ:
        return float32.equal(a, b)
    raise "map: unknown opcode"


@internal
@pure
def compute_integer(opcode: uint256, a: uint256, b: uint256, c: uint256) -> uint256:
    if opcode == AND_:
        return a & b
    if opcode == OR_:
        return a | b
    if opcode == NOT_:
        return convert(a == 0, uint256)
    if opcode == SELECT:
        if a != 0:
            return b
        return c
    # unsafe: only the lowest 32 bits count, and they do not depend on those that are lost
    if opcode == IADD:
        return self.wrap_to_int32(unsafe_add(a, b))
    if opcode == ISUB:
        return self.wrap_to_int32(unsafe_sub(a, b))
    if opcode == IMUL:
        return self.wrap_to_int32(unsafe_mul(a, b))
    if opcode == I2F:
        return float32.from_int(self.to_integer(a))
    if opcode == F2I:
        return self.to_word(float32.to_int(a & FLOAT_BITS))
    if opcode == COPY:
        return a
    if opcode == ILT:
        return convert(self.to_integer(a) < self.to_integer(b), uint256)
    if opcode == ILE:
        return convert(self.to_integer(a) <= self.to_integer(b), uint256)
    if opcode == IEQ:
        return convert(a == b, uint256)
    raise "map: unknown opcode"


@internal
@pure
def to_integer(word: uint256) -> int256:
    # Through bytes32: a direct conversion reverts on what is negative in two's complement.
    return convert(convert(word, bytes32), int256)


@internal
@pure
def to_word(number: int256) -> uint256:
    return convert(convert(number, bytes32), uint256)


@internal
@pure
def wrap_to_int32(word: uint256) -> uint256:
    """
    @notice The word whose lowest 32 bits are those of `word`, sign-extended.
    """
    lowest: uint256 = word & (2**32 - 1)
    # unsafe: takes 2**32 from what has its sign bit set
    return unsafe_sub(lowest, (lowest & 2**31) << 1)


@internal
@pure
def clamp_bits(bits: int256) -> uint256:
    """
    @notice `bits`, or 32 where it lies outside 1 to 32, so that nothing can revert.
    """
    word: uint256 = self.to_word(bits)
    if word == 0:
        return MAX_BITS
    return min(word, MAX_BITS)
