"""RewardSplitter: what waits to be withdrawn."""

from dataclasses import dataclass

from offchain.chain.access import Bound
from offchain.chain.records import Address, Share, TaskId, check_address
from offchain.chain.sender import Receipt
from protocol.types import Wei


@dataclass(frozen=True)
class Splitter(Bound):
    """Rewards and awards by account."""

    def get_owed(self, account: Address) -> Wei:
        """What the account can withdraw now."""
        return Wei(self.read("owed_to", account))

    def get_split(self, task_id: TaskId) -> tuple[Share, ...]:
        """Who gets a part of the task's reward besides the worker."""
        return tuple(
            Share(check_address(account), points)
            for account, points in self.read("split_of", task_id)
        )

    def withdraw(self) -> Receipt:
        """Take everything that is owed to the sending account."""
        return self.send("withdraw reward", "withdraw")
