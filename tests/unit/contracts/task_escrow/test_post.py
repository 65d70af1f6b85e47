from dataclasses import astuple, replace

import boa
import pytest
from eth_abi import encode
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.economy import (
    BOND,
    EXPIRY_SECONDS,
    LEASE_SECONDS,
    MAX_LEASE_SECONDS,
    MAX_REEXECUTION_SECONDS,
    POSTED,
    REWARD,
    ZERO_ADDRESS,
    Offer,
    Terms,
    deploy_economy,
    get_deployer,
    get_event,
    get_transfers,
)

YEAR = 365 * 86_400
LARGEST = Terms(
    records=2**40,
    segments=2**20,
    segment_length=2**20,
    reexecution_seconds=MAX_REEXECUTION_SECONDS,
    step_operations=800,
)
SMALLEST = Terms(records=1, segments=1, segment_length=1, reexecution_seconds=1, step_operations=1)
TERMS_TYPE = "(bytes32,bytes32,bytes32,bytes32,uint64,uint64,uint64,uint64,uint64)"
OFFER_TYPE = "(" + ",".join(["uint256"] * 10) + ")"
SHARES_TYPE = "(address,uint256)[]"


def compute_digest(submitter, terms, offer, shares):
    """What a worker agrees to. [E9]"""
    types = ["address", TERMS_TYPE, OFFER_TYPE, SHARES_TYPE]
    return keccak(encode(types, [submitter, terms, offer, shares]))


def test_post__good__escrows_the_reward_and_the_audit_budget(economy):
    escrow = economy.escrow
    now = boa.env.timestamp
    offer = Offer(
        min_reward=300,
        max_reward=1_000,
        auction_seconds=500,
        audit_budget=77,
        attestations=2,
        heartbeat_seconds=90,
        expiry=now + EXPIRY_SECONDS,
    )
    shares = [(economy.challenger, 500)]
    task_id = economy.post(shares=shares, **offer.__dict__)
    digest = compute_digest(economy.submitter, economy.terms.as_tuple(), astuple(offer), shares)
    event = get_event(escrow, "TaskPosted")
    assert (event["task_id"], event["submitter"]) == (1, economy.submitter)
    assert (event["terms"], event["offer"]) == (economy.terms.as_tuple(), astuple(offer))
    assert event["digest"] == digest
    assert get_transfers(escrow) == [(economy.submitter, escrow.address, 1_077)]

    assert task_id == escrow.task_count() == 1
    assert escrow.terms_of(1) == economy.terms.as_tuple()
    assert escrow.offer_of(1) == astuple(offer)
    expected = (economy.submitter, POSTED, digest, now, 77, ZERO_ADDRESS, 0, 0, 0, 0, 0)
    assert escrow.task_of(1) == expected
    assert economy.splitter.split_of(1) == shares
    assert escrow.total_escrowed() == economy.token.balanceOf(escrow) == 1_077


def test_post__two_tasks__have_their_own_ids(economy):
    assert [economy.post(), economy.post()] == [1, 2]
    assert economy.escrow.total_escrowed() == 2 * REWARD


@settings(max_examples=20)
@given(
    roots=st.lists(st.binary(min_size=32, max_size=32).filter(any), min_size=4, max_size=4),
    rewards=st.tuples(st.integers(1, 10**30), st.integers(0, 10**30)),
    numbers=st.lists(st.integers(1, 16), min_size=5, max_size=5),
    points=st.lists(st.integers(1, 1_249), max_size=8),
)
def test_post__any_task__has_the_digest_of_its_encoding(roots, rewards, numbers, points):
    with boa.env.anchor():
        economy = deploy_economy()
        terms = Terms(*roots, *numbers[:3])
        offer = Offer(
            min_reward=rewards[0],
            max_reward=sum(rewards),
            audit_budget=numbers[3],
            attestations=numbers[4],
            expiry=boa.env.timestamp + 5,
        )
        shares = [(boa.env.generate_address(), share) for share in points]
        task_id = economy.post(terms, shares, **offer.__dict__)
        digest = compute_digest(economy.submitter, terms.as_tuple(), astuple(offer), shares)
        assert economy.digest_of(task_id) == digest


def test_post__anything_different__has_another_digest(economy):
    digests = {economy.digest_of(economy.post())}
    expiry = economy.escrow.offer_of(1).expiry
    changes = ({"records": 2}, {"segments": 2}, {"seed": bytes(32)})
    terms = [replace(economy.terms, **change) for change in changes]
    digests |= {economy.digest_of(economy.post(item, expiry=expiry)) for item in terms}
    for change in ({"expiry": expiry + 1}, {"bond": BOND + 1}, {"audit_budget": 1}):
        digests.add(economy.digest_of(economy.post(**({"expiry": expiry} | change))))
    shares = [(economy.challenger, 1)]
    digests.add(economy.digest_of(economy.post(shares=shares, expiry=expiry)))
    economy.submitter = boa.env.generate_address("another submitter")
    digests.add(economy.digest_of(economy.post(expiry=expiry)))
    assert len(digests) == 9
    assert economy.digest_of(economy.post(expiry=expiry)) in digests


