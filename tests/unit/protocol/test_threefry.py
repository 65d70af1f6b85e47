"""Threefry-2x32-20 against the known answers of Random123."""

import pytest

from protocol.threefry import random24, threefry2x32

# Random123 (Salmon et al.), kat_vectors, threefry2x32 with 20 rounds: counter, key, block.
KNOWN_ANSWERS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN_ANSWERS)
def test_threefry2x32__known_answers(
    counter: tuple[int, int], key: tuple[int, int], block: tuple[int, int]
) -> None:
    assert threefry2x32(key, counter) == block


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN_ANSWERS)
def test_random24__known_answers__are_the_top_bits_of_word_0(
    counter: tuple[int, int], key: tuple[int, int], block: tuple[int, int]
) -> None:
    assert random24(*key, *counter) == block[0] >> 8


def test_random24__arguments_above_32_bits__are_taken_modulo() -> None:
    assert random24(1, 2, 3 + 2**32, 4) == random24(1, 2, 3, 4)
    assert random24(1, 2, 3, -1) == random24(1, 2, 3, 2**32 - 1)


def test_random24__many_positions__is_evenly_spread() -> None:
    draws = [random24(7, 11, position, 0) for position in range(4_096)]
    assert len(set(draws)) > 4_085  # 4,096 draws of 2**24: half a collision expected
    mean = sum(draws) / len(draws) / 2**24
    assert abs(mean - 0.5) < 0.02  # four standard deviations
