"""TaskEscrow: tasks and claims."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from offchain.chain.access import Bound
from offchain.chain.errors import BadAnswer
from offchain.chain.records import (
    Claim,
    ClaimId,
    Share,
    Task,
    TaskId,
    Terms,
    Timestamp,
    from_claim,
    from_task,
    from_terms,
)
from offchain.chain.sender import Receipt
from protocol.types import Root, Seconds, Wei


@dataclass(frozen=True)
class Escrow(Bound):
    """The life of tasks."""

    def get_challenge_seconds(self) -> Seconds:
        """From a claim to its challenge deadline."""
        return Seconds(self.read("challenge_seconds"))

    def get_task_ids(self) -> Iterator[TaskId]:
        """Every task there is, the latest first."""
        return (TaskId(i) for i in range(self._get_count("task_count"), 0, -1))

    def get_claim_ids(self) -> Iterator[ClaimId]:
        """Every claim there is, the latest first."""
        return (ClaimId(i) for i in range(self._get_count("claim_count"), 0, -1))

    def get_terms(self, task_id: TaskId) -> Terms:
        """Raises `Reverted` ("escrow: unknown task")."""
        return from_terms(self.read("terms_of", task_id))

    def get_task(self, task_id: TaskId) -> Task:
        """Raises `Reverted` ("escrow: unknown task")."""
        return from_task(task_id, self.read("task_of", task_id))

    def get_claim(self, claim_id: ClaimId) -> Claim:
        """Raises `Reverted` ("escrow: unknown claim")."""
        return from_claim(claim_id, self.read("claim_of", claim_id))

    def post(
        self,
        terms: Terms,
        reward: Wei,
        stake: Wei,
        lease_seconds: Seconds,
        expiry: Timestamp,
        shares: Sequence[Share] = (),
    ) -> tuple[TaskId, Receipt]:
        """Offer a task and escrow its reward; needs an allowance."""
        receipt = self.send(
            "post task",
            "post",
            astuple(terms),
            reward,
            stake,
            lease_seconds,
            expiry,
            [astuple(share) for share in shares],
        )
        posted = self.contract.decode_logs("TaskPosted", receipt.logs)
        if len(posted) != 1:
            raise BadAnswer(f"post task: {len(posted)} tasks in the receipt")
        return TaskId(posted[0].values["task_id"]), receipt

    def assign(self, task_id: TaskId) -> Receipt:
        """Take a task; the stake is locked."""
        return self.send(f"assign task {task_id}", "assign", task_id)

    def abandon(self, task_id: TaskId) -> Receipt:
        """Give a task back."""
        return self.send(f"abandon task {task_id}", "abandon", task_id)

    def expire_lease(self, task_id: TaskId) -> Receipt:
        """Reopen a task whose lease ran out."""
        return self.send(f"expire lease of task {task_id}", "expire_lease", task_id)

    def claim(
        self, task_id: TaskId, root: Root, final_state_root: Root, path: Sequence[bytes]
    ) -> Receipt:
        """Commit to every state of a finished run."""
        return self.send(
            f"claim task {task_id}", "claim", task_id, root, final_state_root, list(path)
        )

    def finalise(self, claim_id: ClaimId) -> Receipt:
        """Accept a claim that nobody could refute."""
        return self.send(f"finalise claim {claim_id}", "finalise", claim_id)

    def cancel(self, task_id: TaskId) -> Receipt:
        """Withdraw a task nobody works on."""
        return self.send(f"cancel task {task_id}", "cancel", task_id)

    def expire(self, task_id: TaskId) -> Receipt:
        """Refund an expired task."""
        return self.send(f"expire task {task_id}", "expire", task_id)

    def _get_count(self, function: str) -> int:
        count = int(self.read(function))
        if count > 2**40:
            raise BadAnswer(f"escrow.{function}: {count}")
        return count
