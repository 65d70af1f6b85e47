"""AuditLottery: who is drawn to execute what, commitments, reveals, settlements."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from offchain.chain.access import Bound
from offchain.chain.records import (
    Address,
    Claim,
    ClaimId,
    TaskId,
    Timestamp,
    check,
    check_address,
    check_seconds,
    check_status,
    check_time,
)
from offchain.chain.sender import Receipt
from protocol.merkle import ZERO_VALUE
from protocol.types import SEGMENTS_MAX, Root, Seconds, Wei

COMMITMENTS_MAX = 2**5  # twice the most audits of a claim


class AuditStatus(IntEnum):
    """IAuditLottery.AuditStatus."""

    NONE = 0
    COMMITTED = 1
    MISMATCHED = 2
    PAID = 4
    RELEASED = 8
    PUNISHED = 16


UNSETTLED = (AuditStatus.COMMITTED, AuditStatus.MISMATCHED)


@dataclass(frozen=True)
class Draw:
    """A claim's draw; the seed is zero where nothing was drawn."""

    seed: bytes
    total_stake: Wei
    fee: Wei
    commit_deadline: Timestamp
    open_deadline: Timestamp
    reveal_deadline: Timestamp
    commitments: int

    @property
    def is_drawn(self) -> bool:
        """Whether there was a draw."""
        return self.seed != ZERO_VALUE


@dataclass(frozen=True)
class Audit:
    """An auditor's audit of a claim."""

    status: AuditStatus
    segment: int  # the last one of the stretch
    commitment: bytes


@dataclass(frozen=True)
class Stretch:
    """Segments `first` to `last`, both of them."""

    first: int
    last: int


@dataclass(frozen=True)
class Lottery(Bound):
    """Auditors and audits."""

    @cached_property
    def penalty(self) -> Wei:
        """What a failed audit costs; fixed for good."""
        return Wei(self.read("penalty"))

    @cached_property
    def audits(self) -> int:
        """Auditors drawn for a claim on average; fixed for good."""
        return check("audits", self.read("audits"), 1, COMMITMENTS_MAX // 2)

    @cached_property
    def draw_seconds(self) -> Seconds:
        """Time after a claim in which it can be drawn; fixed for good."""
        return check_seconds("draw", self.read("draw_seconds"))

    def get_reserved(self, task_id: TaskId) -> Wei:
        """Fees of the task's audits that are not settled."""
        return Wei(self.read("reserved_of", task_id))

    def get_max_duration(self, reexecution_seconds: Seconds) -> Seconds:
        """Longest time from a claim to its reveal deadline."""
        return check_seconds("duration", self.read("max_duration", reexecution_seconds))

    def get_stake(self, auditor: Address) -> Wei:
        """What the auditor has locked for audits."""
        return Wei(self.read("stake_of", auditor))

    def get_total_stake(self) -> Wei:
        """Of all auditors."""
        return Wei(self.read("total_stake"))

    def get_active_from(self, auditor: Address) -> Timestamp:
        """Claims made before do not count the auditor's stake."""
        return check_time("active from", self.read("active_from", auditor))

    def get_unsettled(self, auditor: Address) -> int:
        """Audits of the auditor that are not settled."""
        return int(self.read("unsettled_of", auditor))

    def get_draw(self, claim_id: ClaimId) -> Draw:
        """The draw of a claim."""
        values = self.read_struct("draw_of", claim_id)
        return Draw(
            bytes(values["seed"]),
            Wei(values["total_stake"]),
            Wei(values["fee"]),
            check_time("commit deadline", values["commit_deadline"]),
            check_time("open deadline", values["open_deadline"]),
            check_time("reveal deadline", values["reveal_deadline"]),
            check("commitments", values["commitments"], 0, COMMITMENTS_MAX),
        )

    def get_audit(self, claim_id: ClaimId, auditor: Address) -> Audit:
        """An auditor's audit of a claim."""
        status, segment, commitment = self.read("audit_of", claim_id, auditor)
        return Audit(
            check_status(AuditStatus, status),
            check("segment", segment, 0, SEGMENTS_MAX - 1),
            bytes(commitment),
        )

    def get_leaf(self, claim_id: ClaimId, segment: int) -> Root | None:
        """The state root that the worker has opened."""
        leaf = Root(bytes(self.read("leaf_of", claim_id, segment)))
        return None if leaf == ZERO_VALUE else leaf

    def is_drawn(self, claim_id: ClaimId, auditor: Address, widening: int = 0) -> bool:
        """Whether the auditor's ticket wins."""
        return bool(self.read("is_drawn", claim_id, auditor, widening))

    def get_stretch(self, claim_id: ClaimId, auditor: Address) -> Stretch:
        """What the draw gives to the auditor, drawn or not."""
        first, last = self.read("stretch_of", claim_id, auditor)
        return Stretch(
            check("segment", first, 0, SEGMENTS_MAX - 1),
            check("segment", last, first, SEGMENTS_MAX - 1),
        )

    def get_auditors(self, first: int | None = None) -> set[Address]:
        """Everybody who joined, from block `first` on (the deployment's by default)."""
        joined = self.get_events("AuditorJoined", first)
        return {check_address(event.values["auditor"]) for event in joined}

    def get_commitments(self, claim_id: ClaimId) -> dict[Address, int]:
        """The segments that auditors of a claim committed to."""
        events = self.get_events("AuditCommitted", claim_id=claim_id)
        return {
            check_address(event.values["auditor"]): int(event.values["segment"]) for event in events
        }

    def join(self, amount: Wei) -> Receipt:
        """Lock free stake of the sending account for audits."""
        return self.send("join lottery", "join", amount)

    def leave(self, auditor: Address) -> Receipt:
        """Release an auditor's stake; for the account and its payout."""
        return self.send("leave lottery", "leave", auditor)

    def draw(self, claim_id: ClaimId) -> Receipt:
        """Take the beacon's seed."""
        return self.send(f"draw claim {claim_id}", "draw", claim_id)

    def commit(self, claim: Claim, commitment: bytes) -> Receipt:
        """Commit to the state root after the stretch of that claim and no other of its number."""
        return self.send(f"commit claim {claim.id}", "commit", claim.id, claim.root, commitment)

    def open_leaf(
        self, claim_id: ClaimId, segment: int, state_root: Root, path: Iterable[Root]
    ) -> Receipt:
        """Show a committed segment's leaf of the claim."""
        action = f"open_leaf claim {claim_id}"
        return self.send(action, "open_leaf", claim_id, segment, state_root, list(path))

    def reveal(self, claim_id: ClaimId, state_root: Root, salt: bytes) -> Receipt:
        """Show what the sending account committed to."""
        return self.send(f"disclose claim {claim_id}", "reveal", claim_id, state_root, salt)

    def declare_default(self, claim_id: ClaimId, segment: int) -> Receipt:
        """End a claim whose worker has not opened a committed leaf."""
        return self.send(f"default claim {claim_id}", "declare_default", claim_id, segment)

    def settle(self, claim_id: ClaimId, auditor: Address) -> Receipt:
        """End an audit that no reveal has paid."""
        return self.send(f"settle claim {claim_id}", "settle", claim_id, auditor)
