"""The file that remembers a deployment: where everything is, what was chosen, what code it is."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eth_utils import is_checksum_address

from offchain.chain.errors import ChainError, WrongNetwork
from offchain.chain.parameters import (
    BadParameters,
    Beacon,
    Configuration,
    Parameters,
    build_configuration,
    build_tables,
)
from offchain.chain.records import Address
from protocol.json_text import loads_bounded

MANIFEST_VERSION = 2
MANIFEST_BYTES_MAX = 2**16  # = 64 KiB; a manifest has about 6 KiB
TEXT_MAX = 64  # characters of a compiler's name, version or target

TOKEN = "TestToken"
# What constructors call the contracts. "beacon" is whichever the configuration chooses.
ROLES: Mapping[str, str] = {
    "map_unit": "MapUnit",
    "verifier": "StepVerifier",
    "registry": "NodeRegistry",
    "vault": "StakeVault",
    "splitter": "RewardSplitter",
    "lottery": "AuditLottery",
    "availability": "Availability",
    "escrow": "TaskEscrow",
    "game": "ChallengeGame",
}


def get_contracts(beacon: Beacon) -> tuple[str, ...]:
    """Every contract, in the order of creation: a constructor checks what is there before it."""
    return (
        "MapUnit",
        "StepVerifier",
        "NodeRegistry",
        "StakeVault",
        "RewardSplitter",
        beacon.contract,
        "AuditLottery",
        "Availability",
        "TaskEscrow",
        "ChallengeGame",
    )


class BadManifest(ChainError):
    """The file does not describe a deployment."""


@dataclass(frozen=True)
class Compiler:
    """What made the code. Each source names its own optimisation."""

    name: str
    version: str
    evm_version: str


@dataclass(frozen=True)
class Code:
    """Of one contract: 32 bytes each, as 0x and 64 digits."""

    transaction: str  # that created it
    creation: str  # keccak256 of that transaction's data: creation code and arguments
    runtime: str  # keccak256 of the code that is left, with its immutables


@dataclass(frozen=True)
class Deployment:
    """Where everything is. `block` is the first one: no event of the deployment is older."""

    chain_id: int
    block: int
    deployer: Address
    token: Address
    addresses: Mapping[str, Address]  # by contract name, see `get_contracts`
    configuration: Configuration
    compiler: Compiler
    code: Mapping[str, Code]  # by contract name; of the token only where it was created too

    @property
    def parameters(self) -> Parameters:
        """Arguments of the constructors."""
        return self.configuration.parameters

    @property
    def contracts(self) -> tuple[str, ...]:
        """Names of all contracts besides the token."""
        return get_contracts(self.configuration.beacon)

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
        content = {
            "version": MANIFEST_VERSION,
            "chain_id": self.chain_id,
            "block": self.block,
            "deployer": self.deployer,
            "token": self.token,
            "addresses": dict(self.addresses),
            "name": self.configuration.name,
            "configuration": build_tables(self.configuration),
            "compiler": asdict(self.compiler),
            "code": {name: asdict(code) for name, code in self.code.items()},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(content, indent=2) + "\n")
        os.replace(temporary, path)


def compute_values(
    token: str, addresses: Mapping[str, str], configuration: Configuration
) -> dict[str, Any]:
    """Arguments of all constructors, by their names without the trailing underscore."""
    values: dict[str, Any] = {role: addresses[name] for role, name in ROLES.items()}
    values |= {"token": token, "beacon": addresses[configuration.beacon.contract]}
    return values | asdict(configuration.parameters)


# --- Reading --------------------------------------------------------------------------------------


def read_deployment(path: Path) -> Deployment:
    """The deployment that a manifest describes. Raises `BadManifest`."""
    try:
        if (size := path.stat().st_size) > MANIFEST_BYTES_MAX:
            raise BadManifest(f"{path}: {size} bytes, a manifest has at most {MANIFEST_BYTES_MAX}")
        content = loads_bounded(path.read_bytes())
    except OSError as error:
        raise BadManifest(f"{path}: {error.strerror}; `crux deploy` writes it") from error
    except ValueError as error:
        raise BadManifest(f"{path}: no JSON: {error}") from error
    try:
        return _build_deployment(path, content)
    except KeyError as error:
        raise BadManifest(f"{path}: {error.args[0]} is missing") from error
    except (TypeError, AttributeError) as error:
        raise BadManifest(f"{path}: not a manifest of a deployment") from error
    except BadParameters as error:
        raise BadManifest(str(error)) from error


def _build_deployment(path: Path, content: Any) -> Deployment:
    if content["version"] != MANIFEST_VERSION:
        raise BadManifest(f"{path}: version {content['version']}, expected {MANIFEST_VERSION}")
    name = _check_text(path, "name", content["name"])
    configuration = build_configuration(name, content["configuration"], str(path))
    contracts = get_contracts(configuration.beacon)
    _check_names(path, "addresses", content["addresses"], contracts)
    created = (*contracts, TOKEN) if TOKEN in content["code"] else contracts
    _check_names(path, "code", content["code"], created)
    compiler = content["compiler"]
    return Deployment(
        chain_id=_check_number(path, "chain_id", content["chain_id"]),
        block=_check_number(path, "block", content["block"]),
        deployer=_check_address(path, "deployer", content["deployer"]),
        token=_check_address(path, "token", content["token"]),
        addresses={
            name: _check_address(path, name, content["addresses"][name]) for name in contracts
        },
        configuration=configuration,
        compiler=Compiler(
            *(
                _check_text(path, f"compiler.{key}", compiler[key])
                for key in ("name", "version", "evm_version")
            )
        ),
        code={
            name: Code(
                *(
                    _check_hash(path, f"{name}.{key}", content["code"][name][key])
                    for key in ("transaction", "creation", "runtime")
                )
            )
            for name in created
        },
    )


def _check_names(path: Path, name: str, found: Any, expected: tuple[str, ...]) -> None:
    """Raises KeyError for the first that is missing, `BadManifest` for what nobody knows."""
    for key in expected:
        found[key]
    if unknown := sorted(found.keys() - set(expected)):
        raise BadManifest(f"{path}: {name} of {', '.join(unknown)}, which the deployment has not")


def _check_number(path: Path, name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**256:
        raise BadManifest(f"{path}: {name} is {value!r}, expected a number")
    return value


def _check_address(path: Path, name: str, value: Any) -> Address:
    if not isinstance(value, str) or not is_checksum_address(value):
        raise BadManifest(f"{path}: {name} is {value!r}, expected a checksummed address")
    return Address(value)


def _check_text(path: Path, name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > TEXT_MAX:
        raise BadManifest(f"{path}: {name} is {value!r}, expected at most {TEXT_MAX} characters")
    return value


def _check_hash(path: Path, name: str, value: Any) -> str:
    digits = value[2:] if isinstance(value, str) and value.startswith("0x") else ""
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise BadManifest(f"{path}: {name} is {value!r}, expected 0x and 64 hexadecimal digits")
    return str(value)
