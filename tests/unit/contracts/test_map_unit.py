"""MapUnit against the protocol: every opcode, the same word for the same words.

Each opcode meets pairs of edges and seeded cases; `-m long` runs thousands. `-s` prints the
largest gas each opcode took.
"""

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import boa
import pytest

from protocol import float32
from protocol.instructions import Opcode
from protocol.map_unit import compute_map, to_word
from tests.float_cases import EDGES, HARDEST, random_pair

MAPS = [opcode for opcode in Opcode if opcode <= Opcode.IEQ]
UNARY = {
    *(Opcode.SQRT, Opcode.NEG, Opcode.ABS, Opcode.FLOOR, Opcode.EXP, Opcode.LOG, Opcode.TANH),
    *(Opcode.ERF, Opcode.NOT, Opcode.I2F, Opcode.F2I, Opcode.COPY),
}
ON_INTEGERS = {
    *(Opcode.AND, Opcode.OR, Opcode.NOT, Opcode.IADD, Opcode.ISUB, Opcode.IMUL, Opcode.I2F),
    *(Opcode.ILT, Opcode.ILE, Opcode.IEQ),
}
TO_INTEGERS = {
    *(Opcode.LT, Opcode.LE, Opcode.EQ, Opcode.F2I, Opcode.QUANTIZE, Opcode.SELECT, Opcode.COPY),
    *(ON_INTEGERS - {Opcode.I2F}),
}
INTEGER_EDGES = [0, 1, -1, 2, 3, 2**24, 2**24 + 1, -(2**24) - 3, 2**31 - 1, -(2**31)]
WIDE_EDGES = [2**62, -(2**62), 2**63 - 1, -(2**63), 2**40 + 2**16, 2**40 + 3 * 2**16]
# Few enough for all pairs: zeros, subnormals, 1 and its neighbour, a large number, the limits.
PAIRED = [0, 1, 0x7FFFFF, 0x800000, 0x3F800000, 0x3F800001, 0x4B800000, 0x7F7FFFFF]
PAIRED += [0x7F800000, 0x7FC00001]
PAIRED += [bits | 2**31 for bits in PAIRED]
GAS_LIMIT = 40_000  # of one element, far inside the 500,000 that a last step may take

Case = tuple[int, int, int, int, int]  # a, b, c, attribute0, attribute1


@pytest.fixture(scope="module")
def map_unit() -> Any:
    return boa.load("contracts/MapUnit.vy")


@pytest.fixture(scope="module")
def gas() -> Iterator[defaultdict[Opcode, int]]:
    """The largest gas by opcode, printed when all is done."""
    largest: defaultdict[Opcode, int] = defaultdict(int)
    yield largest
    print("\nmax gas:", ", ".join(f"{opcode.name} {spent:,}" for opcode, spent in largest.items()))


def edge_cases(opcode: Opcode) -> Iterator[Case]:
    if opcode in ON_INTEGERS:
        edges = INTEGER_EDGES + (WIDE_EDGES if opcode == Opcode.I2F else [])
        pairs = itertools.product(edges, [0] if opcode in UNARY else edges)
        yield from ((to_word(a), to_word(b), 0, 0, 0) for a, b in pairs)
    elif opcode == Opcode.SELECT:
        yield from ((to_word(a), 5, to_word(-7), 0, 0) for a in INTEGER_EDGES)
    elif opcode == Opcode.QUANTIZE:
        yield from ((x, m, 0, bits, 0) for x in PAIRED for m in PAIRED for bits in (1, 15, 32))
    elif opcode == Opcode.DEQUANTIZE:
        for acc in INTEGER_EDGES + WIDE_EDGES:
            yield from ((to_word(acc), m, 0x3F800000, 15, 0) for m in PAIRED[:10])
            yield from ((to_word(acc), 0x3F800000, m, 15, 22) for m in PAIRED[:10])
    elif opcode in UNARY:
        yield from ((a, 0, 0, 0, 0) for a in EDGES + HARDEST.get(opcode.name.lower(), []))
    else:
        yield from ((a, b, 0, 0, 0) for a in PAIRED for b in PAIRED)


def random_case(opcode: Opcode, rng: random.Random) -> Case:
    if opcode in ON_INTEGERS or opcode == Opcode.SELECT:
        width = 64 if opcode == Opcode.I2F else 32
        a, b, c = (rng.randrange(-(2**width), 2**width) >> rng.randrange(1, width) for _ in "abc")
        return to_word(a), to_word(b if rng.randrange(8) else a), to_word(c), 0, 0
    a, b = random_pair(rng)
    if opcode == Opcode.QUANTIZE:
        return a, b, 0, rng.randrange(1, 33), 0
    if opcode == Opcode.DEQUANTIZE:
        acc = (rng.getrandbits(64) - 2**63) >> rng.randrange(64)
        return to_word(acc), a, b, rng.randrange(1, 33), rng.choice([0, rng.randrange(1, 33)])
    return a, b, 0, 0, 0


