"""Edge grids: the operands at which a map could go wrong by construction, in all combinations.

Signed zeros, subnormals, the neighbours of every threshold, ties, infinities, NaN payloads; the
extremes of the integers. The grid of an instruction is always run in full.
"""

from collections.abc import Iterator
from itertools import product

from protocol.instructions import LEGALITY, Opcode
from protocol.map_unit import to_integer, to_word
from protocol.types import ACCUMULATOR_BITS, Dtype
from scripts.campaign.referee import MapCase
from tests.float_cases import EDGES, HARDEST, SIGN

# Also used as pairs for I2F, which takes an i64 on chain.
INTEGERS = [
    *(0, 1, 2, 3, 7, 255, 256, 2**15, 2**16 + 1, 2**23 + 1, 2**24 - 1, 2**24, 2**24 + 1),
    *(2**24 + 3, 2**25 + 2, 2**25 + 6, 2**30 + 2**6, 2**31 - 64, 2**31 - 65, 2**31 - 2, 2**31 - 1),
]
INTEGERS = sorted({*INTEGERS, *(-number for number in INTEGERS), -(2**31)})
WIDE = [2**31, 2**32, 2**40 + 2**16, 2**40 + 3 * 2**16, 2**53 + 1, 2**61 + 1, 2**62 - 1, 2**62]
WIDE = sorted({*WIDE, *(-number for number in WIDE)})
# Few enough for a grid of three: zeros, subnormals, 1 and its neighbours, extremes, NaN.
SCALES = [0, 1, 0x7FFFFF, 0x800000, 0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x7F7FFFFF, 0x7F800000]
SCALES += [0x7FC00001, SIGN, 0xBF800000]
BITS = [1, 2, 15, 24, 32]


def is_on_integers(opcode: Opcode) -> bool:
    """Whether a map's first operand is an integer."""
    return LEGALITY[opcode].types[0][0][0] is not Dtype.F32


def count_operands(opcode: Opcode) -> int:
    """Operands of a map; of two forms, the longer."""
    return max(LEGALITY[opcode].operand_counts)


def get_edges(opcode: Opcode) -> Iterator[MapCase]:
    """The edge grid of a map."""
    integers = [to_word(number) for number in INTEGERS]
    match opcode:
        case Opcode.QUANTIZE:
            yield from ((x, m, 0, bits, 0) for x in EDGES for m in SCALES for bits in BITS)
        case Opcode.DEQUANTIZE:
            accumulators = [*integers, *(to_word(number) for number in WIDE)]
            for acc, m in product(accumulators, SCALES):
                yield from ((acc, m, 0, bits, 0) for bits in BITS)
                yield from ((acc, m, other, 15, 22) for other in SCALES)
        case Opcode.SELECT:
            words = [0, 1, 0x7FC00001, SIGN, to_word(-1), to_word(-(2**31))]
            yield from ((a, b, c, 0, 0) for a in integers for b in words for c in words)
        case Opcode.COPY:
            yield from ((word, 0, 0, 0, 0) for word in [*EDGES, *integers])
        case Opcode.I2F:
            wide = [to_word(number) for number in [*WIDE, 2**63 - 1, -(2**63)]]
            yield from ((word, 0, 0, 0, 0) for word in [*integers, *wide])
        case _:
            edges = integers if is_on_integers(opcode) else EDGES
            if count_operands(opcode) == 2:
                yield from ((a, b, 0, 0, 0) for a, b in product(edges, edges))
            else:
                hardest = HARDEST.get(opcode.name.lower(), [])
                yield from ((a, 0, 0, 0, 0) for a in [*edges, *hardest])


def is_in_domain(opcode: Opcode, case: MapCase) -> bool:
    """Whether a validated program can hold the case, so that `protocol.semantics` defines it."""
    attribute0, attribute1 = case[3:]
    number = to_integer(case[0])
    if opcode is Opcode.QUANTIZE:
        return 2 <= attribute0 <= 24
    if opcode is Opcode.DEQUANTIZE:
        small = abs(number) <= 2**ACCUMULATOR_BITS
        return small and 2 <= attribute0 <= 24 and (attribute1 == 0 or 2 <= attribute1 <= 24)
    if opcode is Opcode.I2F:
        return -(2**31) <= number < 2**31
    return True
