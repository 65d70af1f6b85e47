"""A chain in memory for every module of tests, so that none depends on the ones before.

It is also faster: what a chain remembers of finished tests slows down every call on it.
"""

from collections.abc import Iterator

import boa
import pytest

from tests.audits import mine

START = 1_700_000_000  # seconds since 1970
BLOCK = 10_000


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    with boa.swap_env(boa.Env()):
        # Chance is the same for every module: addresses, the time and hashes of blocks.
        boa.env.set_random_seed(START)
        boa.env.eoa = boa.env.generate_address("eoa")
        boa.env.timestamp = START
        boa.env.evm.patch.block_number = BLOCK - 1
        mine(1)  # not the genesis block, whose hash has the machine's time in it
        yield
