"""Gas of every entry of the contracts against tests/gas.json, which `make gas` writes."""

import json
from typing import Any

import boa
import pytest

from protocol.instructions import Opcode
from scripts.bench import gas
from scripts.bench.gas import INTERNAL, RECORD, UnmeasuredError, find_increases, measure_gas


@pytest.fixture(scope="module")
def measured() -> dict[str, int]:
    return measure_gas()


def test_gas__every_entry__within_five_percent_of_the_record(measured: dict[str, int]) -> None:
    increases = find_increases(json.loads(RECORD.read_text()), measured)
    assert not increases, "\n".join([*increases, "If this is meant, `make gas` records it anew."])


def test_gas__record__has_no_entry_that_is_gone(measured: dict[str, int]) -> None:
    gone = json.loads(RECORD.read_text()).keys() - measured.keys()
    assert not gone, f"{', '.join(sorted(gone))}: recorded, not measured; `make gas` records anew"


def test_measure_gas__entries__moves_and_instructions_among_them(measured: dict[str, int]) -> None:
    for name in ("ChallengeGame.prove", "TaskEscrow.post", "StakeVault.deposit"):
        assert measured[name] > 21_000
    steps = {f"StepVerifier.compute_element({opcode.name})" for opcode in Opcode}
    assert steps <= measured.keys()
    assert not INTERNAL & measured.keys()


def test_measure_gas__entry_that_no_scenario_calls__is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gas, "SCENARIOS", (lambda: None,))
    entries = {"StakeVault": {b"1234": "deposit", b"5678": "slash"}}
    monkeypatch.setattr(gas, "list_entries", lambda: entries)
    with pytest.raises(UnmeasuredError, match="^StakeVault.deposit: no scenario in scripts"):
        measure_gas()


def test_measure_gas__chain_of_the_caller__is_left_alone(measured: dict[str, int]) -> None:
    before: Any = boa.env
    with gas.Meter().watch():
        assert boa.env is not before
    assert boa.env is before


@pytest.mark.parametrize(
    ("figure", "lines"),
    [
        (105_000, []),
        (90_000, []),
        (105_001, ["A.f: 105,001 gas, +5.0% of 100,000"]),
        (200_000, ["A.f: 200,000 gas, +100.0% of 100,000"]),
    ],
)
def test_find_increases__around_the_tolerance(figure: int, lines: list[str]) -> None:
    assert find_increases({"A.f": 100_000}, {"A.f": figure}) == lines


def test_find_increases__not_recorded__is_named() -> None:
    assert find_increases({}, {"A.f": 1_000}) == ["A.f: 1,000 gas, not recorded"]
