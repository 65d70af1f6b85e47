"""Operands that are hard on purpose, seeded: what a wrong rounding would need to show itself.

Exact results are placed at, or one unit beside, the midpoint of two neighbouring binary32
numbers; operands cancel, overflow, underflow into subnormals; functions get the arguments, of
thousands, whose results lie nearest to a midpoint.
"""

import random
from collections.abc import Callable
from math import isqrt

import numpy as np
import numpy.typing as npt
import torch

from protocol.instructions import LEGALITY, Opcode
from protocol.map_unit import to_integer, to_word
from protocol.types import Dtype
from scripts.campaign.edges import INTEGERS, WIDE, is_on_integers
from scripts.campaign.referee import MapCase
from tests.float_cases import EDGES, HARDEST, SIGN, random_pair, random_pattern

Pair = tuple[int, int]
FLOAT_BITS = 2**32 - 1
HIDDEN = 2**23  # the leading bit of a normal significand

# --- Pieces --------------------------------------------------------------------------------------


def _near(rng: random.Random) -> int:
    """Zero, or a small distance from it."""
    return rng.choice([0, 0, 1, -1, rng.randrange(-4, 5)])


def _significand(rng: random.Random) -> int:
    """24 bits, the leading one set; now and then with few ones or few zeros."""
    kind = rng.randrange(6)
    if kind == 0:
        return HIDDEN | 1 << rng.randrange(24) | 1 << rng.randrange(24)
    if kind == 1:
        return 2 * HIDDEN - 1 - (1 << rng.randrange(23))
    return HIDDEN | rng.getrandbits(23)


def pack(sign: int, significand: int, exponent: int) -> int:
    """The pattern of significand * 2**exponent, at most 24 bits; rounded down where too small."""
    if significand == 0:
        return sign << 31
    shift = 24 - significand.bit_length()
    significand, exponent = significand << shift, exponent - shift
    field = exponent + 150
    if field >= 255:
        return sign << 31 | 0x7F7FFFFF
    if field <= 0:
        return sign << 31 | significand >> (1 - field)
    return sign << 31 | field << 23 | significand - HIDDEN


def _sign(rng: random.Random) -> int:
    return rng.getrandbits(1)


def _shuffle(rng: random.Random, a: int, b: int) -> Pair:
    return (a, b) if rng.getrandbits(1) else (b, a)


# --- Results near a tie --------------------------------------------------------------------------


def near_tie_of_sum(rng: random.Random) -> Pair:
    """The smaller operand ends half a unit of the larger, give or take a little."""
    gap = rng.choice([rng.randrange(1, 27), 24, 25])
    exponent = rng.choice([rng.randrange(-149, 100), rng.randrange(-149, -120), 100])
    larger = _significand(rng)
    # Bits of the smaller below the last one of the larger: `gap` of them, half a unit in value.
    half = 1 << (gap - 1)
    smaller = (rng.getrandbits(24) >> gap << gap | half) + _near(rng)
    smaller = max(0, min(smaller, 2**25 - 1))
    if smaller >= 2**24:
        smaller >>= 1
    a, b = pack(_sign(rng), larger, exponent + gap), pack(_sign(rng), smaller, exponent)
    return _shuffle(rng, a, b)


def _subnormal_near_tie(rng: random.Random) -> Pair:
    """(n, d) such that n / 2**d lies at, or one beside, a whole number and a half below 2**23."""
    dropped = rng.randrange(1, 24)
    whole = rng.getrandbits(rng.randrange(1, 24))
    return max(1, (whole << dropped | 1 << (dropped - 1)) + _near(rng)), dropped


def near_tie_of_product(rng: random.Random) -> Pair:
    """The product's lowest bits are half a unit, give or take a little."""
    if rng.randrange(3) == 0:  # a subnormal result: a power of two shifts the bits out
        number, dropped = _subnormal_near_tie(rng)
        lost = max(0, number.bit_length() - 24)
        exponent = rng.randrange(-149, -100)
        b = pack(_sign(rng), 1, -149 - dropped - exponent)
        return _shuffle(rng, pack(_sign(rng), number >> lost, exponent + lost), b)
    dropped = rng.choice([23, 24])
    a = _significand(rng) | 1
    rest = (1 << (dropped - 1)) + _near(rng)
    b = rest * pow(a, -1, 1 << dropped) % (1 << dropped) | HIDDEN
    total = rng.choice([rng.randrange(-180, -140), rng.randrange(-140, 80), rng.randrange(80, 106)])
    exponent = max(-149, min(104, rng.randrange(-120, 80)))
    return _shuffle(rng, pack(_sign(rng), a, exponent), pack(_sign(rng), b, total - exponent))


