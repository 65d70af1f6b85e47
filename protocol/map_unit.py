"""One element of one map instruction, on 256-bit words: what `contracts/MapUnit.vy` computes.

A word is an f32's bits, zero-extended, or an integer in two's complement, sign-extended. The
same results as `protocol.semantics` gives on arrays, element by element.
"""

from collections.abc import Callable

from protocol import elementary, float32
from protocol.instructions import Opcode

WORD = 2**256  # words count modulo this
FLOAT_BITS = 2**32 - 1  # of a word that holds an f32, the rest is ignored
BITS_MAX = 32  # of QUANTIZE, whose result is an i32


class UnknownMap(ValueError):
    """The opcode is not that of a map instruction."""


def to_integer(word: int) -> int:
    """The integer that a word holds in two's complement."""
    return word - WORD if word >> 255 else word


def to_word(number: int) -> int:
    """Two's complement, sign-extended to 256 bits."""
    return number % WORD


def wrap_to_int32(number: int) -> int:
    """The i32 with the same lowest 32 bits."""
    return (number + 2**31) % 2**32 - 2**31


def clamp_bits(bits: int) -> int:
    """`bits`, or 32 where it lies outside 1 to 32, so that no descriptor can make it fail."""
    return bits if 1 <= bits <= BITS_MAX else BITS_MAX


FLOAT_MAPS: dict[Opcode, tuple[int, Callable[..., int]]] = {
    Opcode.ADD: (2, float32.add),
    Opcode.SUB: (2, float32.sub),
    Opcode.MUL: (2, float32.mul),
    Opcode.DIV: (2, float32.div),
    Opcode.SQRT: (1, float32.sqrt),
    Opcode.NEG: (1, float32.neg),
    Opcode.ABS: (1, float32.absolute),
    Opcode.FLOOR: (1, float32.floor),
    Opcode.EXP: (1, elementary.exp),
    Opcode.LOG: (1, elementary.log),
    Opcode.TANH: (1, elementary.tanh),
    Opcode.ERF: (1, elementary.erf),
    Opcode.MAX: (2, float32.maximum),
    Opcode.MIN: (2, float32.minimum),
    Opcode.LT: (2, float32.less_than),
    Opcode.LE: (2, float32.less_equal),
    Opcode.EQ: (2, float32.equal),
}

INTEGER_MAPS: dict[Opcode, tuple[int, Callable[..., int]]] = {
    Opcode.AND: (2, lambda a, b: a & b),
    Opcode.OR: (2, lambda a, b: a | b),
    Opcode.NOT: (1, lambda a: int(a == 0)),
    Opcode.SELECT: (3, lambda a, b, c: b if a != 0 else c),
    Opcode.IADD: (2, lambda a, b: wrap_to_int32(a + b)),
    Opcode.ISUB: (2, lambda a, b: wrap_to_int32(a - b)),
    Opcode.IMUL: (2, lambda a, b: wrap_to_int32(a * b)),
    Opcode.I2F: (1, float32.from_int),
    Opcode.COPY: (1, lambda a: a),
    Opcode.ILT: (2, lambda a, b: int(a < b)),
    Opcode.ILE: (2, lambda a, b: int(a <= b)),
    Opcode.IEQ: (2, lambda a, b: int(a == b)),
}


def compute_map(opcode: int, a: int, b: int, c: int, attribute0: int, attribute1: int) -> int:
    """The result word of a map on the operand words a, b, c; total for every map opcode.

    Operands that an instruction does not have are ignored. QUANTIZE: a = x, b = m, attribute0 =
    bits. DEQUANTIZE: a = accumulator, b = mA, c = mB, the attributes its bits; attribute1 = 0 is
    the form with one scale. Raises `UnknownMap`.
    """
    if opcode in FLOAT_MAPS:
        count, function = FLOAT_MAPS[Opcode(opcode)]
        return function(*(word & FLOAT_BITS for word in (a, b, c)[:count]))
    if opcode in INTEGER_MAPS:
        count, function = INTEGER_MAPS[Opcode(opcode)]
        return to_word(function(*(to_integer(word) for word in (a, b, c)[:count])))
    if opcode == Opcode.F2I:
        return to_word(float32.to_int(a & FLOAT_BITS))
    if opcode == Opcode.QUANTIZE:
        x, m = a & FLOAT_BITS, b & FLOAT_BITS
        return to_word(float32.quantize(x, m, clamp_bits(attribute0)))
    if opcode == Opcode.DEQUANTIZE:
        bits_a = clamp_bits(attribute0)
        if attribute1 == 0:
            return float32.dequantize(to_integer(a), b & FLOAT_BITS, bits_a)
        return float32.dequantize(
            to_integer(a), b & FLOAT_BITS, bits_a, c & FLOAT_BITS, clamp_bits(attribute1)
        )
    raise UnknownMap("map: unknown opcode")
