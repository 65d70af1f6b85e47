"""A chain of their own, so that sequences are the same whatever was tested before, and when."""

from collections.abc import Iterator

import boa
import pytest

START = 1_700_000_000  # seconds since 1970


@pytest.fixture(scope="package", autouse=True)
def chain() -> Iterator[None]:
    with boa.swap_env(boa.Env()):
        boa.env.timestamp = START
        yield
