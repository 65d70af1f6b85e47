"""price_of and assign: the reward rises until a registered worker takes the task. [E9, E10]"""

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.pricing import compute_reward
from tests.economy import AUDITOR, EXPIRY_SECONDS, LEASE_SECONDS, STAKE, deploy_economy, get_event

AUCTION = {"min_reward": 400, "max_reward": 1_000, "auction_seconds": 700}


@pytest.mark.parametrize(
    ("elapsed", "price"),
    [(0, 400), (1, 400), (2, 401), (7, 406), (350, 700), (699, 999), (700, 1_000), (5_000, 1_000)],
)
def test_price_of__time__rises_linearly_to_the_maximum(economy, elapsed, price):
    task_id = economy.post(**AUCTION)
    boa.env.time_travel(seconds=elapsed)
    assert economy.escrow.price_of(task_id) == price
    economy.assign(task_id, reward=price)
    assert get_event(economy.escrow, "TaskAssigned")["reward"] == price
    assert economy.escrow.task_of(task_id).reward == price


def test_price_of__no_auction__is_the_maximum_at_once(economy):
    task_id = economy.post(min_reward=1, max_reward=1_000, auction_seconds=0)
    assert economy.escrow.price_of(task_id) == 1_000


def test_price_of__not_posted__reverts(economy):
    task_id = economy.post()
    economy.assign(task_id)
    for unavailable in (task_id, 0, task_id + 1):
        with boa.reverts("escrow: not posted"):
            economy.escrow.price_of(unavailable)


def test_assign__more_than_the_auction_offers__waits(economy):
    task_id = economy.post(**AUCTION)
    boa.env.time_travel(seconds=349)
    economy.register(economy.worker)
    economy.stake(economy.worker, STAKE)
    with boa.reverts("escrow: reward too low"):
        economy.assign(task_id, reward=700)
    boa.env.time_travel(seconds=1)
    economy.assign(task_id, reward=700)


def test_assign__asking_for_less__gets_what_is_offered(economy):
    task_id = economy.post(**AUCTION)
    boa.env.time_travel(seconds=350)
    economy.assign(task_id, reward=1)
    assert economy.escrow.task_of(task_id).reward == 700


def test_reopened__auction__begins_again(economy):
    task_id = economy.post(**AUCTION)
    boa.env.time_travel(seconds=700)
    economy.assign(task_id)
    boa.env.time_travel(seconds=100)
    economy.escrow.abandon(task_id, sender=economy.worker)
    task = economy.escrow.task_of(task_id)
    assert (task.reward, task.posted_at) == (0, boa.env.timestamp)
    assert economy.escrow.price_of(task_id) == 400
    boa.env.time_travel(seconds=350)
    economy.assign(task_id, economy.challenger)
    assert economy.escrow.task_of(task_id).reward == 700


@settings(max_examples=30)
@given(
    least=st.integers(1, 2**128 - 1),
    most=st.integers(1, 2**128 - 1),
    seconds=st.integers(0, 365 * 86_400),
    share=st.integers(0, 12),
)
def test_price_of__any_auction__is_that_of_the_specification(least, most, seconds, share):
    with boa.env.anchor():
        economy = deploy_economy()
        least, most = sorted((least, most))
        task_id = economy.post(min_reward=least, max_reward=most, auction_seconds=seconds)
        elapsed = seconds * share // 10
        boa.env.time_travel(seconds=elapsed)
        price = economy.escrow.price_of(task_id)
        assert price == compute_reward(least, most, seconds, elapsed)
        assert least <= price <= most


def test_assign__staked__locks_the_stake(economy):
    task_id = economy.post()
    economy.assign(task_id)
    lease_end = boa.env.timestamp + LEASE_SECONDS
    event = get_event(economy.escrow, "TaskAssigned")
    assert (event["task_id"], event["worker"]) == (task_id, economy.worker)
    assert event["lease_end"] == lease_end
    assert economy.vault.lock_of(economy.escrow, task_id) == (economy.worker, STAKE)
    assert economy.vault.free_of(economy.worker) == 0


def test_assign__too_little_stake__reverts(economy):
    task_id = economy.post()
    economy.register(economy.worker)
    economy.stake(economy.worker, STAKE - 1)
    with boa.reverts("vault: insufficient stake"):
        economy.escrow.assign(task_id, economy.digest_of(task_id), 0, sender=economy.worker)


def test_assign__not_registered_as_a_worker__reverts(economy):
    task_id = economy.post()
    economy.stake(economy.worker, STAKE)
    arguments = (task_id, economy.digest_of(task_id), 0)
    with boa.reverts("escrow: not a worker"):
        economy.escrow.assign(*arguments, sender=economy.worker)
    economy.register(economy.worker, AUDITOR)
    with boa.reverts("escrow: not a worker"):
        economy.escrow.assign(*arguments, sender=economy.worker)


def test_assign__another_task_with_that_number__reverts(economy):
    task_id, other = economy.post(), economy.post(bond=2_000)
    economy.register(economy.worker)
    economy.stake(economy.worker, STAKE)
    with boa.reverts("escrow: another task"):
        economy.escrow.assign(task_id, economy.digest_of(other), 0, sender=economy.worker)


def test_assign__taken_or_unknown__reverts(economy):
    task_id = economy.post()
    economy.assign(task_id)
    digest = economy.digest_of(task_id)
    for unavailable in (task_id, 0, task_id + 1):
        with boa.reverts("escrow: not posted"):
            economy.escrow.assign(unavailable, digest, 0, sender=economy.worker)


def test_assign__at_the_expiry__is_the_last_moment(economy):
    first, second = economy.post(), economy.post()
    boa.env.time_travel(seconds=EXPIRY_SECONDS)
    economy.assign(first)
    boa.env.time_travel(seconds=1)
    with boa.reverts("escrow: expired"):
        economy.assign(second)
