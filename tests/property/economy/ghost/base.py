"""What every part of the model uses."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

ZERO_ADDRESS = "0x" + "00" * 20
BURN_ADDRESS = "0x000000000000000000000000000000000000dEaD"
ZERO_VALUE = bytes(32)
# Of a call that no ABI allows: a flag with more bits than it has names.
NO_REASON = "(none)"
WHOLE = 10_000  # basis points
AMOUNT_LIMIT = 2**128
YEAR = 365 * 86_400


class Refused(Exception):
    """The call must be refused, with one of these reasons."""

    def __init__(self, reasons: list[str]):
        super().__init__(", ".join(reasons))
        self.reasons = frozenset(reasons)


def require(conditions: dict[str, bool]) -> None:
    """Refuse with the reason of every condition that does not hold."""
    broken = [reason for reason, holds in conditions.items() if not holds]
    if broken:
        raise Refused(broken)


@dataclass(frozen=True)
class Event:
    contract: str
    name: str
    fields: dict[str, Any]


@dataclass
class Common:
    """Time, the token and the events of the running call."""

    addresses: dict[str, str]  # of the contracts, by name
    now: int = 0
    block: int = 0
    balances: Counter[str] = field(default_factory=Counter)
    approving: set[str] = field(default_factory=set)  # who lets the contracts pull its tokens
    events: list[Event] = field(default_factory=list)

    def note(self, contract: str, name: str, **fields: Any) -> None:
        self.events.append(Event(contract, name, fields))

    def can_pay(self, account: str, amount: int) -> dict[str, bool]:
        return {"erc20: transfer amount exceeds balance": self.balances[account] >= amount}

    def can_pull(self, account: str, amount: int) -> dict[str, bool]:
        """Whether a contract gets tokens of the account."""
        is_allowed = account in self.approving or amount == 0
        return {"erc20: insufficient allowance": is_allowed, **self.can_pay(account, amount)}

    def pay(self, sender: str, receiver: str, amount: int) -> None:
        assert self.balances[sender] >= amount, f"{sender} holds less than {amount}"
        self.balances[sender] -= amount
        self.balances[receiver] += amount


def divide_up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)


@dataclass
class Token:
    """What the token does by itself: somebody sends tokens that nobody asked for."""

    common: Common

    def balanceOf(self, account: str) -> int:
        return self.common.balances[account]

    def transfer(self, sender: str, to: str, amount: int) -> bool:
        require(self.common.can_pay(sender, amount))
        self.common.pay(sender, to, amount)
        return True
