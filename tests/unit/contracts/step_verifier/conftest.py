"""One verifier for a module of tests: it has no state."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from scripts.campaign.referee import Referee


@pytest.fixture(scope="module")
def verifier() -> Any:
    map_unit = boa.load("contracts/MapUnit.vy")
    return boa.load("contracts/StepVerifier.vy", map_unit.address)


@pytest.fixture(scope="session")
def referee() -> Iterator[Referee]:
    """The same on anvil, many cases per call."""
    with Referee() as referee:
        yield referee
