"""What every typed contract below shares: at which block to read, and who sends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from web3 import Web3

from offchain.chain.contract import LOG_BLOCKS, Call, Contract, Event, ask
from offchain.chain.errors import UnknownAccount
from offchain.chain.records import Address, Timestamp
from offchain.chain.sender import Receipt, Sender


@dataclass
class Access:
    """Reads at one block, `confirmations` below the head; sends from one account.

    The block is pinned by `refresh`, so that everything read in one tick is one state of the
    chain, whatever arrives meanwhile.
    """

    web3: Web3
    sender: Sender | None
    confirmations: int = 0
    first_block: int = 0  # of the deployment: no event is older
    on_receipt: Callable[[Receipt], None] | None = None
    block: int = 0
    time: Timestamp = Timestamp(0)

    def refresh(self) -> None:
        """Move on to the latest confirmed block."""
        head = int(ask("block number", lambda: self.web3.eth.block_number))
        self.block = max(0, head - self.confirmations)
        block = ask("block", lambda: self.web3.eth.get_block(self.block))
        self.time = Timestamp(int(block["timestamp"]))

    @property
    def address(self) -> Address:
        """Of the sending account. Raises `UnknownAccount` where there is none."""
        if self.sender is None:
            raise UnknownAccount("no account was named; pass one to send transactions")
        return Address(self.sender.signer.address)

    def sign_text(self, text: str) -> bytes:
        """The sending account's signature of a message. Raises `UnknownAccount`."""
        if self.sender is None:
            raise UnknownAccount("no account was named to sign with")
        return self.sender.signer.sign_text(text)

    def send(self, call: Call) -> Receipt:
        """Send, and show the receipt to whoever listens. Raises as `Sender.send`."""
        if self.sender is None:
            raise UnknownAccount(f"{call.action}: no account was named to send from")
        receipt = self.sender.send(call)
        self.refresh()
        if self.on_receipt is not None:
            self.on_receipt(receipt)
        return receipt


@dataclass(frozen=True)
class Bound:
    """Base of the typed contracts."""

    access: Access
    contract: Contract

    @property
    def address(self) -> Address:
        """Of the contract."""
        return Address(self.contract.address)

    def read(self, function: str, *arguments: Any) -> Any:
        """A view at the pinned block."""
        return self.contract.read(function, *arguments, block=self.access.block)

    def read_struct(self, function: str, *arguments: Any) -> dict[str, Any]:
        """A view's struct at the pinned block, by its members' names."""
        return self.contract.read_struct(function, *arguments, block=self.access.block)

    def send(self, action: str, function: str, *arguments: Any) -> Receipt:
        """A transaction; `action` says in words what it does."""
        return self.access.send(self.contract.encode(action, function, *arguments))

    def get_events(self, name: str, first: int | None = None, **filters: Any) -> list[Event]:
        """Events from block `first` (the deployment's by default) to the pinned block."""
        start = self.access.first_block if first is None else first
        return self.contract.get_events(name, start, self.access.block, filters)

    def find_last_event(
        self, name: str, is_wanted: Callable[[Event], bool], **filters: Any
    ) -> Event | None:
        """The latest event that is wanted, searched backwards: recent ones cost one request."""
        for last in range(self.access.block, self.access.first_block - 1, -LOG_BLOCKS):
            first = max(self.access.first_block, last - LOG_BLOCKS + 1)
            for event in reversed(self.contract.get_events(name, first, last, filters)):
                if is_wanted(event):
                    return event
        return None
