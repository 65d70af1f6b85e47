from collections.abc import Iterator

import boa
import pytest

from tests.audits import Audits, deploy_audits
from tests.economy import Economy


@pytest.fixture(scope="module")
def deployed() -> Iterator[Economy]:
    with boa.env.anchor():
        yield deploy_audits().economy


@pytest.fixture
def audits(deployed: Economy) -> Iterator[Audits]:
    with boa.env.anchor():
        yield Audits(deployed)


@pytest.fixture
def auditor(audits: Audits) -> str:
    """The only auditor: drawn for every claim."""
    account = audits.hire()
    audits.warm_up()
    return account
