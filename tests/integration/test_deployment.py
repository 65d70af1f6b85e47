"""The whole deployment on a chain: addresses, the circle of references, the manifest."""

import json
from dataclasses import replace

import pytest

from offchain.chain.deployment import (
    CONTRACTS,
    DEFAULT,
    LOCAL,
    BadManifest,
    DeploymentFailed,
    compute_create_address,
    deploy,
    load_abi,
    read_deployment,
)
from offchain.chain.errors import WrongNetwork


@pytest.fixture(scope="module")
def deployment(accounts, project):
    return deploy(accounts[0], LOCAL, project=project)


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
    at = {name: getattr(project, name).at(deployment.addresses[name]) for name in CONTRACTS}
    escrow, game = at["TaskEscrow"], at["ChallengeGame"]
    assert escrow.game() == game.address
    assert game.escrow() == at["StakeVault"].escrow() == at["RewardSplitter"].escrow() == escrow
    assert escrow.vault() == at["StakeVault"].address
    assert escrow.splitter() == at["RewardSplitter"].address
    assert game.verifier() == at["StepVerifier"].address
    assert {c.token() for c in (escrow, game, at["StakeVault"])} == {deployment.token}


def test_deploy__parameters__arrive(deployment, project):
    p = deployment.parameters
    escrow = project.TaskEscrow.at(deployment.addresses["TaskEscrow"])
    game = project.ChallengeGame.at(deployment.addresses["ChallengeGame"])
    vault = project.StakeVault.at(deployment.addresses["StakeVault"])
    assert (vault.unbonding_seconds(), vault.burned_bps()) == (p.unbonding_seconds, p.burned_bps)
    assert escrow.min_stake() == p.min_stake
    assert escrow.challenge_seconds() == p.challenge_seconds
    assert escrow.max_lease_seconds() == p.max_lease_seconds
    assert escrow.max_reexecution_seconds() == p.max_reexecution_seconds
    assert (game.bond(), game.worker_award_bps()) == (p.bond, p.worker_award_bps)
    assert game.worker_seconds() == p.worker_seconds
    assert game.challenger_seconds() == p.challenger_seconds
    assert game.minimum_move_seconds() == p.minimum_move_seconds


def test_deploy__given_token_and_default_preset__works(deployment, accounts, project):
    second = deploy(accounts[1], DEFAULT, deployment.token, project)
    assert second.token == deployment.token
    assert second.addresses["TaskEscrow"] != deployment.addresses["TaskEscrow"]


def test_deploy__refused_parameter__names_the_contract(deployment, accounts, project):
    with pytest.raises(DeploymentFailed, match="StakeVault was not created: .*burned share"):
        deploy(accounts[2], replace(LOCAL, burned_bps=4_999), deployment.token, project)


def test_check__right_and_wrong_chain(deployment, networks):
    deployment.check(networks.active_provider.web3)
    with pytest.raises(WrongNetwork, match="the deployment is on chain 5"):
        replace(deployment, chain_id=5).check(networks.active_provider.web3)
    nobody = compute_create_address(deployment.token, 7)
    with pytest.raises(WrongNetwork, match=f"no TestToken at {nobody}"):
        replace(deployment, token=nobody).check(networks.active_provider.web3)


def test_manifest__written__reads_back(deployment, tmp_path):
    path = tmp_path / "new" / "deployment.json"
    deployment.write(path)
    assert read_deployment(path) == deployment
    assert [file.name for file in path.parent.iterdir()] == ["deployment.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2, expected 1"),
        ({"chain_id": "1"}, "chain_id is '1', expected a number"),
        ({"token": "0x12"}, "token is '0x12', expected a checksummed address"),
        ({"addresses": {}}, "MapUnit is missing"),
        ({"addresses": 5}, "not a manifest"),
        ({"parameters": {}}, "unbonding_seconds is missing"),
    ],
)
def test_manifest__malformed__is_refused(deployment, tmp_path, change, message):
    path = tmp_path / "deployment.json"
    deployment.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadManifest, match=message):
        read_deployment(path)


def test_manifest__unreadable__is_refused(tmp_path):
    path = tmp_path / "deployment.json"
    with pytest.raises(BadManifest, match="No such file"):
        read_deployment(path)
    path.write_text("{")
    with pytest.raises(BadManifest, match="no JSON"):
        read_deployment(path)
    path.write_text(" " * 2**17)
    with pytest.raises(BadManifest, match="131072 bytes"):
        read_deployment(path)


def test_load_abi__escrow__has_the_views(project):
    names = {item.get("name") for item in load_abi("TaskEscrow", project)}
    assert {"post", "claim", "claim_of", "TaskPosted", "ClaimSlashed"} <= names