def near_tie_of_quotient(rng: random.Random) -> Pair:
    """The dividend is a midpoint times the divisor, as nearly as 24 bits allow."""
    bits = rng.choice([25, 25, rng.randrange(2, 25)])  # fewer where the result is subnormal
    midpoint = rng.getrandbits(bits) | 1 | 1 << (bits - 1)
    divisor = _significand(rng) if rng.getrandbits(1) else rng.getrandbits(rng.randrange(1, 13)) | 1
    product = midpoint * divisor
    shift = max(0, product.bit_length() - 24)
    dividend = max(1, min((product >> shift) + _near(rng), 2**24 - 1))
    # The quotient is midpoint * 2**lowest, where the last bit of a subnormal is at -149.
    lowest = -150 if bits < 25 else rng.choice([-150, rng.randrange(-149, 100)])
    exponent = rng.randrange(-20, 20)
    a = pack(_sign(rng), dividend, lowest + exponent + shift)
    return a, pack(_sign(rng), divisor, exponent)


def _compute_root_modulo(square: int, bits: int) -> int:
    """r with r**2 = square modulo 2**bits, for a square of 1 modulo 8."""
    root = 1
    for known in range(3, bits):
        if (root * root - square) >> known & 1:
            root += 1 << (known - 1)
    return root


def near_tie_of_root(rng: random.Random) -> int:
    """The square of a midpoint, nearly a number of 24 bits; or an exact root and its neighbours."""
    exponent = rng.randrange(-74, 50)
    if rng.getrandbits(2) == 0:
        root = rng.getrandbits(rng.randrange(1, 13)) | 1
        return max(0, pack(0, root * root, 2 * exponent) + _near(rng))
    rest = 1 - 8 * rng.randrange(-64, 64)
    for dropped in rng.choice([(25, 26), (26,)]):
        midpoint = _compute_root_modulo(rest, dropped) % 2**25
        midpoint = max(midpoint, 2**25 - midpoint)
        square = midpoint * midpoint - rest
        if square < 2 ** (24 + dropped):
            break
    return pack(0, square >> dropped, 2 * exponent + dropped)


def near_whole(rng: random.Random) -> int:
    """An integer, a half, or a neighbour of one; near the limits of i32 now and then."""
    number = rng.getrandbits(rng.randrange(1, 33))
    shift = max(0, number.bit_length() - 24)
    half = rng.getrandbits(1) if number < 2**23 else 0
    pattern = pack(_sign(rng), number >> shift << half | half, shift - half)
    return pattern + _near(rng) & FLOAT_BITS


def _integer_near_tie(rng: random.Random, bits: int) -> int:
    """An integer of at most `bits` bits at, or one beside, the midpoint of two binary32 numbers."""
    dropped = rng.randrange(1, bits - 24)
    number = _significand(rng) << dropped | 1 << (dropped - 1)
    return (number + _near(rng)) * rng.choice([1, -1])


def near_tie_of_quantize(rng: random.Random) -> MapCase:
    """x is a whole number and a half of the steps that m gives, near the limit now and then."""
    bits = rng.choice([rng.randrange(2, 25), 8, 15, 22, 24, rng.randrange(1, 33)])
    m = random_pattern(rng) & (SIGN - 1) or 1  # its sign has no meaning
    _, exponent = np.frexp(np.uint32(m).view(np.float32))
    limit = 2 ** (bits - 1) - 1
    steps = rng.choice([rng.randrange(limit + 2), max(0, limit - rng.randrange(3))])
    halves = 2 * steps + rng.choice([1, 1, 1, 0])
    shift = max(0, halves.bit_length() - 24)
    x = pack(_sign(rng), halves >> shift, int(exponent) - bits + shift) + _near(rng)
    return x & FLOAT_BITS, m, 0, bits, 0


