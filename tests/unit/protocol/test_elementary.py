"""EXP, LOG, TANH and ERF in integers, against MPFR's correctly rounded functions."""

import random
from collections import Counter

import gmpy2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import elementary, float32
from tests.float_cases import EDGES, HARDEST, SIGN, context, random_pattern, to_bits, to_mpfr

FUNCTIONS = {"exp": gmpy2.exp, "log": gmpy2.log, "tanh": gmpy2.tanh, "erf": gmpy2.erf}
PATTERNS = st.integers(0, 2**32 - 1)


def check(name: str, a: int) -> int:
    result: int = getattr(elementary, name)(a)
    with context():
        expected = to_bits(FUNCTIONS[name](to_mpfr(a)))
    assert result == expected, f"{name}({a:#010x})"
    return result


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function__edges_and_hardest_arguments__equals_mpfr(name: str) -> None:
    for a in EDGES + HARDEST[name]:
        check(name, a)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function__seeded_patterns__equals_mpfr(name: str) -> None:
    rng = random.Random(name)
    met = Counter(check(name, random_pattern(rng)) & float32.MAGNITUDE for _ in range(10_000))
    assert met[float32.NAN] > 10
    assert len(met) > 3_000  # most results are none of the saturated ones


@pytest.mark.parametrize("name", FUNCTIONS)
@given(a=PATTERNS)
def test_function__any_pattern__equals_mpfr(name: str, a: int) -> None:
    check(name, a)


def test_exp__arguments_of_subnormal_results__equals_mpfr() -> None:
    met = 0
    for a in range(0xC2AE0000, 0xC2D00000, 997):
        met += 0 < check("exp", a) < 2**23
    assert met > 1_000


def test_erf__subnormal_arguments__equals_mpfr() -> None:
    for a in range(0, 2**24, 4_099):
        check("erf", a)
        check("erf", a | SIGN)


@pytest.mark.parametrize(
    ("name", "edge"), [("tanh", 0x39800000), ("tanh", 0x41102CB3), ("erf", 0x407AD445)]
)
def test_function__around_a_change_of_method_or_saturation__equals_mpfr(
    name: str, edge: int
) -> None:
    for a in range(edge - 500, edge + 500):
        check(name, a)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf"])
def test_function__exact_zero_and_one(name: str) -> None:
    expected = {"exp": 0x3F800000, "log": float32.INFINITY | SIGN, "tanh": 0, "erf": 0}[name]
    assert getattr(elementary, name)(0) == expected
    assert elementary.log(0x3F800000) == 0


def test_fixed_point__largest_intermediates__fit_256_bits() -> None:
    """What the contract multiplies stays below 2**256, at the ends of the reduced arguments."""
    unit = elementary.UNIT
    assert 2 * unit * elementary.LN2 < 2**256
    largest_term = max(16**n * unit // int(gmpy2.fac(n)) for n in range(60))
    assert largest_term * 16 * unit < 2**256
    assert 2**24 * 2 * elementary.TWO_OVER_SQRT_PI < 2**256
