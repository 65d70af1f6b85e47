"""One verifier for all tests: it has no state."""

from typing import Any

import boa
import pytest


@pytest.fixture(scope="session")
def verifier() -> Any:
    map_unit = boa.load("contracts/MapUnit.vy")
    return boa.load("contracts/StepVerifier.vy", map_unit.address)
