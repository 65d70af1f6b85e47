"""binary32 on bit patterns, against MPFR and exact fractions."""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import gmpy2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import float32
from tests.float_cases import EDGES, SIGN, context, random_pair, random_pattern, to_bits, to_mpfr

BINARY = {
    "add": gmpy2.add,
    "sub": gmpy2.sub,
    "mul": gmpy2.mul,
    "div": gmpy2.div,
}
PATTERNS = st.integers(0, 2**32 - 1) | st.sampled_from(EDGES)
NAN, INFINITY = float32.NAN, float32.INFINITY
ONE, TWO = 0x3F800000, 0x40000000


def classify(bits: int) -> str:
    if float32.is_nan(bits):
        return "nan"
    if float32.is_infinite(bits):
        return "infinite"
    if float32.is_zero(bits):
        return "zero"
    return "subnormal" if bits & float32.MAGNITUDE < 2**23 else "normal"


def value(bits: int) -> Fraction:
    sign, significand, exponent = float32.unpack(bits)
    return (-1) ** sign * significand * Fraction(2) ** exponent


def check_binary(name: str, a: int, b: int) -> int:
    operation: Callable[[int, int], int] = getattr(float32, name)
    result = operation(a, b)
    with context():
        expected = to_bits(BINARY[name](to_mpfr(a), to_mpfr(b)))
    assert result == expected, f"{name}({a:#010x}, {b:#010x})"
    return result


@pytest.mark.parametrize("name", BINARY)
def test_binary__edges_and_seeded_pairs__equals_mpfr(name: str) -> None:
    rng = random.Random(name)
    pairs = [*itertools.product(EDGES, EDGES), *(random_pair(rng) for _ in range(10_000))]
    met = Counter(classify(check_binary(name, a, b)) for a, b in pairs)
    assert all(met[kind] > 100 for kind in ("nan", "infinite", "zero", "subnormal", "normal")), met


@pytest.mark.parametrize("name", BINARY)
@given(a=PATTERNS, b=PATTERNS)
def test_binary__any_pair__equals_mpfr(name: str, a: int, b: int) -> None:
    check_binary(name, a, b)


def test_sqrt__edges_and_seeded_patterns__equals_mpfr() -> None:
    rng = random.Random(1)
    met: Counter[str] = Counter()
    for a in [*EDGES, *(random_pattern(rng) for _ in range(10_000))]:
        result = float32.sqrt(a)
        with context():
            assert result == to_bits(gmpy2.sqrt(to_mpfr(a))), f"{a:#010x}"
        met[classify(result)] += 1
    assert met["nan"] > 100 and met["normal"] > 100 and met["zero"] > 0 and met["infinite"] > 0


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (1, 3, 0x3EAAAAAB),
        (2**24 + 1, 1, 0x4B800000),  # a tie goes to the even neighbour below
        (2**24 + 3, 1, 0x4B800002),  # and to the one above
        (2**25 + 3, 1, 0x4C000001),
        (1, 2**149, 1),
        (1, 2**150, 0),  # half the smallest subnormal: to even
        (2**80 + 1, 2**230, 1),  # just above half of it
        (3, 2**150, 2),
        (2**24 - 1, 2**150, 0x00800000),  # a carry from the subnormals to the normals
        (2**128 - 2**103, 1, INFINITY),  # the overflow threshold itself
        (2**128 - 2**103 - 1, 1, 0x7F7FFFFF),
        (10**60, 1, INFINITY),
        (1, 10**60, 0),
        (0, 7, 0),
    ],
)
def test_round_to_float32__exact_cases(numerator: int, denominator: int, expected: int) -> None:
    assert float32.round_to_float32(0, numerator, denominator) == expected
    assert float32.round_to_float32(1, numerator, denominator) == expected | SIGN


@given(numerator=st.integers(1, 2**200), denominator=st.integers(1, 2**200))
def test_round_to_float32__any_rational__is_nearest(numerator: int, denominator: int) -> None:
    result = float32.round_to_float32(0, numerator, denominator)
    exact = Fraction(numerator, denominator)
    if result == INFINITY:
        assert exact >= 2**128 - 2**103
        return
    error = abs(value(result) - exact)
    for neighbour in {max(result - 1, 0), min(result + 1, 0x7F7FFFFF)}:
        distance = abs(value(neighbour) - exact)
        assert error < distance or neighbour == result or (error == distance and result % 2 == 0)


@pytest.mark.parametrize("bits", EDGES)
def test_neg_and_absolute__edges__only_the_sign_changes(bits: int) -> None:
    is_nan = float32.is_nan(bits)
    assert float32.neg(bits) == (NAN if is_nan else bits ^ SIGN)
    assert float32.absolute(bits) == (NAN if is_nan else bits & ~SIGN)


@given(bits=PATTERNS)
def test_floor__any_pattern__is_the_integer_below(bits: int) -> None:
    result = float32.floor(bits)
    if float32.is_nan(bits):
        assert result == NAN
    elif float32.is_infinite(bits) or float32.is_zero(bits):
        assert result == bits
    else:
        assert value(result) == value(bits).__floor__()
        if float32.is_zero(result):
            assert result == 0


