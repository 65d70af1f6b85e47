"""The beacons: where the seed of a claim's draw comes from. A deployment has one of the two."""

from dataclasses import dataclass
from hashlib import sha256

from offchain.chain.access import Bound
from offchain.chain.records import ClaimId, Task, TaskId
from offchain.chain.sender import Receipt
from protocol.merkle import ZERO_VALUE
from protocol.types import Root

WINDOW_BLOCKS = 2**8  # = 256: blocks whose hashes the EVM knows
# Claims of one task that can be drawn, by a secret of the submitter. Each attempt costs the
# worker before it its stake.
LINKS = 2**10
SECRET_TEXT = "Crux: secret of a task's beacon.\nbeacon {beacon}\ntask {task}\ndigest {digest}"


class NoPreimage(ValueError):
    """The account has no secret from which the task's link follows."""


@dataclass(frozen=True)
class Beacon(Bound):
    """What both kinds can do."""

    def is_known(self, claim_id: ClaimId) -> bool:
        """Whether the claim has its seed."""
        return bytes(self.read("seed_of", claim_id)) != ZERO_VALUE

    def is_fixable(self, claim_id: ClaimId) -> bool:
        """Whether the beacon waits for a call that anybody can make."""
        raise NotImplementedError

    def fix(self, claim_id: ClaimId) -> Receipt:
        """Make that call."""
        raise NotImplementedError


@dataclass(frozen=True)
class BlockhashBeacon(Beacon):
    """Seeds from the hashes of blocks."""

    def is_fixable(self, claim_id: ClaimId) -> bool:
        """Whether the block that decides is there, and the seed has not been taken."""
        target = int(self.read("target_of", claim_id))
        return 0 < target < self.access.block and not self.is_known(claim_id)

    def fix(self, claim_id: ClaimId) -> Receipt:
        """Take the block's hash; where nobody did in time, begin with another block."""
        target = int(self.read("target_of", claim_id))
        # One block less than there is: the transaction is mined in a later one.
        if self.access.block - target >= WINDOW_BLOCKS:
            return self.send(f"restart_beacon claim {claim_id}", "restart", claim_id)
        return self.send(f"fix_beacon claim {claim_id}", "fix", claim_id)


@dataclass(frozen=True)
class SubmitterBeacon(Beacon):
    """Seeds from a secret of the submitter, by a chain of hashes whose end it committed to.

    The secret follows from the account's key and the task, so nothing has to be kept.
    """

    def is_fixable(self, claim_id: ClaimId) -> bool:
        """Only the submitter knows what to show."""
        return False

    def commit(self, task: Task) -> Receipt:
        """Commit to the end of the sending account's chain for the task."""
        link = _hash(self._compute_secret(task), LINKS)
        return self.send(f"commit_beacon task {task.id}", "commit", task.id, link)

    def show(self, task: Task) -> Receipt:
        """Show the preimage of the task's link for its pending claim. Raises `NoPreimage`."""
        preimage = self._find_preimage(task, Root(bytes(self.read("link_of", task.id))))
        return self.send(f"show_beacon claim {task.claim_id}", "show", task.claim_id, preimage)

    def is_committed(self, task_id: TaskId) -> bool:
        """Whether the submitter has committed to a chain for the task."""
        return bytes(self.read("link_of", task_id)) != ZERO_VALUE

    def _compute_secret(self, task: Task) -> bytes:
        text = SECRET_TEXT.format(beacon=self.address, task=task.id, digest=task.digest.hex())
        return sha256(self.access.sign_text(text)).digest()

    def _find_preimage(self, task: Task, link: Root) -> bytes:
        value = self._compute_secret(task)
        for _ in range(LINKS):
            after = sha256(value).digest()
            if after == link:
                return value
            value = after
        raise NoPreimage(
            f"task {task.id}: account {self.access.address} does not know what {link.hex()} is "
            "the hash of; the submitter's account is needed"
        )


def _hash(value: bytes, times: int) -> bytes:
    for _ in range(times):
        value = sha256(value).digest()
    return value
