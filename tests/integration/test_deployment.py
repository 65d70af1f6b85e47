"""The whole deployment on a chain: addresses, the circle of references, the manifest."""

import json
from dataclasses import replace

import pytest

from offchain.chain.deployment import (
    LOCAL,
    TOKEN,
    DeploymentFailed,
    compute_create_address,
    deploy,
    load_abi,
    wait_until_final,
)
from offchain.chain.errors import MissingFunds, WrongNetwork
from offchain.chain.manifest import BadManifest, read_deployment
from offchain.chain.parameters import Beacon

SIX_DECIMALS = replace(LOCAL, token_decimals=6)


@pytest.fixture(scope="module")
def deployment(accounts, project):
    return deploy(accounts[0], LOCAL, project=project)


@pytest.fixture
def web3(networks):
    return networks.active_provider.web3


# --- Creating -------------------------------------------------------------------------------------


def test_compute_create_address__nonces_of_every_length__match_the_chain(accounts, project):
    # An account's nonce is encoded in another way from 128 on.
    assert compute_create_address("0x" + "00" * 20, 0) == (
        "0xBd770416a3345F91E4B34576cb804a576fa48EB1"
    )
    account = accounts[3]
    for nonce in (0, 128):
        account.provider.make_request("anvil_setNonce", [account.address, hex(nonce)])
        created = account.deploy(project.TestToken)
        assert created.address == compute_create_address(account.address, nonce)


def test_deploy__fresh_account__closes_the_circle(deployment, project):
    at = {name: getattr(project, name).at(place) for name, place in deployment.addresses.items()}
    escrow, game, vault = at["TaskEscrow"], at["ChallengeGame"], at["StakeVault"]
    lottery, availability = at["AuditLottery"], at["Availability"]
    beacon, registry, splitter = at["BlockhashBeacon"], at["NodeRegistry"], at["RewardSplitter"]
    for contract in (game, vault, lottery, availability, registry, splitter):
        assert contract.escrow() == escrow.address
    for contract in (escrow, vault, availability, beacon):
        assert contract.lottery() == lottery.address
    for contract in (escrow, vault, lottery):
        assert contract.registry() == registry.address
    for contract in (escrow, lottery):
        assert contract.vault() == vault.address
    assert escrow.game() == game.address
    assert escrow.splitter() == splitter.address
    assert escrow.availability() == availability.address
    assert lottery.beacon() == beacon.address
    assert game.verifier() == at["StepVerifier"].address
    assert {c.token() for c in (escrow, game, vault, splitter)} == {deployment.token}


def test_deploy__submitter_beacon_and_given_token__works(deployment, accounts, project):
    told = []
    parameters = replace(LOCAL.parameters, delay_blocks=None)
    other = replace(LOCAL, beacon=Beacon.SUBMITTER, parameters=parameters)
    second = deploy(
        accounts[1], other, deployment.token, project, on_created=lambda *pair: told.append(pair)
    )
    assert second.token == deployment.token
    assert told == list(second.addresses.items())
    assert TOKEN not in second.code
    beacon = project.SubmitterBeacon.at(second.addresses["SubmitterBeacon"])
    assert beacon.escrow() == second.addresses["TaskEscrow"]
    assert beacon.lottery() == second.addresses["AuditLottery"]


def test_deploy__refused_parameter__names_the_contract_and_what_is_of_no_use(
    deployment, accounts, project
):
    parameters = replace(LOCAL.parameters, burned_bps=4_999)
    created = {}
    with pytest.raises(DeploymentFailed) as caught:
        deploy(
            accounts[2],
            replace(LOCAL, parameters=parameters),
            deployment.token,
            project,
            on_created=created.__setitem__,
        )
    message = str(caught.value)
    assert message.startswith("StakeVault was not created: ")
    assert "vault: burned share out of range" in message
    assert list(created) == ["MapUnit", "StepVerifier", "NodeRegistry"]
    places = ", ".join(f"{name} at {address}" for name, address in created.items())
    assert message.endswith(f"; what was created is of no use: {places}")


def test_deploy__another_transaction_in_between__is_noticed(deployment, accounts, project):
    account = accounts[4]

    def disturb(name, address):
        if name == "NodeRegistry":
            account.transfer(accounts[5], 1)

    with pytest.raises(DeploymentFailed) as caught:
        deploy(account, LOCAL, deployment.token, project, on_created=disturb)
    message = str(caught.value)
    assert message.startswith("StakeVault was created at 0x")
    assert f"{account.address} sent another transaction in between; deploy again" in message
    assert "what was created is of no use: MapUnit at 0x" in message


