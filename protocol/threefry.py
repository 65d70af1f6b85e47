"""Threefry-2x32 with 20 rounds: the counter-based generator behind the RANDOM instruction.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Each word
depends only on the key and the counter, so any element can be recomputed alone.

Mirrored by `contracts/modules/threefry.vy`.
"""

ROUNDS = 20
PARITY = 0x1BD11BDA  # the key schedule's constant for 32-bit words
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
WORD = 2**32 - 1


def rotate_left(word: int, distance: int) -> int:
    return (word << distance | word >> (32 - distance)) & WORD


def threefry2x32(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """Return the block of two 32-bit words that `key` assigns to `counter`."""
    schedule = (key[0], key[1], PARITY ^ key[0] ^ key[1])
    word0 = (counter[0] + schedule[0]) & WORD
    word1 = (counter[1] + schedule[1]) & WORD
    for round_index in range(ROUNDS):
        word0 = (word0 + word1) & WORD
        word1 = rotate_left(word1, ROTATIONS[round_index % 8]) ^ word0
        if round_index % 4 == 3:
            injection = round_index // 4 + 1
            word0 = (word0 + schedule[injection % 3]) & WORD
            word1 = (word1 + schedule[(injection + 1) % 3] + injection) & WORD
    return word0, word1


def random24(key0: int, key1: int, position: int, counter: int) -> int:
    """Return 24 uniform bits: the top of word 0 of the block at (position, counter).

    All arguments are taken modulo 2**32.
    """
    key = (key0 & WORD, key1 & WORD)
    return threefry2x32(key, (position & WORD, counter & WORD))[0] >> 8
