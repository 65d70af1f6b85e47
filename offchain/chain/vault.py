"""StakeVault: deposits and stake."""

from dataclasses import dataclass

from offchain.chain.access import Bound
from offchain.chain.records import Address, TaskId, Timestamp
from offchain.chain.sender import Receipt
from protocol.types import Wei


@dataclass(frozen=True)
class Vault(Bound):
    """Stake by account and by lock."""

    def get_free(self, account: Address) -> Wei:
        """Stake that can be locked or withdrawn."""
        return Wei(self.read("free_of", account))

    def get_locked(self, account: Address) -> Wei:
        """Stake behind running tasks, pending claims and audits."""
        return Wei(self.read("locked_of", account))

    def get_unbonding(self, account: Address) -> tuple[Wei, Timestamp]:
        """Stake on its way out, and when it can be withdrawn."""
        return (
            Wei(self.read("unbonding_of", account)),
            Timestamp(self.read("ready_at", account)),
        )

    def get_lock(self, locker: Address, lock_id: TaskId) -> Wei:
        """Stake in one of a locker's locks: of the escrow, the stake behind a task."""
        return Wei(self.read_struct("lock_of", locker, lock_id)["amount"])

    def deposit(self, account: Address, amount: int) -> Receipt:
        """Stake `amount` for an account; needs an allowance."""
        return self.send("deposit stake", "deposit", account, amount)

    def request_withdrawal(self, account: Address, amount: int) -> Receipt:
        """Start the unbonding delay; for the account and its payout."""
        return self.send("request stake back", "request_withdrawal", account, amount)

    def withdraw(self, account: Address) -> Receipt:
        """Pay unbonded stake out, to the account's payout; anybody may."""
        return self.send("withdraw stake", "withdraw", account)
