"""Claims on the real contracts for whoever attacks them."""

from collections.abc import Iterator

import boa
import pytest

from tests.audits import Audits, deploy_audits
from tests.disputes import make_run, make_tiny_run, make_truth
from tests.economy import deploy_game
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


@pytest.fixture
def audits() -> Iterator[Audits]:
    """A lottery without auditors, beside a real game."""
    with boa.env.anchor():
        audits = deploy_audits()
        deploy_game(audits.economy)
        yield audits


@pytest.fixture
def auditor(audits: Audits) -> str:
    """The only auditor: drawn for every claim."""
    account = audits.hire()
    audits.warm_up()
    return account