def classify(opcode: Opcode, word: int) -> str:
    if opcode in TO_INTEGERS:
        return "zero" if word == 0 else "negative" if word >> 255 else "positive"
    if float32.is_nan(word):
        return "nan"
    if not float32.is_finite(word):
        return "infinite"
    return "small" if word & float32.MAGNITUDE < 2**23 else "normal"


# A class that the cases of an opcode must have met, besides its ordinary one.
INTERESTING = {
    **{opcode: {"nan", "infinite", "small", "normal"} for opcode in MAPS[:4]},
    Opcode.EXP: {"nan", "infinite", "small", "normal"},
    Opcode.LOG: {"nan", "infinite", "small", "normal"},
    Opcode.DEQUANTIZE: {"nan", "infinite", "small", "normal"},
    Opcode.QUANTIZE: {"zero", "positive", "negative"},
    Opcode.F2I: {"zero", "positive", "negative"},
    Opcode.SQRT: {"nan", "infinite", "small", "normal"},
    Opcode.I2F: {"small", "normal"},
    **{opcode: {"zero", "positive", "negative"} for opcode in (22, 23, 24)},
    **{opcode: {"zero", "positive"} for opcode in (15, 16, 17, 20, 30, 31, 32)},
}


def check_opcode(map_unit: Any, opcode: Opcode, cases: Iterator[Case], spent: Callable) -> None:
    met: Counter[str] = Counter()
    for case in cases:
        result = map_unit.compute_map(opcode, *case)
        assert result == compute_map(opcode, *case), f"{opcode.name}{tuple(map(hex, case))}"
        spent(map_unit._computation.get_gas_used())
        met[classify(opcode, result)] += 1
    assert INTERESTING.get(opcode, set()) <= set(met), met


@pytest.mark.parametrize("opcode", MAPS, ids=lambda opcode: opcode.name)
@pytest.mark.parametrize("count", [500, pytest.param(3_000, marks=pytest.mark.long)])
def test_compute_map__edges_and_seeded_cases__equals_protocol(
    map_unit: Any, gas: defaultdict[Opcode, int], opcode: Opcode, count: int
) -> None:
    rng = random.Random(int(opcode))
    seeded = (random_case(opcode, rng) for _ in range(count))

    def spent(amount: int) -> None:
        gas[opcode] = max(gas[opcode], amount)

    check_opcode(map_unit, opcode, itertools.chain(edge_cases(opcode), seeded), spent)
    assert 0 < gas[opcode] <= GAS_LIMIT


@pytest.mark.parametrize("opcode", MAPS, ids=lambda opcode: opcode.name)
def test_compute_map__any_words_at_all__does_not_revert(map_unit: Any, opcode: Opcode) -> None:
    rng = random.Random(-int(opcode))
    words = [0, 1, 2**255, 2**255 - 1, 2**256 - 1, 2**256 - 2**31, 2**63, 0x7F800000]
    attributes = [0, 1, -1, 32, 33, 2**255 - 1, -(2**255)]
    for _ in range(25):
        a, b, c = (rng.choice([rng.choice(words), rng.getrandbits(256)]) for _ in "abc")
        case = (a, b, c, rng.choice(attributes), rng.choice(attributes))
        assert map_unit.compute_map(opcode, *case) == compute_map(opcode, *case), case


@pytest.mark.parametrize("opcode", MAPS[:17], ids=lambda opcode: opcode.name)
def test_compute_map__bits_above_a_float__are_ignored(map_unit: Any, opcode: Opcode) -> None:
    a, b, above = 0x40490FDB, 0xBFC00000, 12345 << 32
    clean = map_unit.compute_map(opcode, a, b, 0, 0, 0)
    assert map_unit.compute_map(opcode, a | above, b | above, 0, 0, 0) == clean


@pytest.mark.parametrize("opcode", [0, 33, 40, 41, 50, 2**256 - 1])
def test_compute_map__unknown_opcode__reverts(map_unit: Any, opcode: int) -> None:
    with boa.reverts("map: unknown opcode"):
        map_unit.compute_map(opcode, 0, 0, 0, 0, 0)


def test_map_unit__size__leaves_room_under_the_limit(map_unit: Any) -> None:
    assert len(boa.env.get_code(map_unit.address)) <= 24_576 // 2
