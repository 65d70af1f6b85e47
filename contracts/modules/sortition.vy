# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title sortition
@notice Who is drawn to audit a claim, and which part of it; mirrors `protocol/sortition.py`.

        A claim of n segments is cut into stretches of two: stretch u is segments 2u and 2u + 1.
        All stretches drawn of one claim have the same parity.
"""


# With a total stake below 2**128 their product fits 256 bits.
TICKET_BITS: constant(uint256) = 2**7  # = 128


@internal
@pure
def compute_ticket(seed: bytes32, claim_id: uint256, auditor: address) -> bytes32:
    """
    @notice sha256(seed || claim_id || auditor): 32, 32 and 20 bytes.
    """
    return sha256(concat(seed, convert(claim_id, bytes32), convert(auditor, bytes20)))


@internal
@pure
def compute_place(ticket: bytes32, total_stake: uint256) -> uint256:
    """
    @notice Where in the total stake the ticket's first 128 bits point, as a fraction of it.
    """
    return ((convert(ticket, uint256) >> TICKET_BITS) * total_stake) >> TICKET_BITS


@internal
@pure
def is_drawn(
    ticket: bytes32, stake: uint256, total_stake: uint256, audits: uint256, widening: uint256
) -> bool:
    """
    @notice Whether the ticket wins, with `audits` times 2**widening on average. Totals below
            2**128.
    """
    return (self.compute_place(ticket, total_stake) >> widening) < audits * stake


@internal
@pure
def count_stretches(segments: uint256) -> uint256:
    """
    @notice Stretches of a claim: none of one or two segments.
    """
    return (segments - 1) // 2


@internal
@pure
def compute_parity(seed: bytes32, stretches: uint256) -> uint256:
    """
    @notice Whether even or odd stretches are drawn: the seed's lowest bit, 0 where there is only
            one.
    """
    if stretches > 1:
        return convert(seed, uint256) & 1
    return 0


@internal
@pure
def compute_stretch(seed: bytes32, ticket: bytes32, segments: uint256) -> uint256:
    """
    @notice The stretch that a ticket gives; at least three segments.
    """
    stretches: uint256 = self.count_stretches(segments)
    parity: uint256 = self.compute_parity(seed, stretches)
    candidates: uint256 = (stretches + 1 - parity) // 2
    return 2 * (convert(sha256(ticket), uint256) % candidates) + parity


@internal
@pure
def compute_first(stretch: uint256) -> uint256:
    """
    @notice The first segment of a stretch; an auditor executes from the state before it.
    """
    return 2 * stretch


@internal
@pure
def compute_last(stretch: uint256) -> uint256:
    """
    @notice The last segment of a stretch: the leaf of the claim that is compared.
    """
    return 2 * stretch + 1


@internal
@pure
def compute_commitment(state_root: bytes32, auditor: address, salt: bytes32) -> bytes32:
    """
    @notice sha256(state root || auditor || salt): of no use to anybody else.
    """
    return sha256(concat(state_root, convert(auditor, bytes20), salt))


@internal
@pure
def compute_fee(
    budget: uint256, reserved: uint256, audits: uint256, attestations: uint256
) -> uint256:
    """
    @notice Of one audit and one attestation, rounded down: what the free budget can pay to all.
            There are at most 2 * audits commitments. `reserved` are the fees of earlier claims'
            audits.
    """
    return (budget - min(budget, reserved)) // (2 * audits + attestations)
