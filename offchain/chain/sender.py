"""Sending transactions from one account: simulation, nonces, fees, replacement, receipts.

The first nonce that no block holds is always the one used next. So a transaction that an earlier
process left pending when it died is either mined first or replaced, and no gap can arise.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web3 import Web3
from web3.exceptions import TransactionNotFound, Web3Exception

from offchain.chain.contract import Call, ask, raise_chain_error
from offchain.chain.errors import (
    BadAnswer,
    MissingFunds,
    NonceTaken,
    Reverted,
    TransactionFailed,
    TransactionStuck,
)
from offchain.chain.network import Signer

GAS_MAX = 16_700_000  # what one transaction may use (EIP-7825 is 2**24)
GAS_MARGIN_PERCENT = 20  # a cold slot more than at simulation, and the 63/64 rule
BUMP_PERCENT = 15  # nodes ask for at least 10 to replace a transaction
FEE_HEADROOM = 2  # max fee in base fees: survives six full blocks of rising base fee
TIP_WEI = 10**9  # = 1 gwei, where the node suggests none
POLL_SECONDS = 0.02
RECEIPT_LAG_SECONDS = 5.0
POLL_SECONDS_MAX = 1.0


@dataclass(frozen=True)
class FeePolicy:
    """How long to wait for a block, and how far to go to get into one."""

    patience_seconds: float = 30.0
    fee_max_wei: int = 500 * 10**9  # per gas


@dataclass(frozen=True)
class Receipt:
    """A mined transaction."""

    action: str
    transaction: str
    block: int
    gas_used: int
    fee_wei: int
    logs: tuple[Mapping[str, Any], ...]


class Sender:
    """Sends from one account, one transaction at a time."""

    # Per process one lock for each account: two clients of one account share its nonces.
    _locks: dict[str, threading.Lock] = {}

    def __init__(self, web3: Web3, chain_id: int, signer: Signer, policy: FeePolicy):
        self.signer = signer
        self._web3 = web3
        self._chain_id = chain_id
        self._policy = policy
        self._lock = self._locks.setdefault(signer.address, threading.Lock())

    def send(self, call: Call) -> Receipt:
        """Simulate, send and wait for the receipt.

        Raises `Reverted` (nothing was sent), `MissingFunds` (nothing was sent),
        `TransactionStuck`, `TransactionFailed`, `NonceTaken`.
        """
        with self._lock:
            gas = self._simulate(call)
            return self._send_until_mined(call, gas)

    def _simulate(self, call: Call) -> int:
        fields = {"from": self.signer.address, "to": call.to, "data": Web3.to_hex(call.data)}
        ask(call.action, lambda: self._web3.eth.call(fields, "latest"))
        estimate = ask(call.action, lambda: self._web3.eth.estimate_gas(fields))
        gas = min(GAS_MAX, estimate * (100 + GAS_MARGIN_PERCENT) // 100)
        if estimate > GAS_MAX:
            raise Reverted(call.action, f"needs {estimate} gas, a transaction may use {GAS_MAX}")
        return int(gas)

    def _send_until_mined(self, call: Call, gas: int) -> Receipt:
        tip, fee = self._compute_fees()
        balance = ask(call.action, lambda: self._web3.eth.get_balance(self.signer.address))
        if balance < gas * fee:
            raise MissingFunds(
                f"missing funds: account {self.signer.address} has "
                f"{balance / 10**18:.6f} ether, needs {gas * fee / 10**18:.6f} for the gas of "
                f"{call.action!r}"
            )
        nonce = self._get_first_free_nonce()
        hashes: list[Any] = []
        while fee <= self._policy.fee_max_wei:
            fields = {
                "type": 2,
                "chainId": self._chain_id,
                "from": self.signer.address,
                "nonce": nonce,
                "to": call.to,
                "data": call.data,
                "value": 0,
                "gas": gas,
                "maxFeePerGas": fee,
                "maxPriorityFeePerGas": tip,
            }
            if (sent := self._broadcast(call, fields)) is not None:
                hashes.append(sent)
            if hashes and (receipt := self._wait(call, nonce, hashes)) is not None:
                return receipt
            if not hashes and self._get_mined_nonce() > nonce:
                raise self._compute_nonce_taken(call, nonce)
            tip, fee = _bump(tip), _bump(fee)
        raise TransactionStuck(
            f"{call.action}: nonce {nonce} of {self.signer.address} is in no block at "
            f"{self._policy.fee_max_wei / 10**9:.1f} gwei"
        )

    def _broadcast(self, call: Call, fields: dict[str, Any]) -> Any | None:
        """Hash of the sent transaction; None where another of that nonce is mined or pays more."""
        raw = self.signer.sign(fields)
        try:
            return self._web3.eth.send_raw_transaction(raw)
        except Web3Exception as error:
            message = str(error).lower()
            if "underpriced" in message or "nonce too low" in message:
                return None
            if "already known" in message or "already imported" in message:
                return Web3.keccak(raw)
            raise_chain_error(call.action, error)

    def _wait(self, call: Call, nonce: int, hashes: list[Any]) -> Receipt | None:
        """Receipt of whichever of `hashes` is mined; None when patience ends."""
        deadline = time.monotonic() + self._policy.patience_seconds
        pause, taken = POLL_SECONDS, None  # since when the nonce was seen used
        while time.monotonic() < deadline:
            for sent in hashes:
                if (raw := self._get_receipt(call, sent)) is not None:
                    return self._check_receipt(call, raw)
            if self._get_mined_nonce() > nonce:
                # A node can know the new count of transactions before it shows the receipt.
                taken = time.monotonic() if taken is None else taken
                if time.monotonic() > taken + RECEIPT_LAG_SECONDS:
                    raise self._compute_nonce_taken(call, nonce)
            time.sleep(pause)
            pause = min(POLL_SECONDS_MAX, pause * 2)
        return None

    def _compute_nonce_taken(self, call: Call, nonce: int) -> NonceTaken:
        return NonceTaken(
            f"{call.action}: nonce {nonce} of {self.signer.address} was used by another program"
        )

    def _get_receipt(self, call: Call, sent: Any) -> Any | None:
        try:
            return ask(call.action, lambda: self._web3.eth.get_transaction_receipt(sent))
        except BadAnswer as error:
            if isinstance(error.__cause__, TransactionNotFound):
                return None
            raise

    def _check_receipt(self, call: Call, raw: Any) -> Receipt:
        if raw["status"] != 1:
            raise TransactionFailed(
                f"{call.action}: transaction {Web3.to_hex(raw['transactionHash'])} failed in block "
                f"{raw['blockNumber']}"
            )
        return Receipt(
            action=call.action,
            transaction=Web3.to_hex(raw["transactionHash"]),
            block=int(raw["blockNumber"]),
            gas_used=int(raw["gasUsed"]),
            fee_wei=int(raw["gasUsed"]) * int(raw["effectiveGasPrice"]),
            logs=tuple(raw["logs"]),
        )

    def _get_first_free_nonce(self) -> int:
        return self._get_mined_nonce()

    def _get_mined_nonce(self) -> int:
        return int(
            ask(
                "nonce",
                lambda: self._web3.eth.get_transaction_count(self.signer.address, "latest"),
            )
        )

    def _compute_fees(self) -> tuple[int, int]:
        """(tip, maximum fee) per gas, in wei."""
        base = ask("fee", lambda: self._web3.eth.get_block("latest")).get("baseFeePerGas", 0)
        try:
            tip = int(ask("fee", lambda: self._web3.eth.max_priority_fee))
        except BadAnswer:
            tip = TIP_WEI
        if base > self._policy.fee_max_wei:
            raise TransactionStuck(
                f"the network asks for {base / 10**9:.1f} gwei per gas, the limit is "
                f"{self._policy.fee_max_wei / 10**9:.1f}"
            )
        tip = min(tip or TIP_WEI, self._policy.fee_max_wei)
        return tip, min(FEE_HEADROOM * int(base) + tip, self._policy.fee_max_wei)


def _bump(fee: int) -> int:
    return fee * (100 + BUMP_PERCENT) // 100 + 1
