"""Connections and accounts: everything this project asks of ape's network and key management."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from eth_account.messages import encode_defunct
from web3 import Web3

from offchain.chain.errors import ChainError, NetworkUnreachable, UnknownAccount

# Chain ids on which the well-known test keys may sign: their private keys are public.
TEST_CHAIN_IDS = frozenset({1337, 31337})
TEST_PREFIX = "test:"
PASSPHRASE_VARIABLE = "CRUX_PASSPHRASE"  # for keyfile accounts of unattended agents


class Signer(Protocol):
    """An account that can sign."""

    @property
    def address(self) -> str:
        """Checksummed."""
        ...

    def sign(self, fields: dict[str, Any]) -> bytes:
        """The raw transaction with these fields, signed."""
        ...

    def sign_text(self, text: str) -> bytes:
        """A signature of a message (EIP-191): the same whenever it is asked for."""
        ...


@dataclass(frozen=True)
class ApeSigner:
    """An account of ape's: a keyfile, a hardware wallet or a test key."""

    account: Any  # ape's AccountAPI
    create_transaction: Callable[..., Any]  # of ape's ecosystem

    @property
    def address(self) -> str:
        """Checksummed."""
        return str(self.account.address)

    def sign(self, fields: dict[str, Any]) -> bytes:
        """The raw transaction with these fields, signed. Raises `UnknownAccount`."""
        signed = self.account.sign_transaction(self.create_transaction(**fields))
        if signed is None:
            raise UnknownAccount(f"account {self.address}: the owner did not sign")
        return bytes(signed.serialize_transaction())

    def sign_text(self, text: str) -> bytes:
        """A signature of a message (EIP-191): the same whenever it is asked for.

        Nonces of ECDSA come from key and message (RFC 6979). Raises `UnknownAccount`.
        """
        signature = self.account.sign_message(encode_defunct(text=text))
        if signature is None:
            raise UnknownAccount(f"account {self.address}: the owner did not sign")
        return bytes(signature.encode_rsv())


@dataclass(frozen=True)
class Network:
    """A connected chain."""

    web3: Web3
    chain_id: int
    ecosystem: Any  # ape's EcosystemAPI

    def load_signer(self, name: str) -> Signer:
        """Account `test:<number>` on development chains, else the alias of an ape account.

        Raises `UnknownAccount`.
        """
        import ape

        if name.startswith(TEST_PREFIX):
            account = self._load_test_account(name, ape.accounts)
        elif name in ape.accounts.aliases:
            account = ape.accounts.load(name)
            if passphrase := os.environ.get(PASSPHRASE_VARIABLE):
                account.set_autosign(True, passphrase=passphrase)
        else:
            raise UnknownAccount(
                f"account {name!r}: unknown; `ape accounts list` names the ones there are"
            )
        return ApeSigner(account, self.ecosystem.create_transaction)

    def _load_test_account(self, name: str, accounts: Any) -> Any:
        number = name.removeprefix(TEST_PREFIX)
        if self.chain_id not in TEST_CHAIN_IDS:
            raise UnknownAccount(
                f"account {name!r}: test keys are public, chain {self.chain_id} is no test chain"
            )
        if not number.isdigit() or int(number) > 99:
            raise UnknownAccount(f"account {name!r}: expected test:0 to test:99")
        return accounts.test_accounts.containers["test"].generate_account(index=int(number))


def from_provider(provider: Any) -> Network:
    """The network behind an ape provider that is connected already."""
    web3 = provider.web3
    return Network(web3, int(web3.eth.chain_id), provider.network.ecosystem)


@contextmanager
def connect(choice: str) -> Iterator[Network]:
    """Connect to an RPC address or one of ape's network choices (ethereum:sepolia:node).

    Raises `NetworkUnreachable`.
    """
    import ape
    from ape.logging import logger

    logger.set_level("ERROR")
    try:
        context = ape.networks.parse_network_choice(choice)
        provider = context.__enter__()
    except ChainError:
        raise
    except Exception as error:  # ape's plugins raise whatever they like
        raise NetworkUnreachable(f"network {choice}: {_first_line(error)}") from error
    try:
        yield from_provider(provider)
    finally:
        context.__exit__(None, None, None)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
