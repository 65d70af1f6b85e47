"""Fixtures of the contracts that hold tokens. Every test gets a deployment of its own."""

from collections.abc import Iterator

import boa
import pytest

from tests.economy import Economy, deploy_economy
from tests.environment import environment

__all__ = ["environment"]


@pytest.fixture
def economy() -> Iterator[Economy]:
    with boa.env.anchor():
        yield deploy_economy()
