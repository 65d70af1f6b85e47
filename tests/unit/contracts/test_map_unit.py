"""MapUnit alone: gas, operands that no trace holds, refusals.

That it computes what the protocol does is `step_verifier/test_campaign.py`'s to say. `-s` prints
the largest gas each opcode took.
"""

import random
from collections.abc import Iterator
from typing import Any

import boa
import pytest

from protocol.instructions import Opcode
from protocol.map_unit import compute_map
from scripts.campaign.operands import Operands

MAPS = [opcode for opcode in Opcode if opcode <= Opcode.IEQ]
CASES = 150
GAS_LIMIT = 40_000  # of one element, far inside the 500,000 that a last step may take


@pytest.fixture(scope="module")
def map_unit() -> Any:
    return boa.load("contracts/MapUnit.vy")


@pytest.fixture(scope="module")
def gas() -> Iterator[dict[Opcode, int]]:
    """The largest gas by opcode, printed when all is done."""
    largest: dict[Opcode, int] = {}
    yield largest
    print("\nmax gas:", ", ".join(f"{opcode.name} {spent:,}" for opcode, spent in largest.items()))


@pytest.mark.parametrize("opcode", MAPS, ids=lambda opcode: opcode.name)
def test_compute_map__hard_operands__within_gas_limit(
    map_unit: Any, gas: dict[Opcode, int], opcode: Opcode
) -> None:
    operands = Operands(opcode, seed=2)
    for _ in range(CASES):
        case = operands.draw()
        assert map_unit.compute_map(opcode, *case) == compute_map(opcode, *case), case
        spent = map_unit._computation.get_gas_used()
        gas[opcode] = max(gas.get(opcode, 0), spent)
    assert 0 < gas[opcode] <= GAS_LIMIT


@pytest.mark.parametrize("opcode", MAPS, ids=lambda opcode: opcode.name)
def test_compute_map__any_words_at_all__does_not_revert(map_unit: Any, opcode: Opcode) -> None:
    rng = random.Random(-int(opcode))
    words = [0, 1, 2**255, 2**255 - 1, 2**256 - 1, 2**256 - 2**31, 2**63, 0x7F800000]
    attributes = [0, 1, -1, 32, 33, 2**255 - 1, -(2**255)]
    for _ in range(25):
        a, b, c = (rng.choice([rng.choice(words), rng.getrandbits(256)]) for _ in "abc")
        case = (a, b, c, rng.choice(attributes), rng.choice(attributes))
        assert map_unit.compute_map(opcode, *case) == compute_map(opcode, *case), case


@pytest.mark.parametrize("opcode", MAPS[:17], ids=lambda opcode: opcode.name)
def test_compute_map__bits_above_a_float__are_ignored(map_unit: Any, opcode: Opcode) -> None:
    a, b, above = 0x40490FDB, 0xBFC00000, 12345 << 32
    clean = map_unit.compute_map(opcode, a, b, 0, 0, 0)
    assert map_unit.compute_map(opcode, a | above, b | above, 0, 0, 0) == clean


@pytest.mark.parametrize("opcode", [0, 33, 40, 41, 50, 2**256 - 1])
def test_compute_map__unknown_opcode__reverts(map_unit: Any, opcode: int) -> None:
    with boa.reverts("map: unknown opcode"):
        map_unit.compute_map(opcode, 0, 0, 0, 0, 0)


def test_map_unit__size__leaves_room_under_the_limit(map_unit: Any) -> None:
    assert len(boa.env.get_code(map_unit.address)) <= 24_576 // 2
