"""One chunk of a fold: at most 256 elements on top of an accumulator.

An integer accumulator is an i64, as in the committed tensor; the additions wrap, which no
validated program can reach. A float accumulator is the bit pattern of an f32. Mirrored by
`contracts/modules/fold.vy`.
"""

from protocol.float32 import INFINITY, MAGNITUDE, NAN, SIGN, maximum
from protocol.instructions import Opcode
from protocol.map_unit import FLOAT_BITS, to_integer, to_word
from protocol.types import Dtype

INTEGER_FOLDS = (Opcode.DOT, Opcode.SUM, Opcode.MATCH_SUM)
MINUS_INFINITY = SIGN | INFINITY


def is_fold(opcode: int) -> bool:
    """Whether the opcode is that of a fold."""
    return Opcode.DOT <= opcode <= Opcode.MATCH_SUM


def compute_folded_dtype(opcode: int) -> Dtype:
    """What the folded operands of a fold hold."""
    return Dtype.I32 if opcode in INTEGER_FOLDS else Dtype.F32


def compute_initial(opcode: int) -> int:
    """Accumulator word before the first chunk, the fold's neutral element."""
    return MINUS_INFINITY if opcode == Opcode.MAXIMUM else 0


def wrap_to_int64(number: int) -> int:
    """The i64 with the same lowest 64 bits."""
    return (number + 2**63) % 2**64 - 2**63


def _read_integers(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 4], "little", signed=True) for i in range(0, len(data), 4)]


def _read_patterns(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


def dot(accumulator: int, a: bytes, b: bytes) -> int:
    """Adds the products."""
    return accumulator + sum(x * y for x, y in zip(_read_integers(a), _read_integers(b)))


def integer_sum(accumulator: int, a: bytes) -> int:
    """Adds the elements."""
    return accumulator + sum(_read_integers(a))


def match_sum(accumulator: int, index: bytes, value: bytes, wanted: int) -> int:
    """Adds the values whose index is the wanted one."""
    pairs = zip(_read_integers(index), _read_integers(value))
    return accumulator + sum(v for i, v in pairs if i == wanted)


def fold_maximum(accumulator: int, a: bytes) -> int:
    """The larger of the accumulator and every element; NaN if any is."""
    result = NAN if (accumulator & MAGNITUDE) > INFINITY else accumulator
    for pattern in _read_patterns(a):
        result = maximum(result, pattern)
    return result


def fold_absolute_maximum(accumulator: int, a: bytes) -> int:
    """The largest size, as a pattern without sign; NaN if any is."""
    result = max([accumulator & MAGNITUDE, *(p & MAGNITUDE for p in _read_patterns(a))])
    return NAN if result > INFINITY else result


def compute_fold(opcode: int, accumulator: int, a: bytes, b: bytes, wanted: int) -> int:
    """Accumulator word after a chunk whose folded operands hold the bytes a and b.

    `wanted` is the word of MATCH_SUM's third operand.
    """
    if opcode == Opcode.MAXIMUM:
        return fold_maximum(accumulator & FLOAT_BITS, a)
    if opcode == Opcode.ABSMAX:
        return fold_absolute_maximum(accumulator & FLOAT_BITS, a)
    before = to_integer(accumulator)
    if opcode == Opcode.DOT:
        return to_word(wrap_to_int64(dot(before, a, b)))
    if opcode == Opcode.SUM:
        return to_word(wrap_to_int64(integer_sum(before, a)))
    return to_word(wrap_to_int64(match_sum(before, a, b, to_integer(wanted))))
