"""StakeVault: deposits and stake."""

from dataclasses import dataclass

from offchain.chain.access import Bound
from offchain.chain.records import Address, TaskId, Timestamp
from offchain.chain.sender import Receipt
from protocol.types import Wei


@dataclass(frozen=True)
class Vault(Bound):
    """Stake by account and by task."""

    def get_free(self, account: Address) -> Wei:
        """Stake that can be locked or withdrawn."""
        return Wei(self.read("free_of", account))

    def get_locked(self, account: Address) -> Wei:
        """Stake behind running tasks and pending claims."""
        return Wei(self.read("locked_of", account))

    def get_unbonding(self, account: Address) -> tuple[Wei, Timestamp]:
        """Stake on its way out, and when it can be withdrawn."""
        return (
            Wei(self.read("unbonding_of", account)),
            Timestamp(self.read("ready_at", account)),
        )

    def get_lock(self, task_id: TaskId) -> Wei:
        """Stake behind a task."""
        return Wei(self.read("lock_of", task_id)[1])

    def deposit(self, amount: int) -> Receipt:
        """Stake `amount`; needs an allowance."""
        return self.send("deposit stake", "deposit", amount)

    def request_withdrawal(self, amount: int) -> Receipt:
        """Start the unbonding delay."""
        return self.send("request stake back", "request_withdrawal", amount)

    def withdraw(self) -> Receipt:
        """Take unbonded stake out."""
        return self.send("withdraw stake", "withdraw")
