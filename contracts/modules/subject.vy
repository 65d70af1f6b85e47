# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title subject
@notice What every game against a claim needs of the claim, its task and the claim's other games,
        in one word: a move reads one storage slot instead of the escrow's many.
@dev The escrow's limits are 2**20 for both counts and a year for the time.
"""


struct Subject:
    worker: address
    claim_slashed: bool
    # Games opened against the claim so far, counted up to COUNTED_GAMES_MAX of the game.
    opened: uint256
    segments: uint256
    segment_length: uint256
    reexecution_seconds: uint256


# Where each field starts; the worker is at 0.
CLAIM_SLASHED: constant(uint256) = 160  # 1 bit
OPENED: constant(uint256) = 161  # 7 bits
SEGMENTS: constant(uint256) = 168  # 24 bits
SEGMENT_LENGTH: constant(uint256) = 192  # 24 bits
REEXECUTION_SECONDS: constant(uint256) = 216  # 40 bits

MASK_7: constant(uint256) = 2**7 - 1
MASK_24: constant(uint256) = 2**24 - 1
MASK_40: constant(uint256) = 2**40 - 1
MASK_160: constant(uint256) = 2**160 - 1


@internal
@pure
def pack(subject: Subject) -> uint256:
    """
    @notice The subject in one word. Longer times than 2**40 seconds count as that.
    """
    return (
        convert(subject.worker, uint256)
        | (convert(subject.claim_slashed, uint256) << CLAIM_SLASHED)
        | (subject.opened << OPENED)
        | (subject.segments << SEGMENTS)
        | (subject.segment_length << SEGMENT_LENGTH)
        | (min(subject.reexecution_seconds, MASK_40) << REEXECUTION_SECONDS)
    )


@internal
@pure
def unpack(word: uint256) -> Subject:
    """
    @notice The inverse of `pack`.
    """
    return Subject(
        worker=convert(word & MASK_160, address),
        claim_slashed=(word >> CLAIM_SLASHED) & 1 == 1,
        opened=(word >> OPENED) & MASK_7,
        segments=(word >> SEGMENTS) & MASK_24,
        segment_length=(word >> SEGMENT_LENGTH) & MASK_24,
        reexecution_seconds=word >> REEXECUTION_SECONDS,
    )
