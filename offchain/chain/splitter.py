"""RewardSplitter: what waits to be withdrawn."""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.chain.access import Bound
from offchain.chain.errors import BadAnswer
from offchain.chain.records import (
    SHARES_MAX,
    WHOLE_BPS,
    Address,
    Share,
    TaskId,
    check,
    check_address,
)
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
        shares = tuple(
            Share(check_address(account), check("share", points, 1, WHOLE_BPS))
            for account, points in self.read("split_of", task_id)
        )
        if len(shares) > SHARES_MAX or sum(share.basis_points for share in shares) >= WHOLE_BPS:
            raise BadAnswer(f"split of task {task_id}: {len(shares)} shares exceed the whole")
        return shares

    def withdraw(self, account: Address) -> Receipt:
        """Pay the account everything that it is owed; anybody may."""
        return self.send("withdraw reward", "withdraw", account)


def compute_worker_part(reward: Wei, shares: Sequence[Share]) -> Wei:
    """What is left of a reward for the worker: every share is rounded down."""
    return Wei(reward - sum(reward * share.basis_points // WHOLE_BPS for share in shares))
