# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title Threefry-2x32 with 20 rounds
@notice Mirrors `protocol/threefry.py` name by name: the counter-based generator behind the RANDOM
        instruction. Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
        SC 2011.
@dev Unsafe operations: sums of a few words below 2**32.
"""


ROUNDS: constant(uint256) = 20
PARITY: constant(uint256) = 466688986  # 0x1bd11bda, the key schedule's constant for 32-bit words
# 13, 15, 26, 6, 17, 29, 16, 24: eight bits each, the first lowest.
ROTATIONS: constant(uint256) = 1733917815491661581
WORD: constant(uint256) = 2**32 - 1


@internal
@pure
def rotate_left(word: uint256, distance: uint256) -> uint256:
    # unsafe: a distance is below 32
    return ((word << distance) | (word >> unsafe_sub(32, distance))) & WORD


@internal
@pure
def threefry2x32(key: uint256[2], counter: uint256[2]) -> (uint256, uint256):
    """
    @notice The block of two 32-bit words that `key` assigns to `counter`; all below 2**32.
    """
    schedule: uint256[3] = [key[0], key[1], PARITY ^ key[0] ^ key[1]]
    word0: uint256 = unsafe_add(counter[0], schedule[0]) & WORD
    word1: uint256 = unsafe_add(counter[1], schedule[1]) & WORD
    for round_index: uint256 in range(ROUNDS):
        word0 = unsafe_add(word0, word1) & WORD
        distance: uint256 = (ROTATIONS >> ((round_index & 7) << 3)) & 255
        word1 = self.rotate_left(word1, distance) ^ word0
        if round_index & 3 == 3:
            injection: uint256 = unsafe_add(round_index >> 2, 1)
            word0 = unsafe_add(word0, schedule[injection % 3]) & WORD
            word1 = unsafe_add(
                unsafe_add(word1, schedule[unsafe_add(injection, 1) % 3]), injection
            ) & WORD
    return word0, word1


@internal
@pure
def random24(key0: uint256, key1: uint256, position: uint256, counter: uint256) -> uint256:
    """
    @notice 24 uniform bits: the top of word 0 of the block at (position, counter).
    @dev All arguments are taken modulo 2**32.
    """
    word0: uint256 = 0
    word1: uint256 = 0
    word0, word1 = self.threefry2x32(
        [key0 & WORD, key1 & WORD], [position & WORD, counter & WORD]
    )
    return word0 >> 8
