# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title position
@notice What a move of a game changes, packed into words: a move then writes two or three storage
        slots instead of nine, which saves a fifth of a dispute's gas. One word is the position,
        another the trail: the contested leaf of each level, and the contested tensor's type and
        number of chunks.
@dev Every field has room for more than its limit: counts and indices below 2**25, sizes up to
     2**32, budgets up to a year, times until the year 36,000.
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


# Bits of each field, and where it starts.
STAGE: constant(uint256) = 0  # 3 bits
LEVEL: constant(uint256) = 3  # 3 bits
OUTCOME: constant(uint256) = 6  # 2 bits
HEIGHT: constant(uint256) = 8  # 8 bits
MOVE: constant(uint256) = 16  # 32 bits
WORKER_LEFT: constant(uint256) = 48  # 32 bits
CHALLENGER_LEFT: constant(uint256) = 80  # 32 bits
SINCE: constant(uint256) = 112  # 40 bits
INDEX: constant(uint256) = 152  # 32 bits
COUNT: constant(uint256) = 184  # 32 bits
SIZE: constant(uint256) = 216  # 40 bits

INDEX_BITS: constant(uint256) = 32
CHUNKS: constant(uint256) = 224  # 24 bits, after seven indices
DTYPE: constant(uint256) = 248  # 8 bits

MASK_2: constant(uint256) = 2**2 - 1
MASK_3: constant(uint256) = 2**3 - 1
MASK_8: constant(uint256) = 2**8 - 1
MASK_24: constant(uint256) = 2**24 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_40: constant(uint256) = 2**40 - 1


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
        move=(word >> MOVE) & MASK_32,
        worker_left=(word >> WORKER_LEFT) & MASK_32,
        challenger_left=(word >> CHALLENGER_LEFT) & MASK_32,
        since=(word >> SINCE) & MASK_40,
        index=(word >> INDEX) & MASK_32,
        count=(word >> COUNT) & MASK_32,
        size=word >> SIZE,
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
