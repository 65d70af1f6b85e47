"""A deployment against its manifest: what does not fit is named, and nothing else."""

from dataclasses import replace

import pytest

from offchain.chain.deployment import LOCAL, TOKEN, deploy, load_abi
from offchain.chain.doctor import Verdict, examine
from offchain.chain.manifest import get_contracts
from offchain.chain.parameters import LIMITS
from offchain.chain.sources import build_input, compile_input, encode_arguments, find_differences

# Compiled in a second; the others take longer (test_networks compiles all of them).
SMALL = ("NodeRegistry", "BlockhashBeacon", TOKEN)


@pytest.fixture(scope="module")
def deployment(accounts, project):
    return deploy(accounts[0], LOCAL, project=project)


@pytest.fixture(scope="module")
def other(accounts, project):
    """The same once more: other addresses, other immutables."""
    return deploy(accounts[1], LOCAL, project=project)


@pytest.fixture(scope="module")
def abis(project):
    return {name: load_abi(name, project) for name in (*get_contracts(LOCAL.beacon), TOKEN)}


@pytest.fixture
def web3(networks):
    return networks.active_provider.web3


@pytest.fixture
def get_faults(web3, abis):
    def get_faults(deployment):
        found = list(examine(web3, deployment, abis))
        names = [finding.name for finding in found]
        assert len(names) == len(set(names))
        return {finding.name for finding in found if finding.verdict is Verdict.FAULT}

    return get_faults


def change(deployment, **parameters):
    configuration = deployment.configuration
    parameters = replace(configuration.parameters, **parameters)
    return replace(deployment, configuration=replace(configuration, parameters=parameters))


# --- Manifests that are not true ------------------------------------------------------------------


def test_examine__true_manifest__fits(deployment, web3, abis):
    found = list(examine(web3, deployment, abis))
    assert {finding.verdict for finding in found} == {Verdict.FITS}
    names = {finding.name for finding in found}
    assert {f"{limits.contract}.{name}" for name, limits in LIMITS.items()} <= names
    assert {f"{name} runtime code" for name in (*deployment.contracts, TOKEN)} <= names
    assert {"StakeVault.lottery", "TaskEscrow.game", "StepVerifier.MAP_UNIT"} <= names


@pytest.mark.parametrize("name", LIMITS)
def test_examine__another_parameter__is_named(deployment, get_faults, name):
    value = getattr(deployment.parameters, name)
    tampered = change(deployment, **{name: value + 1})
    assert get_faults(tampered) == {f"{LIMITS[name].contract}.{name}"}


def test_examine__another_chain__is_named(deployment, get_faults):
    assert get_faults(replace(deployment, chain_id=5)) == {"chain id"}
    configuration = replace(deployment.configuration, chain_ids=(5,))
    assert get_faults(replace(deployment, configuration=configuration)) == {"parameters' chain"}


def test_examine__another_history__is_named(deployment, get_faults):
    created = {f"{name} created in block" for name in (*deployment.contracts, TOKEN)}
    assert get_faults(replace(deployment, block=2**40)) == {"block", *created}
    by = {f"{name} created by" for name in (*deployment.contracts, TOKEN)}
    assert get_faults(replace(deployment, deployer=deployment.token)) == by


@pytest.mark.parametrize("name", [*get_contracts(LOCAL.beacon), TOKEN])
def test_examine__other_hashes__are_named(deployment, get_faults, name):
    for field, fault in (("runtime", "runtime code"), ("creation", "creation code")):
        code = replace(deployment.code[name], **{field: "0x" + "12" * 32})
        tampered = replace(deployment, code={**deployment.code, name: code})
        assert get_faults(tampered) == {f"{name} {fault}"}


def test_examine__unknown_transaction__is_a_warning(deployment, web3, abis):
    code = replace(deployment.code["MapUnit"], transaction="0x" + "12" * 32)
    tampered = replace(deployment, code={**deployment.code, "MapUnit": code})
    odd = [f for f in examine(web3, tampered, abis) if f.verdict is not Verdict.FITS]
    assert [(f.name, f.verdict) for f in odd] == [("MapUnit creation", Verdict.WARNING)]