def near_tie_of_dequantize(rng: random.Random) -> MapCase:
    """The accumulator is near a tie, of a normal result or of a subnormal one."""
    acc = _integer_near_tie(rng, 62)
    bits_a, bits_b = rng.randrange(2, 25), rng.choice([0, rng.randrange(2, 25)])
    kind = rng.randrange(3)
    if kind == 0:
        return to_word(acc), random_pattern(rng), random_pattern(rng), bits_a, bits_b
    # What the scales must add to the exponent: the result is subnormal, or about to overflow.
    wanted = 128 - abs(acc).bit_length() + rng.randrange(-2, 3)
    if kind == 1:
        number, dropped = _subnormal_near_tie(rng)
        acc, wanted = number * rng.choice([1, -1]), -149 - dropped
    total = wanted + bits_a - 1 + (bits_b - 1 if bits_b else 0)
    first = max(-148, min(128, total // 2 + rng.randrange(-20, 20) if bits_b else total))
    second = max(-148, min(128, total - first))
    m_a, m_b = (pack(0, _significand(rng), e - 24) for e in (first, second))
    return to_word(acc), m_a, m_b, bits_a, bits_b


# --- Functions: arguments sieved by their distance from a midpoint --------------------------------

SIEVED = 2**18  # arguments looked at
KEPT = 2**10  # arguments kept, those nearest to a midpoint
FUNCTIONS: dict[Opcode, Callable[[torch.Tensor], torch.Tensor]] = {
    Opcode.EXP: torch.exp,
    Opcode.LOG: torch.log,
    Opcode.TANH: torch.tanh,
    Opcode.ERF: torch.erf,
}
# Of the exponents of arguments whose results are neither constant nor the argument itself.
RANGES = {
    Opcode.EXP: (-25, 7),
    Opcode.LOG: (-126, 127),
    Opcode.TANH: (-13, 4),
    Opcode.ERF: (-40, 2),
}


def sieve_hard_arguments(opcode: Opcode, seed: int) -> list[int]:
    """The KEPT arguments, of SIEVED, whose results lie nearest to a midpoint; hardest first.

    The results are float64: a binary32 midpoint is where the lowest 29 bits are 2**28. That sieves
    well to a distance of about 2**-20 of a unit, which is all that a sample of this size holds.
    """
    generator = np.random.default_rng([int(opcode), seed])
    low, high = RANGES[opcode]
    exponents = generator.integers(low + 127, high + 128, SIEVED, dtype=np.uint32)
    patterns = exponents << np.uint32(23) | generator.integers(0, HIDDEN, SIEVED, dtype=np.uint32)
    if opcode is not Opcode.LOG:
        patterns |= generator.integers(0, 2, SIEVED, dtype=np.uint32) << np.uint32(31)
    arguments = patterns.view(np.float32).astype(np.float64)
    results: npt.NDArray[np.float64] = FUNCTIONS[opcode](torch.from_numpy(arguments)).numpy()
    fractions = results.view(np.int64) & (2**29 - 1)
    distances = np.abs(fractions - 2**28)
    distances[~np.isfinite(results) | (np.abs(results) < 2.0**-126)] = 2**29
    return [int(pattern) for pattern in patterns[np.argsort(distances, kind="stable")[:KEPT]]]


# --- One case ------------------------------------------------------------------------------------


class Operands:
    """Random cases of one map; the same for the same seed."""

    def __init__(self, opcode: Opcode, seed: int):
        self.opcode = opcode
        self.rng = random.Random(f"{seed} {opcode.name}")
        self.hard: list[int] = []
        if opcode in FUNCTIONS:
            self.hard = HARDEST[opcode.name.lower()] + sieve_hard_arguments(opcode, seed)

    def draw(self) -> MapCase:
        """One case."""
        opcode, rng = self.opcode, self.rng
        if opcode is Opcode.QUANTIZE:
            return self._draw_quantize()
        if opcode is Opcode.DEQUANTIZE:
            return self._draw_dequantize()
        if opcode is Opcode.I2F and rng.getrandbits(1):
            bits = rng.choice([31, 31, 63])
            return to_word(_integer_near_tie(rng, bits)), 0, 0, 0, 0
        if opcode in (Opcode.SELECT, Opcode.COPY):
            of_floats = rng.getrandbits(1)
            words = [random_pattern(rng) if of_floats else self._integer() for _ in range(3)]
            if opcode is Opcode.COPY:
                return words[0], 0, 0, 0, 0
            return self._integer() * rng.getrandbits(1), words[1], words[2], 0, 0
        if is_on_integers(opcode):
            a = self._integer()
            b = rng.choice([self._integer(), self._integer(), a, to_word(-to_integer(a))])
            # The negative of the lowest i32 is none.
            b = b if to_integer(b) < 2**31 else a
            return a, b if len(LEGALITY[opcode].types[0][0]) == 2 else 0, 0, 0, 0
        if len(LEGALITY[opcode].types[0][0]) == 1:
            return self._draw_argument(), 0, 0, 0, 0
        a, b = self._draw_pair()
        return a, b, 0, 0, 0

    def _integer(self) -> int:
        """An i32: an edge, of any size, or one whose product or sum is near the limit."""
        rng = self.rng
        kind = rng.randrange(4)
        if kind == 0:
            return to_word(rng.choice(INTEGERS))
        if kind == 1:
            root = isqrt(2**31) + rng.randrange(-3, 4)
            return to_word(root * rng.choice([1, -1]))
        return to_word((rng.getrandbits(32) - 2**31) >> rng.randrange(32))

    def _draw_pair(self) -> Pair:
        rng, opcode = self.rng, self.opcode
        kind = rng.randrange(5)
        if kind == 0:
            return rng.getrandbits(32), rng.getrandbits(32)
        if kind == 1:
            return random_pair(rng)
        if opcode is Opcode.MUL:
            return near_tie_of_product(rng)
        if opcode is Opcode.DIV:
            return near_tie_of_quotient(rng)
        if opcode in (Opcode.ADD, Opcode.SUB) and kind != 2:
            return near_tie_of_sum(rng)
        # Neighbours and opposites: they cancel, and comparisons hang on the last bit.
        a = random_pattern(rng)
        return a, (a ^ rng.getrandbits(1) << 31) + _near(rng) & FLOAT_BITS

    def _draw_argument(self) -> int:
        rng, opcode = self.rng, self.opcode
        kind = rng.randrange(4)
        if kind == 0:
            return rng.choice([rng.getrandbits(32), random_pattern(rng)])
        if opcode is Opcode.SQRT:
            return near_tie_of_root(rng)
        if opcode in (Opcode.FLOOR, Opcode.F2I):
            return near_whole(rng)
        if opcode not in FUNCTIONS:
            return random_pattern(rng)
        if kind == 1:
            low, high = RANGES[opcode]
            return rng.getrandbits(1) << 31 | rng.randrange((low + 127) << 23, (high + 128) << 23)
        if kind == 2:
            edge = rng.choice([*EDGES, *HARDEST[opcode.name.lower()]])
            return edge + rng.randrange(-64, 65) & FLOAT_BITS
        return rng.choice(self.hard)

    def _draw_quantize(self) -> MapCase:
        rng = self.rng
        if rng.randrange(4):
            return near_tie_of_quantize(rng)
        x, m = random_pair(rng)
        return x, m, 0, rng.randrange(1, 33), 0

    def _draw_dequantize(self) -> MapCase:
        rng = self.rng
        if rng.randrange(4):
            return near_tie_of_dequantize(rng)
        acc = rng.choice([rng.choice(WIDE), (rng.getrandbits(64) - 2**63) >> rng.randrange(64)])
        m_a, m_b = random_pair(rng)
        return to_word(acc), m_a, m_b, rng.randrange(1, 33), rng.choice([0, rng.randrange(1, 33)])


# --- Folds ---------------------------------------------------------------------------------------


def draw_chunk(rng: random.Random, generator: np.random.Generator, dtype: Dtype) -> bytes:
    """256 elements of one kind of data: extremes, cancelling pairs, small numbers, patterns."""
    if dtype is Dtype.F32:
        patterns = generator.integers(0, 2**32, 256, dtype=np.uint32)
        kind = rng.randrange(4)
        if kind == 0:
            patterns = generator.choice(np.array(EDGES, dtype=np.uint32), 256)
        elif kind == 1:  # no NaN, ordinary sizes, nearly equal
            base = np.uint32(random_pattern(rng) & 0x7F7FFFFF)
            patterns = base ^ generator.integers(0, 16, 256, dtype=np.uint32)
        if kind != 0 and rng.getrandbits(1):
            patterns &= np.uint32(0xFF7FFFFF)  # finite
            patterns |= np.uint32(SIGN) * np.uint32(rng.getrandbits(1))
        return patterns.astype("<u4").tobytes()
    kind = rng.randrange(4)
    bits = rng.choice([31, 23, 14, 7, 1])
    numbers = generator.integers(-(2**bits), 2**bits, 256, dtype=np.int64)
    if kind == 0:
        numbers = generator.choice(np.array(INTEGERS, dtype=np.int64), 256)
    elif kind == 1:
        numbers = np.full(256, rng.choice([2**31 - 1, -(2**31), -(2**31), 1]), dtype=np.int64)
    elif kind == 2:
        numbers = np.repeat(numbers[:128], 2) * np.tile([1, -1], 128)
    return np.clip(numbers, -(2**31), 2**31 - 1).astype("<i4").tobytes()


def draw_accumulator(rng: random.Random, dtype: Dtype) -> int:
    """A word that an agreed accumulator could be, and now and then any other."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.getrandbits(256)
    if dtype is Dtype.F32:
        return random_pattern(rng)
    if kind == 1:
        return to_word(rng.choice([2**63 - 1, -(2**63), *WIDE]))
    return to_word((rng.getrandbits(63) - 2**62) >> rng.randrange(63))
