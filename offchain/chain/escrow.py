"""TaskEscrow: tasks and claims."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from offchain.chain.access import Bound
from offchain.chain.errors import BadAnswer
from offchain.chain.records import (
    Address,
    Claim,
    ClaimId,
    Digest,
    Offer,
    Share,
    Task,
    TaskId,
    Terms,
    check_amount,
    check_seconds,
    from_claim,
    from_offer,
    from_task,
    from_terms,
)
from offchain.chain.sender import Receipt
from protocol.pricing import Minimums
from protocol.types import Root, Seconds, Wei


@dataclass(frozen=True)
class Escrow(Bound):
    """The market, and the life of tasks."""

    def get_challenge_seconds(self) -> Seconds:
        """From the last reveal of an audit to the challenge deadline."""
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

    def get_offer(self, task_id: TaskId) -> Offer:
        """Raises `Reverted` ("escrow: unknown task")."""
        return from_offer(self.read("offer_of", task_id))

    def get_task(self, task_id: TaskId) -> Task:
        """Raises `Reverted` ("escrow: unknown task")."""
        return from_task(task_id, self.read("task_of", task_id))

    def get_claim(self, claim_id: ClaimId) -> Claim:
        """Raises `Reverted` ("escrow: unknown claim")."""
        return from_claim(claim_id, self.read("claim_of", claim_id))

    def get_price(self, task_id: TaskId) -> Wei:
        """What taking the task now would pay. Raises `Reverted` ("escrow: not posted")."""
        return check_amount("price", self.read("price_of", task_id))

    def get_minimums(self, terms: Terms) -> Minimums:
        """The least stake, bond and re-execution time of a task with these terms."""
        stake, bond, seconds = self.read("minimums_of", astuple(terms))
        return Minimums(Wei(stake), Wei(bond), check_seconds("re-execution seconds", seconds))

    def had_lease(self, task_id: TaskId, worker: Address) -> bool:
        """Whether the worker lost a lease of the task, or its claim of it was void."""
        return bool(self.read("had_lease", task_id, worker))

    def post(
        self, terms: Terms, offer: Offer, shares: Sequence[Share] = ()
    ) -> tuple[TaskId, Receipt]:
        """Offer a task and escrow its largest reward and audit budget; needs an allowance."""
        split = [astuple(share) for share in shares]
        receipt = self.send("post task", "post", astuple(terms), astuple(offer), split)
        posted = self.contract.decode_logs("TaskPosted", receipt.logs)
        if len(posted) != 1:
            raise BadAnswer(f"post task: {len(posted)} tasks in the receipt")
        return TaskId(posted[0].values["task_id"]), receipt

    def assign(self, task_id: TaskId, digest: Digest, reward: Wei) -> Receipt:
        """Take a task for at least so much; the stake is locked."""
        return self.send(f"assign task {task_id}", "assign", task_id, digest, reward)

    def report_progress(self, task_id: TaskId, segments: int, progress_root: Root) -> Receipt:
        """Show that the run goes on."""
        action = f"progress task {task_id}"
        return self.send(action, "report_progress", task_id, segments, progress_root)

    def abandon(self, task_id: TaskId) -> Receipt:
        """Give a task back."""
        return self.send(f"abandon task {task_id}", "abandon", task_id)

    def expire_lease(self, task_id: TaskId) -> Receipt:
        """Reopen a task whose lease or heartbeat ran out."""
        return self.send(f"expire_lease task {task_id}", "expire_lease", task_id)

    def claim(
        self,
        task_id: TaskId,
        digest: Digest,
        root: Root,
        final_state_root: Root,
        path: Sequence[bytes],
    ) -> Receipt:
        """Commit to every state of a finished run."""
        arguments = (task_id, digest, root, final_state_root, list(path))
        return self.send(f"claim task {task_id}", "claim", *arguments)

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
