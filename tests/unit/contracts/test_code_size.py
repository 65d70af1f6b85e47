"""Every contract can be deployed: its code is within the limit of EIP-170."""

import boa
import pytest

from scripts.bench.code_size import LIMIT, format_table, list_deployables, measure_size


@pytest.mark.parametrize("name", list_deployables())
def test_measure_size__every_contract__within_the_limit(name: str) -> None:
    assert 0 < measure_size(name) <= LIMIT, f"{name}: `make sizes` shows all"


def test_measure_size__immutables__as_deployed() -> None:
    """StepVerifier keeps an address behind its code."""
    map_unit = boa.load("contracts/MapUnit.vy")
    verifier = boa.load("contracts/StepVerifier.vy", map_unit.address)
    assert measure_size("MapUnit") == len(boa.env.get_code(map_unit.address))
    assert measure_size("StepVerifier") == len(boa.env.get_code(verifier.address))


def test_format_table__one_line_per_contract() -> None:
    assert format_table({"A": 24_000, "B": 100}).splitlines()[1:] == [
        "A                  24,000      576",
        "B                     100   24,476",
    ]
