"""Whether a deployment is what its manifest says: everything that can be read is compared.

Nothing is believed of the manifest but the names of contracts. Each comparison is one finding
with a name of its own, so that what does not fit can be said.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from eth_utils import keccak, to_checksum_address
from web3 import Web3
from web3.exceptions import TransactionNotFound

from offchain.chain.contract import Contract, ask
from offchain.chain.errors import ChainError, NetworkUnreachable
from offchain.chain.manifest import ROLES, TOKEN, Deployment, compute_values
from offchain.chain.parameters import LIMITS, compute_warnings
from offchain.chain.token import SYMBOL_MAX

# What each contract owes, all of it in the token: it must hold as much.
DEBTS: Mapping[str, str] = {
    "StakeVault": "total_staked",
    "RewardSplitter": "total_owed",
    "TaskEscrow": "total_escrowed",
    "ChallengeGame": "total_held",
}

Abi = Sequence[Mapping[str, Any]]


class Verdict(Enum):
    """What a finding means."""

    FITS = "fits"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One comparison."""

    name: str  # such as "TaskEscrow.min_stake"
    verdict: Verdict
    expected: str
    found: str


def examine(web3: Web3, deployment: Deployment, abis: Mapping[str, Abi]) -> Iterator[Finding]:
    """Every finding about a deployment, against the state of one block.

    Raises `NetworkUnreachable`; whatever else goes wrong is a finding.
    """
    chain_id = int(ask("chain id", lambda: web3.eth.chain_id))
    yield _compare("chain id", deployment.chain_id, lambda: chain_id)
    meant = deployment.configuration.chain_ids
    yield _build("parameters' chain", chain_id in meant, _join(meant), chain_id)
    head = int(ask("block number", lambda: web3.eth.block_number))
    yield _build("block", deployment.block <= head, f"up to {head}", deployment.block)
    places = {**deployment.addresses, TOKEN: deployment.token}
    for name in deployment.code:
        yield from _examine_code(web3, deployment, name, places[name], head)
    for name in deployment.contracts:
        contract = Contract(web3, name, places[name], abis[name])
        yield from _examine_values(contract, deployment, abis[name], head)
    token = Contract(web3, TOKEN, deployment.token, abis[TOKEN])
    yield from _examine_token(token, deployment, head)
    for name, view in DEBTS.items():
        contract = Contract(web3, name, places[name], abis[name])
        yield _examine_debt(token, contract, view, head)
    for warning in compute_warnings(deployment.configuration):
        name, _, text = warning.partition(" is ")
        yield Finding(name, Verdict.WARNING, "", text)


def _examine_code(
    web3: Web3, deployment: Deployment, name: str, address: str, head: int
) -> Iterator[Finding]:
    """The code that is there, and how it got there."""
    code = deployment.code[name]
    yield _compare(
        f"{name} runtime code",
        code.runtime,
        lambda: _hash(ask(name, lambda: web3.eth.get_code(to_checksum_address(address), head))),
    )
    try:
        transaction = ask(name, lambda: _get(web3.eth.get_transaction, code.transaction))
        receipt = ask(name, lambda: _get(web3.eth.get_transaction_receipt, code.transaction))
    except NetworkUnreachable:
        raise
    except ChainError as error:
        yield Finding(f"{name} creation", Verdict.FAULT, code.transaction, str(error))
        return
    if transaction is None or receipt is None:
        # Nodes may forget old transactions; the code was compared all the same.
        found = "this node does not know the transaction"
        yield Finding(f"{name} creation", Verdict.WARNING, code.transaction, found)
        return
    yield _compare(f"{name} creation code", code.creation, lambda: _hash(transaction["input"]))
    yield _compare(f"{name} created at", address, lambda: receipt["contractAddress"])
    yield _compare(f"{name} created by", deployment.deployer, lambda: transaction["from"])
    block = int(receipt["blockNumber"])
    yield _build(
        f"{name} created in block", block >= deployment.block, f"from {deployment.block}", block
    )


def _examine_values(
    contract: Contract, deployment: Deployment, abi: Abi, head: int
) -> Iterator[Finding]:
    """What the constructor was given, read back: parameters and the other contracts' addresses."""
    values = compute_values(deployment.token, deployment.addresses, deployment.configuration)
    views = {
        str(item["name"]).lower(): str(item["name"])
        for item in abi
        if item["type"] == "function" and not item["inputs"]
    }
    own = {name for name, limits in LIMITS.items() if limits.contract == contract.name}
    for name in sorted({*ROLES, "token", "beacon", *own} & views.keys()):
        view = views[name]

        def read(view: str = view) -> Any:
            value = contract.read(view, block=head)
            return to_checksum_address(value) if isinstance(value, str) else value

        yield _compare(f"{contract.name}.{view}", values[name], read)
    for name in sorted(own - views.keys()):
        yield Finding(f"{contract.name}.{name}", Verdict.FAULT, str(values[name]), "no such view")


def _examine_token(token: Contract, deployment: Deployment, head: int) -> Iterator[Finding]:
    """Whether the token is one that the amounts were written for."""

    def read_symbol() -> str:
        symbol = str(token.read("symbol", block=head))
        return symbol if symbol.isprintable() and len(symbol) <= SYMBOL_MAX else "unprintable"

    decimals = deployment.configuration.token_decimals
    yield _compare("token.decimals", decimals, lambda: token.read("decimals", block=head))
    yield _check("token.symbol", read_symbol, lambda symbol: symbol != "unprintable", "a name")

    def read_held() -> int:
        places = [deployment.addresses[name] for name in DEBTS]
        return sum(int(token.read("balanceOf", place, block=head)) for place in places)

    yield _check(
        "token.totalSupply",
        lambda: (int(token.read("totalSupply", block=head)), read_held()),
        lambda found: found[0] >= found[1],
        "at least what the contracts hold",
    )


def _examine_debt(token: Contract, contract: Contract, view: str, head: int) -> Finding:
    """Solvency (E1, V1, R1, G6): a contract holds what it owes."""
    name = f"{contract.name} holds"
    try:
        owed = int(contract.read(view, block=head))
        held = int(token.read("balanceOf", contract.address, block=head))
    except NetworkUnreachable:
        raise
    except ChainError as error:
        return Finding(name, Verdict.FAULT, view, str(error))
    return _build(name, held >= owed, f"at least {owed}", held)


# --- Findings -------------------------------------------------------------------------------------


def _build(name: str, fits: bool, expected: Any, found: Any) -> Finding:
    return Finding(name, Verdict.FITS if fits else Verdict.FAULT, str(expected), str(found))


def _check(
    name: str, read: Callable[[], Any], fits: Callable[[Any], bool], expected: Any
) -> Finding:
    """A finding about what can be read, or the reason why it cannot."""
    try:
        found = read()
    except NetworkUnreachable:
        raise
    except ChainError as error:
        return Finding(name, Verdict.FAULT, str(expected), str(error))
    return _build(name, fits(found), expected, found)


def _compare(name: str, expected: Any, read: Callable[[], Any]) -> Finding:
    return _check(name, read, lambda found: found == expected, expected)


def _get(question: Callable[[Any], Any], transaction: str) -> Any:
    """A transaction or its receipt; None where the node does not know it."""
    try:
        return question(transaction)
    except TransactionNotFound:
        return None


def _hash(code: bytes) -> str:
    return "0x" + keccak(bytes(code)).hex()


def _join(numbers: Sequence[int]) -> str:
    return " or ".join(map(str, numbers))
