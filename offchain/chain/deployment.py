"""Creating the contracts.

They name each other by immutable addresses, in a circle (vault -> escrow -> game -> escrow). The
circle is closed by prediction: an account's n-th contract creation has a known address, so all
addresses are computed first and checked after each creation.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import rlp
from eth_utils import keccak, to_canonical_address, to_checksum_address
from web3 import Web3

from offchain.chain.contract import Contract, ask
from offchain.chain.errors import ChainError, MissingFunds, WrongNetwork
from offchain.chain.manifest import (
    TOKEN,
    BadManifest,
    Code,
    Compiler,
    Deployment,
    compute_values,
    get_contracts,
    read_deployment,
)
from offchain.chain.parameters import Beacon, Configuration, read_configuration
from offchain.chain.records import Address

__all__ = [
    "LOCAL",
    "TOKEN",
    "BadManifest",
    "Configuration",
    "Deployment",
    "DeploymentFailed",
    "compute_create_address",
    "deploy",
    "load_abi",
    "load_project",
    "read_configuration",
    "read_deployment",
    "wait_until_final",
]

ROOT = Path(__file__).resolve().parent.parent.parent
# Of all contracts and the test token together; the largest takes 5.5 million.
GAS_TOTAL = 40 * 10**6
# A chain stands still that takes so many times longer to confirm than it should, and a minute.
PATIENCE = 20
STILL_SECONDS = 60

# For a chain of our own, whose clock the demo and the tests set forward.
LOCAL = read_configuration("local")


class DeploymentFailed(ChainError):
    """A contract was not created, or not where the others expect it."""


def compute_create_address(account: str, nonce: int) -> Address:
    """Where a contract is that `account` creates in its transaction number `nonce`.

    The last 20 bytes of keccak256(rlp([account, nonce])): Ethereum yellow paper, section 7.
    """
    return Address(
        to_checksum_address(keccak(rlp.encode([to_canonical_address(account), nonce]))[-20:])
    )


def compute_addresses(account: str, nonce: int, beacon: Beacon) -> dict[str, Address]:
    """All contracts' addresses when the first of them is created with `nonce`."""
    return {
        name: compute_create_address(account, nonce + i)
        for i, name in enumerate(get_contracts(beacon))
    }


def load_project() -> Any:
    """The ape project of this checkout, wherever the program was started."""
    import ape

    return ape.Project(ROOT)


def load_abi(name: str, project: Any = None) -> list[dict[str, Any]]:
    """The ABI of a contract, compiled where it has to be."""
    contract_type = getattr(project or load_project(), name).contract_type
    return [item.model_dump(mode="json", by_alias=True) for item in contract_type.abi]


def deploy(
    account: Any,
    configuration: Configuration,
    token: str | None = None,
    project: Any = None,
    on_created: Callable[[str, Address], None] = lambda name, address: None,
) -> Deployment:
    """Create all contracts from an ape account on the connected network.

    Without a token, the test token is created too, and the account can mint it. `on_created`
    hears of every contract.

    Raises `WrongNetwork`, `MissingFunds` and `DeploymentFailed` before anything is sent;
    `DeploymentFailed` also later, and what was created until then is of no use.
    """
    project = project or load_project()
    provider = account.provider
    check_network(provider.web3, configuration)
    check_funds(provider.web3, str(account.address))
    if token is not None:
        check_token(provider.web3, token, configuration, load_abi(TOKEN, project))
    block = int(provider.web3.eth.block_number)
    created: dict[str, tuple[Address, str]] = {}

    def create(name: str, values: Mapping[str, Any], expected: Address | None = None) -> Address:
        address, transaction = _create(account, project, name, values, created)
        created[name] = (address, transaction)
        on_created(name, address)
        if expected is not None and address != expected:
            raise DeploymentFailed(
                f"{name} was created at {address}, the others expect it at {expected}: "
                f"{account.address} sent another transaction in between; deploy again"
                + _tell_created(created)
            )
        return address

    if token is None:
        token = create(TOKEN, {})
    addresses = compute_addresses(str(account.address), int(account.nonce), configuration.beacon)
    values = compute_values(token, addresses, configuration)
    for name, address in addresses.items():
        create(name, values, address)
    code = {
        name: _read_code(provider.web3, address, transaction)
        for name, (address, transaction) in created.items()
    }
    return Deployment(
        chain_id=int(provider.web3.eth.chain_id),
        block=block,
        deployer=Address(str(account.address)),
        token=Address(str(token)),
        addresses=addresses,
        configuration=configuration,
        compiler=get_compiler(project),
        code=code,
    )


