from dataclasses import replace

import boa
import pytest

from tests.economy import (
    EXPIRY_SECONDS,
    LEASE_SECONDS,
    MAX_LEASE_SECONDS,
    MAX_REEXECUTION_SECONDS,
    MIN_STAKE,
    POSTED,
    REWARD,
    STAKE,
    ZERO_ADDRESS,
    Terms,
    deploy_economy,
    get_deployer,
    get_event,
    get_transfers,
)

LARGEST = Terms(
    records=2**40,
    segments=2**20,
    segment_length=2**20,
    reexecution_seconds=MAX_REEXECUTION_SECONDS,
)


def test_post__good__escrows_the_reward(economy):
    escrow = economy.escrow
    expiry = boa.env.timestamp + EXPIRY_SECONDS
    shares = [(economy.challenger, 500)]
    task_id = economy.post(shares=shares)
    event = get_event(escrow, "TaskPosted")
    assert (event["task_id"], event["submitter"]) == (1, economy.submitter)
    assert (event["reward"], event["stake"]) == (REWARD, STAKE)
    assert (event["lease_seconds"], event["expiry"]) == (LEASE_SECONDS, expiry)
    assert event["terms"] == economy.terms.as_tuple()
    assert get_transfers(escrow) == [(economy.submitter, escrow.address, REWARD)]

    assert task_id == escrow.task_count() == 1
    assert escrow.terms_of(1) == economy.terms.as_tuple()
    expected = (economy.submitter, POSTED, REWARD, STAKE, LEASE_SECONDS, expiry)
    assert escrow.task_of(1) == (*expected, ZERO_ADDRESS, 0, 0)
    assert economy.splitter.split_of(1) == shares
    assert escrow.total_escrowed() == economy.token.balanceOf(escrow) == REWARD


def test_post__two_tasks__have_their_own_ids(economy):
    assert [economy.post(), economy.post()] == [1, 2]
    assert economy.escrow.total_escrowed() == 2 * REWARD


def test_post__at_the_limits__works(economy):
    for terms in (LARGEST, Terms(records=1, segments=1, segment_length=1, reexecution_seconds=0)):
        task_id = economy.post(terms, stake=MIN_STAKE, lease_seconds=MAX_LEASE_SECONDS)
        assert economy.escrow.terms_of(task_id) == terms.as_tuple()
    economy.post(reward=2**128 - 1, stake=2**128 - 1, lease_seconds=1)
    economy.post(reward=1, expiry=boa.env.timestamp + 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"program_root": bytes(32)}, "escrow: empty root"),
        ({"genesis_root": bytes(32)}, "escrow: empty root"),
        ({"records": 0}, "escrow: records out of range"),
        ({"records": 2**40 + 1}, "escrow: records out of range"),
        ({"segments": 0}, "escrow: segments out of range"),
        ({"segments": 2**20 + 1}, "escrow: segments out of range"),
        ({"segment_length": 0}, "escrow: segment length out of range"),
        ({"segment_length": 2**20 + 1}, "escrow: segment length out of range"),
        (
            {"reexecution_seconds": MAX_REEXECUTION_SECONDS + 1},
            "escrow: re-execution time out of range",
        ),
    ],
)
def test_post__terms_outside_limits__reverts(economy, change, message):
    with boa.reverts(message):
        economy.post(replace(economy.terms, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": 0}, "escrow: reward out of range"),
        ({"reward": 2**128}, "escrow: reward out of range"),
        ({"stake": MIN_STAKE - 1}, "escrow: stake out of range"),
        ({"stake": 2**128}, "escrow: stake out of range"),
        ({"lease_seconds": 0}, "escrow: lease out of range"),
        ({"lease_seconds": MAX_LEASE_SECONDS + 1}, "escrow: lease out of range"),
    ],
)
def test_post__amounts_outside_limits__reverts(economy, change, message):
    with boa.reverts(message):
        economy.post(**change)


def test_post__expiry_not_in_the_future__reverts(economy):
    with boa.reverts("escrow: expiry in the past"):
        economy.post(expiry=boa.env.timestamp)


def test_post__malformed_split__reverts(economy):
    with boa.reverts("splitter: shares exceed whole"):
        economy.post(shares=[(economy.worker, 10_000)])


def test_post__no_allowance__reverts(economy):
    arguments = (Terms().as_tuple(), 5, STAKE, 1, boa.env.timestamp + 1, [])
    with boa.reverts("erc20: insufficient allowance"):
        economy.escrow.post(*arguments, sender=economy.submitter)


def test_post__faulty_token__reverts():
    token = get_deployer("mocks/FaultyToken").deploy()
    economy = deploy_economy(token)
    token.mint(economy.submitter, 10)
    arguments = (Terms().as_tuple(), 10, STAKE, 1, boa.env.timestamp + 1, [])
    token.set_fault(1, False)
    with boa.reverts("escrow: short transfer"):
        economy.escrow.post(*arguments, sender=economy.submitter)
    token.set_fault(0, True)
    with boa.reverts("escrow: transfer failed"):
        economy.escrow.post(*arguments, sender=economy.submitter)


def test_views__unknown_ids__revert(economy):
    economy.claimed()
    for unknown in (0, 2):
        with boa.reverts("escrow: unknown task"):
            economy.escrow.task_of(unknown)
        with boa.reverts("escrow: unknown task"):
            economy.escrow.terms_of(unknown)
        with boa.reverts("escrow: unknown claim"):
            economy.escrow.claim_of(unknown)
