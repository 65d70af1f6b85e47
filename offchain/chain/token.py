"""The ERC-20 that rewards, stakes and bonds are paid in."""

from dataclasses import dataclass
from functools import cached_property

from offchain.chain.access import Bound
from offchain.chain.errors import BadAnswer, MissingFunds
from offchain.chain.records import Address
from offchain.chain.sender import Receipt
from protocol.types import Wei

SYMBOL_MAX = 16
DECIMALS_MAX = 36


@dataclass(frozen=True)
class Token(Bound):
    """Balances and allowances."""

    @cached_property
    def symbol(self) -> str:
        """Short name."""
        symbol = self.read("symbol")
        if len(symbol) > SYMBOL_MAX or not symbol.isprintable():
            raise BadAnswer(f"token {self.address}: symbol of {len(symbol)} characters")
        return str(symbol)

    @cached_property
    def decimals(self) -> int:
        """Decimal places of one whole token."""
        decimals = int(self.read("decimals"))
        if decimals > DECIMALS_MAX:
            raise BadAnswer(f"token {self.address}: {decimals} decimals")
        return decimals

    def get_balance(self, account: Address) -> Wei:
        """Tokens in the account's own hands."""
        return Wei(self.read("balanceOf", account))

    def get_allowance(self, owner: Address, spender: Address) -> Wei:
        """What `spender` may take from `owner`."""
        return Wei(self.read("allowance", owner, spender))

    def format(self, amount: int) -> str:
        """An amount in words: 2.5 CRUX."""
        whole, rest = divmod(amount, 10**self.decimals)
        fraction = str(rest).rjust(self.decimals, "0").rstrip("0")
        return f"{whole:,}{'.' + fraction if fraction else ''} {self.symbol}"

    def parse(self, text: str) -> Wei:
        """The amount that `text` names in whole tokens. Raises ValueError."""
        whole, _, fraction = text.partition(".")
        digits = fraction.ljust(self.decimals, "0")
        if not (whole + fraction).isdecimal() or len(digits) > self.decimals or len(whole) > 40:
            raise ValueError(f"amount {text!r}: expected a number of {self.symbol} such as 2.5")
        return Wei(int((whole or "0") + digits))

    def check_balance(self, role: str, account: Address, needed: int) -> None:
        """Raises `MissingFunds` where the account holds less than `needed`."""
        balance = self.get_balance(account)
        if balance < needed:
            raise MissingFunds(
                f"missing funds: {role} {account} has {self.format(balance)}, "
                f"needs {self.format(needed)}"
            )

    def ensure_allowance(self, spender: Address, amount: int) -> Receipt | None:
        """Allow exactly `amount` where less is allowed now."""
        if self.get_allowance(self.access.address, spender) >= amount:
            return None
        return self.send(f"allow {self.format(amount)}", "approve", spender, amount)

    def transfer(self, account: Address, amount: int) -> Receipt:
        """Pay `amount` to `account`."""
        return self.send(f"transfer {self.format(amount)}", "transfer", account, amount)

    def mint(self, account: Address, amount: int) -> Receipt:
        """Create tokens out of nothing; only the owner of a test token can."""
        return self.send(f"mint {self.format(amount)}", "mint", account, amount)
