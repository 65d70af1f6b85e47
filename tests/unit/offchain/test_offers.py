"""What a submitter offers, and what is refused before anything is spent."""

from dataclasses import replace

import pytest

from offchain.chain.parameters import read_configuration
from offchain.chain.records import NO_ADDRESS, Share
from offchain.offers import BadOffer, Wishes, build_offer, check_offer, compute_audit_fee
from protocol.pricing import Minimums
from tests.agent_views import NOW, OTHER, TERMS

PARAMETERS = read_configuration("local").parameters
MINIMUMS = Minimums(stake=5, bond=6, reexecution_seconds=60)


def build(**wishes):
    return build_offer(Wishes(10, 10, **wishes), TERMS, MINIMUMS, PARAMETERS, NOW)


def test_build_offer__no_wishes__the_least_prices_and_what_check_accepts():
    offer = build()
    assert (offer.stake, offer.bond, offer.auction_seconds) == (5, 6, 0)
    assert offer.lease_seconds == PARAMETERS.max_lease_seconds == 86_400
    # Four of five equal segments.
    assert offer.heartbeat_seconds == 69_120
    check_offer(TERMS, offer, (), MINIMUMS, PARAMETERS, NOW)


def test_build_offer__range_of_rewards__takes_an_hour():
    offer = build_offer(Wishes(1, 2), TERMS, MINIMUMS, PARAMETERS, NOW)
    assert offer.auction_seconds == 3_600 and offer.escrowed == 2


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"stake": 4}, "stake: 4 is outside 5 to"),
        ({"bond": 5}, "bond: 5 is outside 6 to"),
        ({"lease_seconds": 86_401}, "lease seconds: 86401 is outside 1 to 86400"),
        ({"heartbeat_seconds": 86_401}, "heartbeat seconds: 86401 is outside 1 to 86400"),
        ({"attestations": 17}, "attestations: 17 is outside 0 to 16"),
        ({"audit_budget": 3}, "audit budget: 3 makes the fee of an audit zero"),
        ({"expiry_seconds": 0}, f"expiry: {NOW} is in the past"),
        ({"auction_seconds": 366 * 86_400}, "auction seconds: "),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_check_offer__outside_the_contracts_limits__is_named(wishes, said):
    with pytest.raises(BadOffer, match=said):
        check_offer(TERMS, build(**wishes), (), MINIMUMS, PARAMETERS, NOW)


def test_check_offer__least_reward_above_the_largest__is_named():
    offer = build_offer(Wishes(3, 2), TERMS, MINIMUMS, PARAMETERS, NOW)
    with pytest.raises(BadOffer, match="least reward: 3 is outside 1 to 2"):
        check_offer(TERMS, offer, (), MINIMUMS, PARAMETERS, NOW)


def test_check_offer__segment_too_long_for_the_deployment__is_named():
    slow = replace(MINIMUMS, reexecution_seconds=601)
    with pytest.raises(BadOffer, match="needs at least 601, the deployment allows 600"):
        check_offer(TERMS, build(), (), slow, PARAMETERS, NOW)


@pytest.mark.parametrize(("segments", "refused"), [(2, True), (3, False)])
def test_check_offer__nothing_to_audit__is_named(segments, refused):
    terms, offer = replace(TERMS, segments=segments), build(audit_budget=4)
    if not refused:
        check_offer(terms, offer, (), MINIMUMS, PARAMETERS, NOW)
        return
    with pytest.raises(BadOffer, match="2 segments have nothing to audit, 3 are needed"):
        check_offer(terms, offer, (), MINIMUMS, PARAMETERS, NOW)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ([Share(OTHER, 10_000)], "leave the worker nothing"),
        ([Share(OTHER, 1)] * 9, "9, at most 8"),
        ([Share(NO_ADDRESS, 1)], f"share of {NO_ADDRESS}"),
        ([Share(OTHER, 0)], "0 basis points"),
    ],
)
def test_check_offer__split_that_the_splitter_refuses__is_named(shares, said):
    with pytest.raises(BadOffer, match=said):
        check_offer(TERMS, build(), shares, MINIMUMS, PARAMETERS, NOW)


def test_compute_audit_fee__budget__is_shared_by_all_whom_it_may_have_to_pay():
    # Two audits on average, so up to four, and one attestation.
    assert compute_audit_fee(build(audit_budget=25, attestations=1), PARAMETERS) == 5
