"""Claims on a table where every move is made by the Python machine and by the contract."""

from collections.abc import Iterator

import boa
import pytest

from tests.disputes import make_run, make_tiny_run, make_truth
from tests.evidence import Lie, SpecEvidence
from tests.game_table import Table, lay_table

# The DOT of the first matmul in step 4: three segments of three steps, a fold of two chunks.
DOT_LIE = Lie(step=4, operator=5, instruction=5, element=3, bits=2**30, chunk=1)


@pytest.fixture(scope="session")
def truth() -> SpecEvidence:
    return make_truth(make_run())


@pytest.fixture(scope="session")
def liar() -> SpecEvidence:
    return SpecEvidence(make_run(), lie=DOT_LIE)


@pytest.fixture
def table(truth: SpecEvidence) -> Iterator[Table]:
    """An honest worker's claim."""
    with boa.env.anchor():
        yield lay_table(truth)


@pytest.fixture
def false_table(liar: SpecEvidence) -> Iterator[Table]:
    """The claim of a worker that got one element of a DOT wrong."""
    with boa.env.anchor():
        yield lay_table(liar)


@pytest.fixture
def tiny_table() -> Iterator[Table]:
    """An honest claim whose every tree is a single leaf."""
    with boa.env.anchor():
        yield lay_table(make_truth(make_tiny_run()))
