"""The least that a task can be posted with, and the auction's reward."""

from dataclasses import astuple
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.pricing import (
    RATE_MAX,
    Minimums,
    Rates,
    compute_least_amount,
    compute_least_seconds,
    compute_minimums,
    compute_reward,
    compute_run_operations,
    compute_segment_operations,
)
from protocol.types import Seconds, Wei

AMOUNTS = st.integers(1, 2**128 - 1).map(Wei)
RATES = st.builds(
    Rates,
    AMOUNTS,
    st.integers(0, RATE_MAX).map(Wei),
    AMOUNTS,
    st.integers(0, RATE_MAX).map(Wei),
    st.integers(1, RATE_MAX),
)
SIZES = st.integers(0, 2**64 - 1)


def test_compute_operations__product_of_the_terms():
    assert compute_segment_operations(16, 1_000) == 16_000
    assert compute_run_operations(5, 16, 1_000) == 80_000


@pytest.mark.parametrize(
    ("rate", "operations", "amount"),
    [(0, 10**18, 7), (1, 7 * 10**9, 7), (1, 7 * 10**9 + 1, 8), (3, 10**10, 30), (1, 1, 7)],
)
def test_compute_least_amount__rounds_up_but_not_below_the_least(rate, operations, amount):
    assert compute_least_amount(Wei(7), Wei(rate), operations) == amount


@pytest.mark.parametrize(("operations", "seconds"), [(0, 0), (1, 1), (10, 1), (11, 2), (20, 2)])
def test_compute_least_seconds__rounds_up(operations, seconds):
    assert compute_least_seconds(operations, 10) == seconds


@given(RATES, SIZES, SIZES, SIZES)
def test_compute_minimums__any_terms__is_the_formula_rounded_up(rates, segments, length, step):
    run, segment = segments * length * step, length * step
    assert compute_minimums(rates, segments, length, step) == Minimums(
        Wei(max(rates.min_stake, ceil(Fraction(rates.stake_rate * run, 10**9)))),
        Wei(max(rates.min_bond, ceil(Fraction(rates.bond_rate * segment, 10**9)))),
        Seconds(ceil(Fraction(segment, rates.operations_per_second))),
    )


@given(RATES, SIZES, SIZES, SIZES, st.integers(0, 2))
def test_compute_minimums__more_operations__never_costs_less(rates, segments, length, step, which):
    more = [segments, length, step]
    more[which] += 1
    least = astuple(compute_minimums(rates, segments, length, step))
    assert all(a <= b for a, b in zip(least, astuple(compute_minimums(rates, *more))))


def test_compute_minimums__largest_numbers__leave_room_to_round_on_the_chain():
    most = 2**64 - 1
    assert RATE_MAX * most**3 + 10**9 - 1 < 2**256
    assert (RATE_MAX + 1) * (most + 1) ** 3 >= 2**256


@given(
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**128 - 1),
    st.integers(0, 365 * 86_400),
    st.integers(0, 366 * 86_400),
)
def test_compute_reward__any_time__lies_on_the_line_and_never_falls(a, b, seconds, elapsed):
    least, most = Wei(min(a, b)), Wei(max(a, b))
    reward = compute_reward(least, most, Seconds(seconds), Seconds(elapsed))
    share = min(Fraction(elapsed, seconds), Fraction(1)) if seconds else Fraction(1)
    assert reward == floor(least + (most - least) * share)
    assert compute_reward(least, most, Seconds(seconds), Seconds(elapsed + 1)) >= reward


def test_compute_reward__ends__are_the_offers():
    assert compute_reward(Wei(3), Wei(10), Seconds(7), Seconds(0)) == 3
    assert compute_reward(Wei(3), Wei(10), Seconds(7), Seconds(6)) == 9
    assert compute_reward(Wei(3), Wei(10), Seconds(7), Seconds(7)) == 10
    assert compute_reward(Wei(3), Wei(10), Seconds(0), Seconds(0)) == 10