def test_post__at_the_limits__works(economy):
    for terms in (LARGEST, SMALLEST):
        stake, bond, _ = economy.escrow.minimums_of(terms.as_tuple())
        task_id = economy.post(terms, stake=stake, bond=bond)
        assert economy.escrow.terms_of(task_id) == terms.as_tuple()
    most = 2**128 - 1
    economy.post(
        min_reward=most,
        max_reward=most,
        auction_seconds=YEAR,
        audit_budget=most,
        attestations=16,
        stake=most,
        bond=2**96 - 1,
        lease_seconds=MAX_LEASE_SECONDS,
        heartbeat_seconds=MAX_LEASE_SECONDS,
        expiry=2**256 - 1,
    )
    economy.post(
        min_reward=1,
        max_reward=1,
        lease_seconds=1,
        heartbeat_seconds=1,
        expiry=boa.env.timestamp + 1,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"program_root": bytes(32)}, "escrow: empty root"),
        ({"genesis_root": bytes(32)}, "escrow: empty root"),
        ({"records": 0}, "escrow: records out of range"),
        ({"records": 2**40 + 1}, "escrow: records out of range"),
        ({"segments": 0}, "escrow: segments out of range"),
        ({"segments": 2**20 + 1}, "escrow: segments out of range"),
        ({"segments": 2**64 - 1}, "escrow: segments out of range"),
        ({"segment_length": 0}, "escrow: segment length out of range"),
        ({"segment_length": 2**20 + 1}, "escrow: segment length out of range"),
        ({"step_operations": 0}, "escrow: step operations out of range"),
        ({"step_operations": 2**64 - 1}, "escrow: re-execution time out of range"),
        ({"reexecution_seconds": 0}, "escrow: re-execution time out of range"),
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
        ({"min_reward": 0}, "escrow: reward out of range"),
        ({"min_reward": REWARD + 1}, "escrow: reward out of range"),
        ({"max_reward": REWARD - 1}, "escrow: reward out of range"),
        ({"max_reward": 2**128}, "escrow: reward out of range"),
        ({"auction_seconds": YEAR + 1}, "escrow: auction out of range"),
        ({"audit_budget": 2**128}, "escrow: audit budget out of range"),
        ({"attestations": 17}, "escrow: attestations out of range"),
        ({"stake": 9}, "escrow: stake out of range"),
        ({"stake": 2**128}, "escrow: stake out of range"),
        ({"bond": 6}, "escrow: bond out of range"),
        ({"bond": 2**96}, "escrow: bond out of range"),
        ({"lease_seconds": 0}, "escrow: lease out of range"),
        ({"lease_seconds": MAX_LEASE_SECONDS + 1}, "escrow: lease out of range"),
        ({"heartbeat_seconds": 0}, "escrow: heartbeat out of range"),
        ({"heartbeat_seconds": LEASE_SECONDS + 1}, "escrow: heartbeat out of range"),
    ],
)
def test_post__offer_outside_limits__reverts(economy, change, message):
    with boa.reverts(message):
        economy.post(**change)


def test_post__expiry_not_in_the_future__reverts(economy):
    with boa.reverts("escrow: expiry in the past"):
        economy.post(expiry=boa.env.timestamp)


def test_post__malformed_split__reverts(economy):
    with boa.reverts("splitter: shares exceed whole"):
        economy.post(shares=[(economy.worker, 10_000)])


def test_post__no_allowance__reverts(economy):
    offer = astuple(Offer(expiry=boa.env.timestamp + 1))
    with boa.reverts("erc20: insufficient allowance"):
        economy.escrow.post(Terms().as_tuple(), offer, [], sender=economy.submitter)


def test_post__faulty_token__reverts():
    token = get_deployer("mocks/FaultyToken").deploy()
    economy = deploy_economy(token)
    token.mint(economy.submitter, REWARD)
    offer = astuple(Offer(expiry=boa.env.timestamp + 1))
    token.set_fault(1, False)
    with boa.reverts("escrow: short transfer"):
        economy.escrow.post(Terms().as_tuple(), offer, [], sender=economy.submitter)
    token.set_fault(0, True)
    with boa.reverts("escrow: transfer failed"):
        economy.escrow.post(Terms().as_tuple(), offer, [], sender=economy.submitter)


def test_views__unknown_ids__revert(economy):
    economy.claimed()
    for unknown in (0, 2):
        for view in (economy.escrow.task_of, economy.escrow.terms_of, economy.escrow.offer_of):
            with boa.reverts("escrow: unknown task"):
                view(unknown)
        for view in (economy.escrow.claim_of, economy.escrow.subject_of):
            with boa.reverts("escrow: unknown claim"):
                view(unknown)
