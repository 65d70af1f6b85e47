"""A dry run for every network: an anvil that says that it is that chain."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from web3 import HTTPProvider, Web3

from offchain.chain.anvil import Anvil
from offchain.chain.manifest import TOKEN, read_deployment
from offchain.chain.parameters import read_configuration
from offchain.cli import main

# Parameters -> chain id, and the network as ape names it.
NETWORKS = {
    "local": (31_337, ""),
    "sepolia": (11_155_111, "ethereum:sepolia:"),
    "base-sepolia": (84_532, "base:sepolia:"),
    "arbitrum-sepolia": (421_614, "arbitrum:sepolia:"),
}
DEPLOYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # TEST::0


@pytest.fixture
def start():
    """Start a chain with that id, which makes blocks by itself and with every transaction."""
    chains = []

    def start(chain_id: int) -> Anvil:
        mining = ("--mixed-mining", "--block-time", "0.05")
        chains.append(Anvil(options=("--chain-id", str(chain_id), *mining)))
        return chains[-1]

    yield start
    for chain in chains:
        chain.stop()


def run_script(network: str, parameters: str, manifest: Path):
    """What `ape run deploy` runs."""
    from scripts.deploy import cli

    options = ("--account", "TEST::0", "--parameters", parameters, "--manifest", str(manifest))
    return CliRunner(mix_stderr=False).invoke(cli, ["--network", network, *options])


def run_crux(*arguments: str):
    return CliRunner(mix_stderr=False).invoke(main, list(arguments))


@pytest.mark.parametrize("name", NETWORKS)
def test_deploy_script__any_network__passes_the_doctor(start, tmp_path, name):
    chain_id, prefix = NETWORKS[name]
    url = start(chain_id).url
    manifest = tmp_path / "deployment.json"
    result = run_script(prefix + url, name, manifest)
    assert result.exit_code == 0, result.output + result.stderr
    deployment = read_deployment(manifest)
    assert deployment.configuration == read_configuration(name)
    assert (deployment.chain_id, deployment.deployer) == (chain_id, DEPLOYER)
    for contract, address in {TOKEN: deployment.token, **deployment.addresses}.items():
        assert f"{contract:<16} {address}" in result.output
    answer = run_crux("doctor", str(manifest), "--network", url, "--json")
    assert answer.exit_code == 0, answer.output
    report = json.loads(answer.stdout)
    assert report["fits"]
    odd = {item["name"] for item in report["findings"] if item["verdict"] != "fits"}
    assert odd == ({"beacon"} if name == "base-sepolia" else set())
    again = run_script(prefix + url, name, manifest)
    assert again.exit_code == 2 and "exists; name another file" in again.stderr


def test_deploy_script__another_chain__sends_nothing(start, tmp_path):
    chain = start(31_337)
    manifest = tmp_path / "deployment.json"
    result = run_script(chain.url, "sepolia", manifest)
    assert result.exit_code == 1
    assert "the node serves chain 31337, the parameters sepolia are for chain 11155111" in (
        result.stderr
    )
    assert Web3(HTTPProvider(chain.url)).eth.get_transaction_count(DEPLOYER) == 0
    assert not manifest.exists()


def test_doctor__tampered_manifest_and_swapped_contract__fail_by_name(start, tmp_path):
    chain = start(31_337)
    manifest = tmp_path / "deployment.json"
    result = run_crux(
        *("deploy", "--network", chain.url, "--account", "test:0", "--manifest", str(manifest))
    )
    assert result.exit_code == 0, result.output + result.stderr
    examine = ("doctor", "--network", chain.url)
    fits = run_crux(*examine, str(manifest))
    assert fits.exit_code == 0 and "everything fits" in fits.stdout

    content = json.loads(manifest.read_text())
    content["configuration"]["TaskEscrow"]["min_stake"] += 1
    tampered = tmp_path / "tampered.json"
    tampered.write_text(json.dumps(content))
    result = run_crux(*examine, str(tampered))
    assert result.exit_code == 1
    assert "1 does not fit: TaskEscrow.min_stake" in result.stdout

    web3 = Web3(HTTPProvider(chain.url))
    places = read_deployment(manifest).addresses
    code = web3.to_hex(web3.eth.get_code(places["RewardSplitter"]))
    web3.provider.make_request("anvil_setCode", [places["NodeRegistry"], code])
    result = run_crux(*examine, str(manifest), "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    faults = [item["name"] for item in report["findings"] if item["verdict"] == "fault"]
    assert not report["fits"] and faults == ["NodeRegistry runtime code"]


@pytest.mark.long
def test_sources__every_contract__equals_and_compiles_from_what_is_written(start, tmp_path):
    from vyper.cli.vyper_json import compile_json

    chain = start(31_337)
    manifest = tmp_path / "deployment.json"
    options = ("--network", chain.url, "--manifest", str(manifest))
    result = run_crux("deploy", *options, "--account", "test:0")
    assert result.exit_code == 0, result.output + result.stderr
    folder = tmp_path / "sources"
    result = run_crux("sources", str(folder), *options)
    assert result.exit_code == 0, result.output
    deployment = read_deployment(manifest)
    assert result.stdout.count("equals its sources") == len(deployment.code)
    for name in deployment.code:
        assert (folder / f"{name}.arguments").exists()
    output = compile_json(json.loads((folder / "StakeVault.json").read_text()))
    code = output["contracts"]["contracts/StakeVault.vy"]["StakeVault"]["evm"]["bytecode"]
    web3 = Web3(HTTPProvider(chain.url))
    creation = web3.eth.get_transaction(deployment.code["StakeVault"].transaction)["input"]
    arguments = (folder / "StakeVault.arguments").read_text().strip()
    assert bytes(creation).hex() == code["object"].removeprefix("0x") + arguments

    web3.provider.make_request("anvil_setCode", [deployment.addresses["StakeVault"], "0x00"])
    result = run_crux("sources", str(folder), *options)
    assert result.exit_code == 1
    assert "StakeVault       differs in runtime code" in result.stdout
    assert result.stdout.count("equals its sources") == len(deployment.code) - 1
