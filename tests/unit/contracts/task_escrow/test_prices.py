"""The least stake, bond and re-execution time of a task, against `protocol.pricing`. [E10]"""

from dataclasses import astuple, replace

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.pricing import RATE_MAX, Rates, compute_minimums
from tests.economy import Terms, deploy_economy

MOST = 2**64 - 1
U64 = st.one_of(st.sampled_from([0, 1, 2**20, 2**63, MOST]), st.integers(0, MOST))
AMOUNT = st.one_of(st.sampled_from([1, 2**128 - 1]), st.integers(1, 10**21))
BOND = st.one_of(st.sampled_from([1, 2**96 - 1]), st.integers(1, 10**21))
RATE = st.one_of(st.sampled_from([0, 1, RATE_MAX]), st.integers(0, RATE_MAX))
SPEED = st.one_of(st.sampled_from([1, RATE_MAX]), st.integers(1, RATE_MAX))


def deploy_with(rates):
    return deploy_economy(**rates.__dict__)


@settings(max_examples=40)
@given(
    rates=st.builds(Rates, AMOUNT, RATE, BOND, RATE, SPEED),
    sizes=st.lists(st.tuples(U64, U64, U64), min_size=5, max_size=5),
)
def test_minimums_of__any_numbers__are_those_of_the_specification(rates, sizes):
    with boa.env.anchor():
        escrow = deploy_with(rates).escrow
        for segments, segment_length, step_operations in sizes:
            terms = Terms(
                segments=segments, segment_length=segment_length, step_operations=step_operations
            )
            expected = compute_minimums(rates, segments, segment_length, step_operations)
            assert escrow.minimums_of(terms.as_tuple()) == astuple(expected)


def test_minimums_of__largest_numbers__do_not_overflow():
    with boa.env.anchor():
        rates = Rates(1, RATE_MAX, 1, RATE_MAX, 1)
        terms = Terms(segments=MOST, segment_length=MOST, step_operations=MOST)
        stake, bond, seconds = deploy_with(rates).escrow.minimums_of(terms.as_tuple())
        assert stake == -(-(MOST**4) // 10**9)
        assert bond == -(-(MOST**3) // 10**9)
        assert seconds == MOST**2


@pytest.mark.parametrize(
    ("rates", "name", "message"),
    [
        (Rates(1, 10**9 + 1, 1, 0, 10**6), "stake", "escrow: stake out of range"),
        (Rates(500, 1, 1, 0, 10**6), "stake", "escrow: stake out of range"),
        (Rates(1, 0, 1, 10**9 + 1, 10**6), "bond", "escrow: bond out of range"),
        (Rates(1, 0, 500, 1, 10**6), "bond", "escrow: bond out of range"),
    ],
)
def test_post__at_the_least_amount__is_the_last_that_is_accepted(rates, name, message):
    with boa.env.anchor():
        economy = deploy_with(rates)
        terms = Terms(segments=3, segment_length=4, step_operations=7)
        least = getattr(compute_minimums(rates, 3, 4, 7), name)
        amounts = {"stake": 10**6, "bond": 10**6}
        economy.post(terms, **(amounts | {name: least}))
        with boa.reverts(message):
            economy.post(terms, **(amounts | {name: least - 1}))


def test_post__at_the_least_time__is_the_last_that_is_accepted():
    with boa.env.anchor():
        economy = deploy_economy(operations_per_second=10)
        terms = Terms(segment_length=7, step_operations=13, reexecution_seconds=10)
        economy.post(terms)  # 91 operations
        with boa.reverts("escrow: re-execution time out of range"):
            economy.post(replace(terms, reexecution_seconds=9))


def test_post__segment_too_long_for_a_clock__is_refused_whatever_is_declared():
    with boa.env.anchor():
        economy = deploy_economy(operations_per_second=10, max_reexecution_seconds=9)
        terms = Terms(segment_length=7, step_operations=13)
        for seconds in (9, 10):
            with boa.reverts("escrow: re-execution time out of range"):
                economy.post(replace(terms, reexecution_seconds=seconds))
        economy.post(replace(terms, segment_length=6, reexecution_seconds=8))