def test_deploy__before_anything_is_sent__is_refused(deployment, accounts, project):
    account = accounts[6]
    nonce = account.nonce
    nobody = compute_create_address(deployment.token, 7)
    for configuration, token, error, message in (
        (replace(LOCAL, chain_ids=(1, 5)), None, WrongNetwork, "local are for chain 1 or 5"),
        (SIX_DECIMALS, deployment.token, DeploymentFailed, "18 decimals, but the amounts"),
        (LOCAL, nobody, DeploymentFailed, f"token {nobody}: "),
        (LOCAL, deployment.token.lower(), DeploymentFailed, "expected a checksummed address"),
        (LOCAL, deployment.addresses["MapUnit"], DeploymentFailed, "token.decimals"),
    ):
        with pytest.raises(error, match=message):
            deploy(account, configuration, token, project)
    account.provider.make_request("anvil_setBalance", [account.address, "0x1"])
    with pytest.raises(MissingFunds, match="has 0.000000 ether, creating all contracts takes"):
        deploy(account, LOCAL, deployment.token, project)
    assert account.nonce == nonce


def test_wait_until_final__confirmed__looks_at_the_code_again(deployment, web3):
    wait_until_final(web3, deployment)
    swapped = [deployment.addresses["Availability"], "0x00"]
    web3.provider.make_request("anvil_setCode", swapped)
    with pytest.raises(DeploymentFailed, match="Availability is no longer at 0x"):
        wait_until_final(web3, deployment)


def test_wait_until_final__chain_stands_still__says_where(deployment, web3, monkeypatch):
    monkeypatch.setattr("offchain.chain.deployment.STILL_SECONDS", 0)
    monkeypatch.setattr("offchain.chain.deployment.PATIENCE", 0)
    waiting = replace(deployment, configuration=replace(LOCAL, confirmations=1_000))
    with pytest.raises(DeploymentFailed, match="the chain stands at block [0-9]+; [0-9]+ would"):
        wait_until_final(web3, waiting)


# --- The manifest ---------------------------------------------------------------------------------


def test_check__right_and_wrong_chain(deployment, web3):
    deployment.check(web3)
    with pytest.raises(WrongNetwork, match="the deployment is on chain 5"):
        replace(deployment, chain_id=5).check(web3)
    nobody = compute_create_address(deployment.token, 7)
    with pytest.raises(WrongNetwork, match=f"no TestToken at {nobody}"):
        replace(deployment, token=nobody).check(web3)


def test_manifest__written__reads_back(deployment, tmp_path):
    path = tmp_path / "new" / "deployment.json"
    deployment.write(path)
    assert read_deployment(path) == deployment
    assert [file.name for file in path.parent.iterdir()] == ["deployment.json"]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("version",), 1, "version 1, expected 2"),
        (("chain_id",), "1", "chain_id is '1', expected a number"),
        (("block",), True, "block is True, expected a number"),
        (("deployer",), "0x12", "deployer is '0x12', expected a checksummed address"),
        (("token",), "0x" + "ab" * 20, "token is '0xab.*', expected a checksummed address"),
        (("addresses",), {}, "MapUnit is missing"),
        (("addresses",), 5, "not a manifest"),
        (("addresses", "Oracle"), "0x" + "00" * 20, "addresses of Oracle, which"),
        (("addresses", "TaskEscrow"), None, "TaskEscrow is None, expected a checksummed"),
        (("configuration",), 5, "not a manifest"),
        (("configuration", "StakeVault"), {}, "StakeVault.unbonding_seconds is missing"),
        (("configuration", "network", "beacon"), "submitter", "BlockhashBeacon is unknown here"),
        (("configuration", "TaskEscrow", "min_stake"), 0, "TaskEscrow.min_stake is 0, expected"),
        (("name",), "x" * 65, "name is 'x+', expected at most 64 characters"),
        (("compiler",), {}, "name is missing"),
        (("compiler", "version"), "\x1b[2J", "compiler.version is .*, expected at most 64"),
        (("code",), {}, "MapUnit is missing"),
        (("code", "MapUnit", "runtime"), "0x12", "MapUnit.runtime is '0x12', expected 0x and 64"),
        (("code", "MapUnit", "creation"), 7, "MapUnit.creation is 7, expected 0x and 64"),
        (("code", "Oracle"), {}, "code of Oracle, which"),
    ],
)
def test_manifest__malformed__is_refused(deployment, tmp_path, place, value, message):
    path = tmp_path / "deployment.json"
    deployment.write(path)
    content = json.loads(path.read_text())
    part = content
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    path.write_text(json.dumps(content))
    with pytest.raises(BadManifest, match=message):
        read_deployment(path)


def test_manifest__unreadable__is_refused(tmp_path):
    path = tmp_path / "deployment.json"
    with pytest.raises(BadManifest, match="No such file"):
        read_deployment(path)
    for content, message in (
        ("{", "no JSON"),
        ("[" * 60_000, "no JSON"),
        ("[]", "not a manifest"),
        ("{}", "version is missing"),
        (" " * 2**17, "131072 bytes"),
    ):
        path.write_text(content)
        with pytest.raises(BadManifest, match=message):
            read_deployment(path)


def test_load_abi__escrow__has_the_views(project):
    names = {item.get("name") for item in load_abi("TaskEscrow", project)}
    assert {"post", "claim", "claim_of", "TaskPosted", "ClaimSlashed"} <= names
