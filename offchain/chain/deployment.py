"""One deployment of Crux: its parameters, its addresses, and the file that remembers both.

The contracts name each other by immutable addresses, in a circle (vault -> escrow -> game ->
escrow). The circle is closed by prediction: an account's n-th contract creation has a known
address, so all addresses are computed first and checked after each creation.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import rlp
from eth_utils import is_checksum_address, keccak, to_canonical_address, to_checksum_address

from offchain.chain.errors import ChainError, WrongNetwork
from offchain.chain.records import Address
from protocol.types import Seconds, Wei

ROOT = Path(__file__).resolve().parent.parent.parent
MANIFEST_VERSION = 1
MANIFEST_BYTES_MAX = 2**16  # = 64 KiB; a manifest has about 1 KiB

# In the order of creation. An own token is created before them where none is named.
CONTRACTS = (
    "MapUnit",
    "StepVerifier",
    "StakeVault",
    "RewardSplitter",
    "TaskEscrow",
    "ChallengeGame",
)
TOKEN = "TestToken"


class DeploymentFailed(ChainError):
    """A contract was not created, or not where the others expect it."""


class BadManifest(ChainError):
    """The file does not describe a deployment."""


@dataclass(frozen=True)
class Parameters:
    """What the constructors fix for good. The names are those of their arguments."""

    # StakeVault
    unbonding_seconds: Seconds
    burned_bps: int
    # TaskEscrow
    min_stake: Wei
    challenge_seconds: Seconds
    max_lease_seconds: Seconds
    max_reexecution_seconds: Seconds
    # ChallengeGame
    bond: Wei
    worker_award_bps: int
    worker_seconds: Seconds
    challenger_seconds: Seconds
    minimum_move_seconds: Seconds


# For chains whose time costs money: a day to object, ten minutes to get any one move into a
# block, and a worker that refutes itself loses half of its stake.
DEFAULT = Parameters(
    unbonding_seconds=Seconds(7 * 86_400),
    burned_bps=5_000,
    min_stake=Wei(100 * 10**18),
    challenge_seconds=Seconds(86_400),
    max_lease_seconds=Seconds(30 * 86_400),
    max_reexecution_seconds=Seconds(86_400),
    bond=Wei(100 * 10**18),
    worker_award_bps=5_000,
    worker_seconds=Seconds(86_400),
    challenger_seconds=Seconds(86_400),
    minimum_move_seconds=Seconds(600),
)
# For a chain of our own, whose clock the demo and the tests set forward.
LOCAL = Parameters(
    unbonding_seconds=Seconds(60),
    burned_bps=5_000,
    min_stake=Wei(10**18),
    challenge_seconds=Seconds(600),
    max_lease_seconds=Seconds(86_400),
    max_reexecution_seconds=Seconds(3_600),
    bond=Wei(10**18),
    worker_award_bps=5_000,
    worker_seconds=Seconds(1_200),
    challenger_seconds=Seconds(1_200),
    minimum_move_seconds=Seconds(60),
)
PRESETS = {"default": DEFAULT, "local": LOCAL}


@dataclass(frozen=True)
class Deployment:
    """Where everything is. `block` is the first one: no event of the deployment is older."""

    chain_id: int
    block: int
    token: Address
    addresses: Mapping[str, Address]  # by contract name, see CONTRACTS
    parameters: Parameters

    def check(self, web3: Any) -> None:
        """Raises `WrongNetwork` where another chain answers, or nobody is at an address."""
        if (found := int(web3.eth.chain_id)) != self.chain_id:
            raise WrongNetwork(
                f"wrong network: the node serves chain {found}, "
                f"the deployment is on chain {self.chain_id}"
            )
        for name, address in {TOKEN: self.token, **self.addresses}.items():
            if not web3.eth.get_code(address):
                raise WrongNetwork(
                    f"wrong network: no {name} at {address} on chain {found}; "
                    "was the local chain started anew?"
                )

    def write(self, path: Path) -> None:
        """Write the manifest, all of it or nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"version": MANIFEST_VERSION, **asdict(self)}, indent=2) + "\n"
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(text)
        os.replace(temporary, path)


