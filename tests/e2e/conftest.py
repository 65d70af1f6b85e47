"""A town on ape's chain for every test: the same people as in the demo, a smaller model."""

from pathlib import Path

import pytest

from offchain.chain.deployment import LOCAL, Deployment, deploy
from offchain.chain.network import Network, from_provider
from offchain.chain.records import Terms
from offchain.demo.acts import PEOPLE
from offchain.demo.town import Town, build_town
from tests.small_run import save_small_task


@pytest.fixture(scope="session")
def deployment(accounts, project) -> Deployment:
    return deploy(accounts[0], LOCAL, project=project)


@pytest.fixture
def network(chain) -> Network:
    return from_provider(chain.provider)


@pytest.fixture
def town(network: Network, deployment: Deployment, tmp_path: Path) -> Town:
    town = build_town(network, tmp_path, deployment)
    for name, roles in PEOPLE.items():
        town.add(name, roles)
    return town


@pytest.fixture
def terms(town: Town) -> Terms:
    return save_small_task(town.store)
