"""What cannot work is refused by name, before anything is sent."""

from dataclasses import replace

import pytest

from offchain.chain.client import Chain
from offchain.chain.errors import MissingFunds, Reverted, WrongNetwork
from offchain.chain.network import TEST_PREFIX, Network
from offchain.chain.records import Terms
from offchain.demo import acts
from offchain.demo.town import Town
from offchain.store.errors import StoreError
from protocol.types import Wei


def test_open__another_chain__names_both(network: Network, deployment) -> None:
    elsewhere = replace(deployment, chain_id=deployment.chain_id + 1)
    with pytest.raises(WrongNetwork, match=f"the deployment is on chain {elsewhere.chain_id}"):
        Chain.open(network, elsewhere, network.load_signer(f"{TEST_PREFIX}1"))


def test_open__chain_without_the_contracts__names_the_address(network: Network, deployment) -> None:
    nowhere = "0x" + "12" * 20
    moved = replace(deployment, addresses={**deployment.addresses, "TaskEscrow": nowhere})
    with pytest.raises(WrongNetwork, match=f"no TaskEscrow at {nowhere}"):
        Chain.open(network, moved)


def test_check_balance__too_little__says_who_has_what(town: Town) -> None:
    person = town.people["worker"]
    person.chain.access.refresh()
    balance = person.chain.token.get_balance(person.address)
    with pytest.raises(MissingFunds, match=f"worker {person.address} has 100 CRUX, needs"):
        person.chain.token.check_balance("worker", person.address, Wei(balance + 10**18))


def test_cancel__somebody_elses_task__is_refused_and_nothing_sent(town: Town, terms: Terms) -> None:
    task_id = acts.post(town, terms)
    stranger = town.people["challenger"]
    stranger.chain.access.refresh()
    before = len(stranger.receipts)
    with pytest.raises(Reverted, match="escrow: "):
        stranger.chain.escrow.cancel(task_id)
    assert len(stranger.receipts) == before


def test_load__artifact_with_another_content__is_refused(town: Town, terms: Terms) -> None:
    files = [path for path in (town.folder / "store").rglob("*") if path.is_file()]
    assert files
    for path in files:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    with pytest.raises((StoreError, ValueError)):
        town.people["worker"].bench.load(terms)
