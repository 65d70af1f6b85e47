"""What a node answers is refused where it is outside the protocol's bounds."""

from dataclasses import astuple

import pytest
from eth_abi import encode
from web3 import Web3

from offchain.chain.errors import BadAnswer
from offchain.chain.records import (
    AMOUNT_MAX,
    NO_ADDRESS,
    TIME_MAX,
    Share,
    compute_digest,
    from_claim,
    from_offer,
    from_task,
    from_terms,
)
from offchain.chain.registry import BadNode, Role, build_node
from offchain.chain.splitter import compute_worker_part
from tests.agent_views import CLAIM, OFFER, OTHER, ROOT, SUBMITTER, TASK, TERMS

OFFER_WORDS = list(astuple(OFFER))
TERMS_WORDS = list(astuple(TERMS))


def change(values, place, value) -> list:
    return [*values[:place], value, *values[place + 1 :]]


def test_from_terms__decoded__is_the_record():
    assert from_terms(TERMS_WORDS) == TERMS


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (4, 0, "records: 0"),
        (5, 2**20 + 1, "segments: 1048577"),
        (6, 0, "segment length: 0"),
        (7, TIME_MAX + 1, "re-execution seconds"),
        (8, 0, "step operations: 0"),
    ],
)
def test_from_terms__outside_the_bounds__is_refused(place, value, said):
    with pytest.raises(BadAnswer, match=said):
        from_terms(change(TERMS_WORDS, place, value))


def test_from_offer__decoded__is_the_record():
    assert from_offer(OFFER_WORDS) == OFFER
    assert OFFER.escrowed == 10


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (1, AMOUNT_MAX + 1, "largest reward"),
        (2, TIME_MAX + 1, "auction"),
        (4, 17, "attestations: 17 is outside 0 to 16"),
        (5, 2**128, "stake"),
        (8, TIME_MAX + 1, "heartbeat"),
    ],
)
def test_from_offer__outside_the_bounds__is_refused(place, value, said):
    with pytest.raises(BadAnswer, match=said):
        from_offer(change(OFFER_WORDS, place, value))


def test_from_task__decoded__is_the_record_with_checksummed_addresses():
    words = list(astuple(TASK))[1:]
    task = from_task(TASK.id, words)
    assert task.status is TASK.status and task.submitter == Web3.to_checksum_address(SUBMITTER)
    assert task.deadline == 0
    for place, value in ((1, 3), (3, TIME_MAX + 1), (9, 2**20 + 1)):
        with pytest.raises(BadAnswer):
            from_task(TASK.id, change(words, place, value))


def test_from_claim__decoded__is_the_record():
    words = list(astuple(CLAIM))[1:]
    assert from_claim(CLAIM.id, words).claimed_at == CLAIM.claimed_at
    with pytest.raises(BadAnswer, match="ClaimStatus: 3 is none"):
        from_claim(CLAIM.id, change(words, 7, 3))


def test_compute_digest__any_part_changed__differs():
    shares = (Share(OTHER, 100),)
    digest = compute_digest(SUBMITTER, TERMS, OFFER, shares)
    words = "(bytes32,bytes32,bytes32,bytes32,uint64,uint64,uint64,uint64,uint64)"
    amounts = f"({','.join(['uint256'] * 10)})"
    encoded = encode(
        ["address", words, amounts, "(address,uint256)[]"],
        [SUBMITTER, tuple(TERMS_WORDS), tuple(OFFER_WORDS), [(OTHER, 100)]],
    )
    assert digest == Web3.keccak(encoded)
    others = {
        compute_digest(OTHER, TERMS, OFFER, shares),
        compute_digest(SUBMITTER, from_terms(change(TERMS_WORDS, 8, 1_001)), OFFER, shares),
        compute_digest(SUBMITTER, TERMS, from_offer(change(OFFER_WORDS, 3, 1)), shares),
        compute_digest(SUBMITTER, TERMS, OFFER, ()),
    }
    assert len(others | {digest}) == 5


def test_compute_worker_part__shares__are_rounded_down_one_by_one():
    shares = (Share(OTHER, 3_333), Share(SUBMITTER, 3_333))
    assert compute_worker_part(10, ()) == 10
    assert compute_worker_part(10, shares) == 10 - 3 - 3


def test_build_node__what_does_not_fit__is_refused():
    node = build_node(Role.WORKER | Role.AUDITOR, "h200", ROOT, OTHER, "https://example.org")
    assert (node.hardware, node.roles.words) == ("h200", "worker and auditor")
    for hardware, digest, uri, said in (
        ("x" * 33, ROOT, "", "33 bytes, at most 32"),
        ("cpu", ROOT, "x" * 257, "URI: 257 bytes"),
        ("cpu", ROOT[:-1], "", "31 bytes, expected 32"),
    ):
        with pytest.raises(BadNode, match=said):
            build_node(Role.WORKER, hardware, digest, NO_ADDRESS, uri)