def read_deployment(path: Path) -> Deployment:
    """The deployment that a manifest describes. Raises `BadManifest`."""
    try:
        if (size := path.stat().st_size) > MANIFEST_BYTES_MAX:
            raise BadManifest(f"{path}: {size} bytes, a manifest has at most {MANIFEST_BYTES_MAX}")
        content = json.loads(path.read_text())
    except OSError as error:
        raise BadManifest(f"{path}: {error.strerror}; `crux deploy` writes it") from error
    except ValueError as error:
        raise BadManifest(f"{path}: no JSON: {error}") from error
    try:
        if content["version"] != MANIFEST_VERSION:
            raise BadManifest(f"{path}: version {content['version']}, expected {MANIFEST_VERSION}")
        numbers = {
            field.name: _check_number(path, field.name, content["parameters"][field.name])
            for field in fields(Parameters)
        }
        return Deployment(
            chain_id=_check_number(path, "chain_id", content["chain_id"]),
            block=_check_number(path, "block", content["block"]),
            token=_check_address(path, "token", content["token"]),
            addresses={
                name: _check_address(path, name, content["addresses"][name]) for name in CONTRACTS
            },
            parameters=Parameters(**numbers),  # type: ignore[arg-type]
        )
    except KeyError as error:
        raise BadManifest(f"{path}: {error.args[0]} is missing") from error
    except TypeError as error:
        raise BadManifest(f"{path}: not a manifest of a deployment") from error


def _check_number(path: Path, name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**256:
        raise BadManifest(f"{path}: {name} is {value!r}, expected a number")
    return value


def _check_address(path: Path, name: str, value: Any) -> Address:
    if not isinstance(value, str) or not is_checksum_address(value):
        raise BadManifest(f"{path}: {name} is {value!r}, expected a checksummed address")
    return Address(value)


def compute_create_address(account: str, nonce: int) -> Address:
    """Where a contract is that `account` creates in its transaction number `nonce`.

    The last 20 bytes of keccak256(rlp([account, nonce])): Ethereum yellow paper, section 7.
    """
    return Address(
        to_checksum_address(keccak(rlp.encode([to_canonical_address(account), nonce]))[-20:])
    )


def compute_addresses(account: str, nonce: int) -> dict[str, Address]:
    """All contracts' addresses when the first of them is created with `nonce`."""
    return {name: compute_create_address(account, nonce + i) for i, name in enumerate(CONTRACTS)}


def load_project() -> Any:
    """The ape project of this checkout, wherever the program was started."""
    import ape

    return ape.Project(ROOT)


def load_abi(name: str, project: Any = None) -> list[dict[str, Any]]:
    """The ABI of a contract, compiled where it has to be."""
    contract_type = getattr(project or load_project(), name).contract_type
    return [item.model_dump(mode="json", by_alias=True) for item in contract_type.abi]


def deploy(
    account: Any, parameters: Parameters, token: str | None = None, project: Any = None
) -> Deployment:
    """Create all contracts from an ape account on the connected network.

    Without a token, the test token is created too, and the account can mint it.
    Raises `DeploymentFailed`; what was created until then is without use.
    """
    project = project or load_project()
    block = int(account.provider.get_block("latest").number)
    if token is None:
        token = _create(account, project, TOKEN, {}).address
    addresses = compute_addresses(str(account.address), int(account.nonce))
    values: dict[str, Any] = {
        "token": token,
        "map_unit": addresses["MapUnit"],
        "verifier": addresses["StepVerifier"],
        "vault": addresses["StakeVault"],
        "splitter": addresses["RewardSplitter"],
        "escrow": addresses["TaskEscrow"],
        "game": addresses["ChallengeGame"],
        **asdict(parameters),
    }
    for name in CONTRACTS:
        created = _create(account, project, name, values)
        if created.address != addresses[name]:
            raise DeploymentFailed(
                f"{name} was created at {created.address}, the others expect it at "
                f"{addresses[name]}: {account.address} sent another transaction in between; "
                "deploy again"
            )
    return Deployment(
        chain_id=int(account.provider.chain_id),
        block=block,
        token=Address(str(token)),
        addresses=addresses,
        parameters=parameters,
    )


def _create(account: Any, project: Any, name: str, values: Mapping[str, Any]) -> Any:
    container = getattr(project, name)
    # By name, so that nothing depends on the order in a constructor.
    inputs = container.contract_type.constructor.inputs
    arguments = [values[str(item.name).rstrip("_")] for item in inputs]
    try:
        return account.deploy(container, *arguments)
    except ChainError:
        raise
    except Exception as error:  # ape's providers raise whatever they like
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DeploymentFailed(f"{name} was not created: {reason}") from error