def test_examine__contract_of_another_deployment__is_named(deployment, other, get_faults):
    addresses = {**deployment.addresses, "RewardSplitter": other.addresses["RewardSplitter"]}
    assert get_faults(replace(deployment, addresses=addresses)) == {
        "RewardSplitter runtime code",
        "RewardSplitter created at",
        "RewardSplitter.escrow",
        "RewardSplitter.token",
        "TaskEscrow.splitter",
    }


def test_examine__another_token__is_named(deployment, other, get_faults):
    faults = get_faults(replace(deployment, token=other.token))
    assert faults == {
        f"{TOKEN} runtime code",
        f"{TOKEN} created at",
        *(f"{n}.token" for n in ("StakeVault", "RewardSplitter", "TaskEscrow", "ChallengeGame")),
    }
    configuration = replace(deployment.configuration, token_decimals=6)
    assert get_faults(replace(deployment, configuration=configuration)) == {"token.decimals"}


# --- Chains that have changed ---------------------------------------------------------------------


def test_examine__swapped_code__is_named(deployment, other, web3, get_faults):
    # Code that differs in its immutables only: views and addresses still answer.
    swapped = web3.eth.get_code(other.addresses["StakeVault"])
    web3.provider.make_request(
        "anvil_setCode", [deployment.addresses["StakeVault"], web3.to_hex(swapped)]
    )
    assert get_faults(deployment) == {
        "StakeVault runtime code",
        "StakeVault.escrow",
        "StakeVault.lottery",
        "StakeVault.registry",
        "StakeVault.token",
    }


def test_examine__no_code__is_named_and_nothing_breaks(deployment, web3, get_faults):
    web3.provider.make_request("anvil_setCode", [deployment.addresses["ChallengeGame"], "0x"])
    faults = get_faults(deployment)
    assert {
        "ChallengeGame runtime code",
        "ChallengeGame.worker_seconds",
        "ChallengeGame holds",
    } <= faults
    assert all(name.startswith("ChallengeGame") for name in faults)
    # None of them reads as zero where there is nobody to ask.
    assert len(faults) == 2 + len([f for f in LIMITS.values() if f.contract == "ChallengeGame"]) + 3


def test_examine__tokens_are_missing__is_named(deployment, accounts, project, web3, get_faults):
    token = project.TestToken.at(deployment.token)
    vault = project.StakeVault.at(deployment.addresses["StakeVault"])
    token.mint(accounts[0], 100, sender=accounts[0])
    token.approve(vault, 100, sender=accounts[0])
    vault.deposit(accounts[0], 100, sender=accounts[0])
    assert get_faults(deployment) == set()
    web3.provider.make_request("anvil_setBalance", [vault.address, hex(10**18)])
    token.transfer(accounts[1], 1, sender=accounts[vault.address])
    assert get_faults(deployment) == {"StakeVault holds"}


# --- Sources --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_find_differences__sources_and_chain__agree_or_the_part_is_named(
    deployment, other, project, web3, name
):
    content = build_input(name, deployment.compiler)
    compiled = compile_input(content)
    contract_type = getattr(project, name).contract_type
    address = deployment.token if name == TOKEN else deployment.addresses[name]
    found = bytes(web3.eth.get_code(address))

    def compare(deployment=deployment, compiled=compiled, found=found):
        arguments = encode_arguments(deployment, name, contract_type)
        return list(find_differences(deployment, name, compiled, arguments, found))

    assert compare() == []
    assert compare(found=b"\x00" + found[1:]) == ["runtime code"]
    assert compare(found=found + bytes(32)) == [
        f"{len(found) - len(compiled.runtime) + 32} bytes of immutables"
    ]
    assert compare(found=b"") == ["runtime code"]
    wrong = replace(compiled, creation=compiled.creation + b"\x00")
    assert compare(compiled=wrong) == ["creation code or arguments"]
    if name == "BlockhashBeacon":
        assert compare(change(deployment, delay_blocks=7)) == [
            "creation code or arguments",
            "immutable delay_blocks",
        ]
        place = other.addresses[name]
        assert compare(found=bytes(web3.eth.get_code(place))) == ["immutable lottery"]


def test_build_input__any_contract__holds_no_path_of_this_machine(deployment):
    for name in (*deployment.contracts, TOKEN):
        content = build_input(name, deployment.compiler)
        paths = set(content["sources"])
        assert set(content["settings"]["outputSelection"]) <= paths
        assert all(path.startswith(("contracts/", "snekmate/")) for path in paths)
