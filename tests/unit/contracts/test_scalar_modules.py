"""The modules float32, elementary and threefry, function by function, through their mocks.

What MapUnit reaches is tested there at length; here are the inner functions, beyond the range
that instructions give them, and the generator.
"""

import random
from typing import Any

import boa
import pytest

from protocol import elementary, float32
from protocol.threefry import random24, threefry2x32
from tests.float_cases import EDGES, HARDEST

GAS_OF_RANDOM24 = 10_000


@pytest.fixture(scope="module")
def float32_mock() -> Any:
    return boa.load("contracts/mocks/Float32Mock.vy")


@pytest.fixture(scope="module")
def elementary_mock() -> Any:
    return boa.load("contracts/mocks/ElementaryMock.vy")


@pytest.fixture(scope="module")
def threefry_mock() -> Any:
    return boa.load("contracts/mocks/ThreefryMock.vy")


@pytest.mark.parametrize("places", [-40, -1, 0, 1, 2, 24, 254, 255, 256, 257, 258, 1_000])
@pytest.mark.parametrize("width", [1, 24, 64, 200])
def test_shift_and_round__ties_and_whole_words(float32_mock: Any, width: int, places: int) -> None:
    half = 1 << max(places - 1, 0)
    for magnitude in (0, 2**width - 1, half - 1, half, half + 1, 3 * half):
        if magnitude < 2**256 and magnitude << max(-places, 0) < 2**256:
            expected = float32.shift_and_round(magnitude, places)
            assert float32_mock.shift_and_round(magnitude, places) == expected


def test_shift_and_round__largest_word(float32_mock: Any) -> None:
    for places in (0, 1, 255, 256, 257):
        expected = float32.shift_and_round(2**256 - 1, places)
        if expected < 2**256:
            assert float32_mock.shift_and_round(2**256 - 1, places) == expected


def test_round_scaled__any_word_and_exponent__equals_protocol(float32_mock: Any) -> None:
    rng = random.Random(5)
    results = set()
    for _ in range(600):
        magnitude = rng.getrandbits(rng.randrange(1, 257))
        exponent = rng.choice([rng.randrange(-420, 140), rng.choice([-(2**199), 2**199])])
        result = float32_mock.round_scaled(1, magnitude, exponent)
        assert result == float32.round_scaled(1, magnitude, max(min(exponent, 999), -999))
        results.add(result)
    assert len(results) > 50


def test_round_quotient__words_of_192_bits__equals_protocol(float32_mock: Any) -> None:
    rng = random.Random(6)
    for _ in range(400):
        numerator = rng.getrandbits(192) >> rng.randrange(150) | 1
        denominator = min(rng.getrandbits(192) >> rng.randrange(190) | 1, numerator << 38)
        exponent = rng.randrange(-300, 100)
        expected = float32.round_quotient(0, numerator, denominator, exponent)
        assert float32_mock.round_quotient(0, numerator, denominator, exponent) == expected


@pytest.mark.parametrize("name", ["exponent_above", "to_int", "floor", "neg", "absolute", "sqrt"])
def test_float32__unary_functions_at_edges__equal_protocol(float32_mock: Any, name: str) -> None:
    for bits in EDGES:
        if name == "exponent_above" and (float32.is_zero(bits) or not float32.is_finite(bits)):
            continue
        assert getattr(float32_mock, name)(bits) == getattr(float32, name)(bits), f"{bits:#010x}"


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf"])
def test_elementary__hardest_arguments__equal_protocol(elementary_mock: Any, name: str) -> None:
    function = getattr(elementary_mock, "log_" if name == "log" else name)
    for bits in HARDEST[name]:
        assert function(bits) == getattr(elementary, name)(bits), f"{bits:#010x}"


@pytest.mark.parametrize(
    ("key", "counter"),
    [
        ((0, 0), (0, 0)),
        ((2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)),
    ],
)
def test_threefry2x32__known_answers__equal_protocol(
    threefry_mock: Any, key: tuple[int, int], counter: tuple[int, int]
) -> None:
    assert threefry_mock.threefry2x32(key, counter) == threefry2x32(key, counter)


def test_random24__seeded_words_of_any_size__equal_protocol(threefry_mock: Any) -> None:
    rng = random.Random(7)
    for _ in range(50):
        words = [rng.getrandbits(rng.choice([8, 32, 64, 256])) for _ in range(4)]
        assert threefry_mock.random24(*words) == random24(*words)
        assert threefry_mock._computation.get_gas_used() <= GAS_OF_RANDOM24
