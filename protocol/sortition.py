"""Who is drawn to audit a claim, and which part of it: `contracts/modules/sortition.vy` in Python.

A claim of n segments is cut into stretches of two: stretch u is segments 2u and 2u + 1. What is
compared is the leaf 2u + 1 of the claim, the stretch's end. All stretches drawn of one claim have
the same parity, so that the state before one is never the end of another; the last segment is in
none, nor the one before it where n is even, because the claim's own proof shows their ends.

Accounts are "0x" and 40 hexadecimal digits.
"""

from hashlib import sha256

from protocol.types import Root, SegmentIndex, Wei

TICKET_BITS = 2**7  # = 128: with a total stake below 2**128 their product fits 256 bits


def _encode_number(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _encode_account(account: str) -> bytes:
    return bytes.fromhex(account[2:])


def compute_ticket(seed: bytes, claim_id: int, auditor: str) -> bytes:
    """sha256(seed || claim_id || auditor): 32, 32 and 20 bytes."""
    return sha256(seed + _encode_number(claim_id) + _encode_account(auditor)).digest()


def compute_place(ticket: bytes, total_stake: Wei) -> Wei:
    """Where in the total stake the ticket's first 128 bits point, as a fraction of it."""
    return Wei(int.from_bytes(ticket[:16], "big") * total_stake >> TICKET_BITS)


def is_drawn(ticket: bytes, stake: Wei, total_stake: Wei, audits: int, widening: int) -> bool:
    """Whether the ticket wins, with `audits` times 2**widening on average. Totals below 2**128."""
    return compute_place(ticket, total_stake) >> widening < audits * stake


def count_stretches(segments: int) -> int:
    """Stretches of a claim: none of one or two segments."""
    return (segments - 1) // 2


def compute_parity(seed: bytes, stretches: int) -> int:
    """Whether even or odd stretches are drawn: the seed's lowest bit, 0 where there is only one."""
    return seed[-1] & 1 if stretches > 1 else 0


def compute_stretch(seed: bytes, ticket: bytes, segments: int) -> int:
    """The stretch that a ticket gives; at least three segments."""
    stretches = count_stretches(segments)
    parity = compute_parity(seed, stretches)
    candidates = (stretches + 1 - parity) // 2
    return 2 * (int.from_bytes(sha256(ticket).digest(), "big") % candidates) + parity


def compute_first(stretch: int) -> SegmentIndex:
    """The first segment of a stretch; an auditor executes from the state before it."""
    return SegmentIndex(2 * stretch)


def compute_last(stretch: int) -> SegmentIndex:
    """The last segment of a stretch: the leaf of the claim that is compared."""
    return SegmentIndex(2 * stretch + 1)


def compute_commitment(state_root: Root, auditor: str, salt: bytes) -> bytes:
    """sha256(state root || auditor || salt): of no use to anybody else."""
    return sha256(state_root + _encode_account(auditor) + salt).digest()


def compute_fee(budget: Wei, reserved: Wei, audits: int, attestations: int) -> Wei:
    """Of one audit and one attestation, rounded down: what the free budget can pay to all.

    There are at most 2 * audits commitments. `reserved` are the fees of earlier claims' audits.
    """
    return Wei((budget - min(budget, reserved)) // (2 * audits + attestations))
