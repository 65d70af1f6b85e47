"""The module sortition, function by function, against `protocol.sortition`."""

import random
from typing import Any

import boa
import pytest

from protocol import sortition
from protocol.types import Root, Wei

LARGEST = 2**128 - 1


@pytest.fixture(scope="module")
def mock() -> Any:
    return boa.load("contracts/mocks/SortitionMock.vy")


def make_account(rng: random.Random) -> str:
    return f"0x{rng.getrandbits(160):040x}"


def make_ticket(first_bits: int, rest: int = 0) -> bytes:
    return first_bits.to_bytes(16, "big") + rest.to_bytes(16, "big")


def test_is_drawn__tickets_at_the_boundary__equal_protocol(mock: Any) -> None:
    rng, outcomes, edges = random.Random(1), [], 0
    for _ in range(60):
        total = rng.choice([1, 2, 3, rng.getrandbits(64) + 1, LARGEST])
        audits, widening = rng.randint(1, 16), rng.choice([0, 0, 1, 5, 127, 128, 255])
        # Half of them small enough to lose.
        stake = rng.randint(0, rng.choice([total, (total >> widening) // audits]))
        # The first 128 bits whose place is the first one that does not win, and its neighbours.
        edge = -(-(audits * stake << widening + 128) // total)
        for bits in (edge - 1, edge, edge + 1, 0, LARGEST):
            if 0 <= bits <= LARGEST:
                ticket = make_ticket(bits, rng.getrandbits(128))
                drawn = sortition.is_drawn(ticket, Wei(stake), Wei(total), audits, widening)
                assert mock.is_drawn(ticket, stake, total, audits, widening) == drawn
                if bits == edge:
                    assert not drawn
                    edges += 1
                if bits == edge - 1:
                    assert drawn
                outcomes.append(drawn)
    assert 50 < sum(outcomes) < len(outcomes) - 50
    assert edges > 20


def test_is_drawn__largest_numbers__do_not_overflow(mock: Any) -> None:
    assert mock.is_drawn(b"\xff" * 32, LARGEST, LARGEST, 16, 255)
    assert not mock.is_drawn(b"\xff" * 32, 0, LARGEST, 16, 255)
    assert mock.compute_place(b"\xff" * 32, LARGEST) == LARGEST - 1


def test_tickets_and_stretches__any_seed__equal_protocol(mock: Any) -> None:
    rng, parities = random.Random(2), set()
    for _ in range(100):
        seed, claim_id = rng.randbytes(32), rng.choice([1, rng.getrandbits(256)])
        auditor, segments = make_account(rng), rng.choice([3, 4, 5, 6, 9, 1_000, 2**20])
        ticket = sortition.compute_ticket(seed, claim_id, auditor)
        assert mock.compute_ticket(seed, claim_id, auditor) == ticket
        stretches = sortition.count_stretches(segments)
        assert mock.count_stretches(segments) == stretches
        parity = sortition.compute_parity(seed, stretches)
        assert mock.compute_parity(seed, stretches) == parity
        stretch = sortition.compute_stretch(seed, ticket, segments)
        assert mock.compute_stretch(seed, ticket, segments) == stretch
        parities.add((parity, stretches == 1))
    assert parities == {(0, True), (0, False), (1, False)}


def test_commitments_and_fees__equal_protocol(mock: Any) -> None:
    rng = random.Random(3)
    for _ in range(40):
        root, auditor, salt = Root(rng.randbytes(32)), make_account(rng), rng.randbytes(32)
        expected = sortition.compute_commitment(root, auditor, salt)
        assert mock.compute_commitment(root, auditor, salt) == expected
        budget, reserved = rng.getrandbits(rng.choice([4, 128])), rng.getrandbits(4)
        audits, attestations = rng.randint(1, 16), rng.randint(0, 16)
        fee = sortition.compute_fee(Wei(budget), Wei(reserved), audits, attestations)
        assert mock.compute_fee(budget, reserved, audits, attestations) == fee
        assert fee * (2 * audits + attestations) + reserved <= max(budget, reserved)
