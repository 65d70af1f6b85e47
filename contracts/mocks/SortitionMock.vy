# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title SortitionMock
@notice Exposes the functions of `modules/sortition.vy` to tests.
"""


from ..modules import sortition


@external
@pure
def compute_ticket(seed: bytes32, claim_id: uint256, auditor: address) -> bytes32:
    return sortition.compute_ticket(seed, claim_id, auditor)


@external
@pure
def compute_place(ticket: bytes32, total_stake: uint256) -> uint256:
    return sortition.compute_place(ticket, total_stake)


@external
@pure
def is_drawn(
    ticket: bytes32, stake: uint256, total_stake: uint256, audits: uint256, widening: uint256
) -> bool:
    return sortition.is_drawn(ticket, stake, total_stake, audits, widening)


@external
@pure
def count_stretches(segments: uint256) -> uint256:
    return sortition.count_stretches(segments)


@external
@pure
def compute_parity(seed: bytes32, stretches: uint256) -> uint256:
    return sortition.compute_parity(seed, stretches)


@external
@pure
def compute_stretch(seed: bytes32, ticket: bytes32, segments: uint256) -> uint256:
    return sortition.compute_stretch(seed, ticket, segments)


@external
@pure
def compute_commitment(state_root: bytes32, auditor: address, salt: bytes32) -> bytes32:
    return sortition.compute_commitment(state_root, auditor, salt)


@external
@pure
def compute_fee(
    budget: uint256, reserved: uint256, audits: uint256, attestations: uint256
) -> uint256:
    return sortition.compute_fee(budget, reserved, audits, attestations)
