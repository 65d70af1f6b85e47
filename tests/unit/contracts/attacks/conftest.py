"""Claims on the real contracts for whoever attacks them."""

from collections.abc import Iterator

import boa
import pytest

from tests.disputes import make_run, make_tiny_run, make_truth
from tests.game_table import Table, lay_table


@pytest.fixture
def table() -> Iterator[Table]:
    """An honest worker's claim over three segments of three steps."""
    with boa.env.anchor():
        yield lay_table(make_truth(make_run()))


@pytest.fixture
def tiny_table() -> Iterator[Table]:
    """An honest claim whose every tree is a single leaf: a game of eight moves."""
    with boa.env.anchor():
        yield lay_table(make_truth(make_tiny_run()))
