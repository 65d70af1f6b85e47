# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title position
@notice What a move of a game changes, packed into words: a move then writes one to three storage
        slots instead of six to ten. One word is the position, another the trail: the contested
        leaf of each level, and the contested tensor's type and number of chunks.
@dev Every field has room for more than its limit: 57 moves, counts and indices up to 2**24, sizes
     up to 2**32, budgets up to a year (below 2**25 seconds), times until the year 4,000.
"""


struct Position:
    stage: uint256
    level: uint256
    outcome: uint256
    height: uint256
    move: uint256
    worker_left: uint256
    challenger_left: uint256
    since: uint256
    index: uint256
    count: uint256
    size: uint256
    claim_id: uint256


# Where each field starts, and its bits.
STAGE: constant(uint256) = 0  # 3
LEVEL: constant(uint256) = 3  # 3
OUTCOME: constant(uint256) = 6  # 2
HEIGHT: constant(uint256) = 8  # 8
MOVE: constant(uint256) = 16  # 8
WORKER_LEFT: constant(uint256) = 24  # 26
CHALLENGER_LEFT: constant(uint256) = 50  # 26
SINCE: constant(uint256) = 76  # 36
INDEX: constant(uint256) = 112  # 26
COUNT: constant(uint256) = 138  # 26
SIZE: constant(uint256) = 164  # 34
CLAIM_ID: constant(uint256) = 198  # 58

INDEX_BITS: constant(uint256) = 32
CHUNKS: constant(uint256) = 224  # 24 bits, after seven indices
DTYPE: constant(uint256) = 248  # 8 bits

MASK_2: constant(uint256) = 2**2 - 1
MASK_3: constant(uint256) = 2**3 - 1
MASK_8: constant(uint256) = 2**8 - 1
MASK_24: constant(uint256) = 2**24 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_26: constant(uint256) = 2**26 - 1
MASK_34: constant(uint256) = 2**34 - 1
MASK_36: constant(uint256) = 2**36 - 1


@internal
@pure
def pack(position: Position) -> uint256:
    """
    @notice The position in one word.
    """
    return (
        position.stage
        | (position.level << LEVEL)
        | (position.outcome << OUTCOME)
        | (position.height << HEIGHT)
        | (position.move << MOVE)
        | (position.worker_left << WORKER_LEFT)
        | (position.challenger_left << CHALLENGER_LEFT)
        | (position.since << SINCE)
        | (position.index << INDEX)
        | (position.count << COUNT)
        | (position.size << SIZE)
        | (position.claim_id << CLAIM_ID)
    )


@internal
@pure
def unpack(word: uint256) -> Position:
    """
    @notice The inverse of `pack`.
    """
    return Position(
        stage=word & MASK_3,
        level=(word >> LEVEL) & MASK_3,
        outcome=(word >> OUTCOME) & MASK_2,
        height=(word >> HEIGHT) & MASK_8,
        move=(word >> MOVE) & MASK_8,
        worker_left=(word >> WORKER_LEFT) & MASK_26,
        challenger_left=(word >> CHALLENGER_LEFT) & MASK_26,
        since=(word >> SINCE) & MASK_36,
        index=(word >> INDEX) & MASK_26,
        count=(word >> COUNT) & MASK_26,
        size=(word >> SIZE) & MASK_34,
        claim_id=word >> CLAIM_ID,
    )


@internal
@pure
def get_index(trail: uint256, level: uint256) -> uint256:
    """
    @notice The contested leaf of a level.
    """
    return (trail >> (level * INDEX_BITS)) & MASK_32


@internal
@pure
def set_index(trail: uint256, level: uint256, index: uint256) -> uint256:
    """
    @notice The trail with another contested leaf of a level.
    """
    start: uint256 = level * INDEX_BITS
    return (trail & ~(MASK_32 << start)) | (index << start)


@internal
@pure
def get_chunks(trail: uint256) -> uint256:
    """
    @notice Accumulators of one element's fold.
    """
    return (trail >> CHUNKS) & MASK_24


@internal
@pure
def get_dtype(trail: uint256) -> uint256:
    """
    @notice Element type of the contested tensor.
    """
    return trail >> DTYPE


@internal
@pure
def set_tensor(trail: uint256, chunks: uint256, dtype: uint256) -> uint256:
    """
    @notice The trail with what is known of the contested tensor, which was not known before.
    """
    return trail | (chunks << CHUNKS) | (dtype << DTYPE)