def wait_until_final(web3: Web3, deployment: Deployment) -> None:
    """Wait for the configured confirmations, then look again.

    Raises `DeploymentFailed` where a reorganisation has taken something away, or the chain
    stands still.
    """
    configuration = deployment.configuration
    last = max(
        int(
            ask(name, lambda code=code: web3.eth.get_transaction_receipt(code.transaction))[  # type: ignore[misc]
                "blockNumber"
            ]
        )
        for name, code in deployment.code.items()
    )
    wanted = last + configuration.confirmations
    expected = configuration.confirmations * configuration.block_seconds
    limit = time.monotonic() + STILL_SECONDS + PATIENCE * expected
    while (head := int(ask("block number", lambda: web3.eth.block_number))) < wanted:
        if time.monotonic() > limit:
            raise DeploymentFailed(
                f"the chain stands at block {head}; {wanted} would confirm the deployment"
            )
        time.sleep(min(1.0, configuration.block_seconds))
    for name, code in deployment.code.items():
        address = deployment.token if name == TOKEN else deployment.addresses[name]
        if _hash(ask(name, lambda at=address: web3.eth.get_code(at))) != code.runtime:  # type: ignore[misc]
            raise DeploymentFailed(
                f"{name} is no longer at {address}: the chain was reorganised; deploy again"
            )


# --- Before anything is sent ----------------------------------------------------------------------


def check_network(web3: Web3, configuration: Configuration) -> None:
    """Raises `WrongNetwork` where the parameters are meant for another chain."""
    found = int(ask("chain id", lambda: web3.eth.chain_id))
    if found not in configuration.chain_ids:
        meant = " or ".join(map(str, configuration.chain_ids))
        raise WrongNetwork(
            f"wrong network: the node serves chain {found}, "
            f"the parameters {configuration.name} are for chain {meant}"
        )


def check_funds(web3: Web3, account: str) -> None:
    """Raises `MissingFunds` where the account cannot pay for all creations."""
    address = to_checksum_address(account)
    balance = int(ask("balance", lambda: web3.eth.get_balance(address)))
    needed = GAS_TOTAL * int(ask("gas price", lambda: web3.eth.gas_price))
    if balance < needed:
        raise MissingFunds(
            f"missing funds: account {account} has {Web3.from_wei(balance, 'ether'):.6f} ether, "
            f"creating all contracts takes about {Web3.from_wei(needed, 'ether'):.6f}"
        )


def check_token(web3: Web3, token: str, configuration: Configuration, abi: Any) -> None:
    """Raises `DeploymentFailed` where the token is none, or counts in other units."""
    if not Web3.is_checksum_address(token):
        raise DeploymentFailed(f"token {token!r}: expected a checksummed address")
    try:
        decimals = int(Contract(web3, "token", token, abi).read("decimals"))
    except ChainError as error:
        raise DeploymentFailed(f"token {token}: {error}") from error
    if decimals != configuration.token_decimals:
        raise DeploymentFailed(
            f"token {token}: {decimals} decimals, but the amounts of {configuration.name} are "
            f"written for {configuration.token_decimals}"
        )


def get_compiler(project: Any) -> Compiler:
    """What this checkout compiles with."""
    import vyper

    return Compiler("vyper", vyper.__version__, str(project.config.vyper.evm_version))


# --- Creating -------------------------------------------------------------------------------------


def _create(
    account: Any,
    project: Any,
    name: str,
    values: Mapping[str, Any],
    created: Mapping[str, tuple[Address, str]],
) -> tuple[Address, str]:
    """Address and transaction of a new contract."""
    container = getattr(project, name)
    # By name, so that nothing depends on the order in a constructor.
    arguments = [values[key] for key in get_constructor(container.contract_type)]
    try:
        # Confirmations are awaited once, for all of them together.
        instance = account.deploy(container, *arguments, required_confirmations=0)
        return Address(str(instance.address)), str(instance.creation_metadata.txn_hash)
    except ChainError:
        raise
    except Exception as error:  # ape's providers raise whatever they like
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DeploymentFailed(
            f"{name} was not created: {reason}{_tell_created(created)}"
        ) from error


def get_constructor(contract_type: Any) -> dict[str, str]:
    """Arguments of the constructor without the trailing underscore, and their ABI types."""
    return {str(i.name).rstrip("_"): str(i.type) for i in contract_type.constructor.inputs}


def _tell_created(created: Mapping[str, tuple[Address, str]]) -> str:
    if not created:
        return "; nothing was created before"
    places = ", ".join(f"{name} at {address}" for name, (address, _) in created.items())
    return f"; what was created is of no use: {places}"


def _read_code(web3: Web3, address: Address, transaction: str) -> Code:
    creation = ask("creation", lambda: web3.eth.get_transaction(transaction)["input"])
    runtime = ask("code", lambda: web3.eth.get_code(address))
    return Code(transaction, _hash(creation), _hash(runtime))


def _hash(code: bytes) -> str:
    return Web3.to_hex(keccak(bytes(code)))
