"""What goes wrong between a user and a chain is one clear line that names the thing."""

from dataclasses import replace
from pathlib import Path

import pytest

from offchain.agents.bench import Bench
from offchain.agents.worker import Worker
from offchain.chain.deployment import LOCAL, deploy
from offchain.chain.errors import NetworkUnreachable, UnknownAccount
from offchain.chain.network import Network, connect, from_provider
from offchain.chain.records import TaskStatus
from offchain.demo import acts
from offchain.demo.town import Town, build_town
from offchain.store.artifacts import Store
from tests.small_run import save_small_task


@pytest.fixture(scope="module")
def deployment(accounts, project):
    return deploy(accounts[0], LOCAL, project=project)


@pytest.fixture
def network(chain) -> Network:
    return from_provider(chain.provider)


@pytest.fixture
def town(network, deployment, tmp_path: Path) -> Town:
    town = build_town(network, tmp_path, deployment)
    for name, roles in acts.PEOPLE.items():
        town.add(name, roles)
    return town


def test_connect__nobody_listens__names_the_address():
    with pytest.raises(NetworkUnreachable, match="network http://127.0.0.1:1: "):
        with connect("http://127.0.0.1:1"):
            raise AssertionError("connected")


def test_load_signer__unknown_alias__names_it(network):
    with pytest.raises(UnknownAccount, match="account 'nobody': unknown"):
        network.load_signer("nobody")


def test_load_signer__test_key_on_a_real_chain__refused(network):
    with pytest.raises(UnknownAccount, match="test keys are public"):
        replace(network, chain_id=1).load_signer("test:0")


def test_worker__no_tokens_for_the_stake__loses_nothing_but_the_task(town: Town, caplog):
    terms = save_small_task(town.store)
    task_id = acts.post(town, terms)
    person = town.people["worker"]
    person.chain.token.transfer(town.bank.access.address, 99 * 10**18)
    worker = Worker(person.chain, person.bench)
    # It measures itself; only then it needs the stake.
    assert worker.tick()
    assert not worker.tick()
    assert f"task {task_id}: missing funds: worker {person.address} has 1 CRUX" in caplog.text
    town.bank.access.refresh()
    assert town.bank.escrow.get_task(task_id).status is TaskStatus.POSTED
    # Said once, not with every look at the chain.
    caplog.clear()
    assert not worker.tick() and "missing funds" not in caplog.text


def test_worker__artifact_with_a_wrong_hash__task_is_refused_before_the_stake(town: Town, caplog):
    terms = save_small_task(town.store)
    task_id = acts.post(town, terms)
    tensors = Path(town.store.files.url) / "tensors"
    largest = max(tensors.iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[5] ^= 1
    largest.write_bytes(data)
    person = town.people["worker"]
    worker = Worker(person.chain, person.bench)
    assert not worker.tick()
    assert f"task {task_id}: tensors/{largest.name}: hashes to" in caplog.text
    assert person.chain.vault.get_locked(person.address) == 0
    assert worker.refused == {task_id}


def test_worker__artifacts_missing__goes_on_with_other_tasks(town: Town, caplog):
    elsewhere = Store(str(town.folder / "elsewhere"))
    lost = acts.post(town, save_small_task(elsewhere, segments=1))
    fine = acts.post(town, save_small_task(town.store, segments=2))
    person = town.people["worker"]
    bench = Bench(town.store, town.folder / "runs")
    # The program is the same in both; what is missing of the first is its own.
    for path in (town.folder / "store" / "programs").iterdir():
        path.rename(path.with_suffix(".away"))
    worker = Worker(person.chain, bench)
    assert not worker.tick()
    assert f"task {lost}: programs/" in caplog.text and "not there" in caplog.text
    for path in (town.folder / "store" / "programs").iterdir():
        path.rename(path.with_suffix(""))
    # A new process tries again.
    worker = Worker(person.chain, bench)
    while worker.tick():
        pass
    town.bank.access.refresh()
    statuses = [town.bank.escrow.get_task(task_id).status for task_id in (lost, fine)]
    assert statuses == [TaskStatus.CLAIMED, TaskStatus.CLAIMED]
