from collections.abc import Iterator

import boa
import pytest

from tests.economy import Economy, deploy_economy


@pytest.fixture(scope="module")
def deployed() -> Iterator[Economy]:
    with boa.env.anchor():
        yield deploy_economy()


@pytest.fixture
def economy(deployed: Economy) -> Iterator[Economy]:
    with boa.env.anchor():
        yield deployed