@pytest.mark.parametrize(
    ("a", "b", "larger", "smaller"),
    [
        (0, SIGN, 0, SIGN),
        (SIGN, 0, 0, SIGN),
        (SIGN, SIGN, SIGN, SIGN),
        (ONE, TWO, TWO, ONE),
        (ONE | SIGN, TWO | SIGN, ONE | SIGN, TWO | SIGN),
        (INFINITY, 0x7F7FFFFF, INFINITY, 0x7F7FFFFF),
        (1, SIGN | 1, 1, SIGN | 1),
        (0xFFFFFFFF, ONE, NAN, NAN),
        (ONE, 0x7F800001, NAN, NAN),
    ],
)
def test_maximum_and_minimum__zeros_and_nan(a: int, b: int, larger: int, smaller: int) -> None:
    assert float32.maximum(a, b) == larger
    assert float32.minimum(a, b) == smaller


def test_comparisons__all_pairs_of_edges__are_those_of_the_values() -> None:
    met: Counter[tuple[int, int, int]] = Counter()
    for a, b in itertools.product(EDGES, EDGES):
        x, y = to_mpfr(a), to_mpfr(b)
        results = (float32.less_than(a, b), float32.less_equal(a, b), float32.equal(a, b))
        assert results == (int(x < y), int(x <= y), int(x == y)), f"{a:#010x}, {b:#010x}"
        met[results] += 1
    assert set(met) == {(0, 0, 0), (1, 1, 0), (0, 1, 1)}


@given(number=st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**31), 2**31 - 1))
def test_from_int__any_integer__equals_mpfr(number: int) -> None:
    with context():
        assert float32.from_int(number) == to_bits(gmpy2.mpfr(number))


@given(bits=PATTERNS)
def test_to_int__any_pattern__is_truncated_and_limited(bits: int) -> None:
    if float32.is_nan(bits):
        expected = 0
    elif float32.is_infinite(bits):
        expected = float32.INT32_MIN if bits & SIGN else float32.INT32_MAX
    else:
        expected = min(max(int(value(bits)), float32.INT32_MIN), float32.INT32_MAX)
    assert float32.to_int(bits) == expected


@given(bits=PATTERNS)
def test_exponent_above__any_size__brackets_it(bits: int) -> None:
    if float32.is_finite(bits) and not float32.is_zero(bits):
        e = float32.exponent_above(bits)
        assert Fraction(2) ** (e - 1) <= abs(value(bits)) < Fraction(2) ** e


def test_quantize__seeded_cases__is_the_nearest_integer_within_the_limit() -> None:
    rng = random.Random(2)
    met: Counter[str] = Counter()
    for _ in range(20_000):
        x, m = random_pair(rng)
        bits = rng.randrange(1, 33)
        result = float32.quantize(x, m, bits)
        limit = 2 ** (bits - 1) - 1
        if float32.is_nan(x) or float32.is_zero(m) or not float32.is_finite(m):
            expected, kind = 0, "undefined"
        elif float32.is_infinite(x):
            expected, kind = (-limit if x & SIGN else limit), "infinite"
        else:
            scaled = value(x) * Fraction(2) ** (bits - 1 - float32.exponent_above(m))
            nearest = round(scaled)  # of a Fraction: exact, ties to even
            expected = min(max(nearest, -limit), limit)
            kind = "limited" if nearest != expected else "zero" if expected == 0 else "ordinary"
            if (2 * scaled).denominator == 1 and scaled.denominator == 2:
                met["tie"] += 1
        assert result == expected, f"quantize({x:#010x}, {m:#010x}, {bits})"
        assert result == float32.quantize(x, m ^ SIGN, bits)
        met[kind] += 1
    assert all(
        met[kind] > 20 for kind in ("undefined", "infinite", "limited", "zero", "ordinary", "tie")
    ), met


def test_dequantize__seeded_cases__is_rounded_once() -> None:
    rng = random.Random(3)
    met: Counter[str] = Counter()
    for _ in range(20_000):
        m_a, m_b = random_pair(rng)
        bits_a, bits_b = rng.randrange(1, 33), rng.randrange(1, 33)
        acc = (rng.getrandbits(64) - 2**63) >> rng.randrange(64)
        ms = [(m_a, bits_a), (m_b, bits_b)][: rng.randrange(1, 3)]
        if len(ms) == 1:
            result = float32.dequantize(acc, m_a, bits_a)
        else:
            result = float32.dequantize(acc, m_a, bits_a, m_b, bits_b)
        if any(not float32.is_finite(m) for m, _ in ms):
            expected = NAN
        elif acc == 0 or any(float32.is_zero(m) for m, _ in ms):
            expected = 0
        else:
            exact = Fraction(acc)
            for m, bits in ms:
                exact *= Fraction(2) ** (float32.exponent_above(m) - (bits - 1))
            with context():
                expected = to_bits(gmpy2.mpfr(gmpy2.mpq(exact)))
        assert result == expected, f"dequantize({acc}, {ms})"
        met[classify(result)] += 1
    assert all(met[kind] > 50 for kind in ("nan", "infinite", "zero", "subnormal", "normal")), met
