"""The audit lottery: who executes what again, who is paid for it and who pays."""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntFlag
from hashlib import sha256
from typing import TYPE_CHECKING

from tests.property.economy.ghost.base import (
    AMOUNT_LIMIT,
    BURN_ADDRESS,
    ZERO_VALUE,
    Common,
    require,
)
from tests.property.economy.ghost.ledger import Registry, Vault
from tests.property.economy.ghost.market import Claim, ClaimStatus, Escrow, is_leaf

if TYPE_CHECKING:
    from tests.property.economy.ghost.beacons import Seeds


class AuditStatus(IntFlag):
    COMMITTED = 1
    MISMATCHED = 2
    PAID = 4
    RELEASED = 8
    PUNISHED = 16


UNSETTLED = AuditStatus.COMMITTED | AuditStatus.MISMATCHED


@dataclass(frozen=True)
class LotteryLimits:
    """Parameters of the lottery's constructor."""

    audits: int
    penalty: int
    warmup_seconds: int
    draw_seconds: int
    commit_seconds: int
    open_seconds: int
    reveal_seconds: int


@dataclass
class Draw:
    seed: bytes = ZERO_VALUE
    total_stake: int = 0
    fee: int = 0
    commit_deadline: int = 0
    open_deadline: int = 0
    reveal_deadline: int = 0
    commitments: int = 0
    claimed_at: int = 0
    segments: int = 0


@dataclass
class Audit:
    status: AuditStatus = AuditStatus(0)
    segment: int = 0
    commitment: bytes = ZERO_VALUE


def count_stretches(segments: int) -> int:
    return max(0, (segments - 1) // 2)


def compute_stretch(seed: bytes, ticket: bytes, segments: int) -> int:
    """The number of the stretch that a ticket is given."""
    stretches = count_stretches(segments)
    parity = seed[-1] & 1 if stretches > 1 else 0
    of_parity = len(range(parity, stretches, 2))
    return 2 * (int.from_bytes(sha256(ticket).digest(), "big") % of_parity) + parity


@dataclass
class Lottery:
    common: Common
    registry: Registry
    vault: Vault
    escrow: Escrow
    beacon: "Seeds"
    limits: LotteryLimits
    stakes: Counter[str] = field(default_factory=Counter)
    active: dict[str, int] = field(default_factory=dict)
    totals: dict[int, int] = field(default_factory=dict)  # all stake at the claim
    draws: dict[int, Draw] = field(default_factory=dict)
    audits: dict[tuple[int, str], Audit] = field(default_factory=dict)
    leaves: dict[tuple[int, int], bytes] = field(default_factory=dict)
    defaults: set[int] = field(default_factory=set)  # claims

    @property
    def address(self) -> str:
        return self.common.addresses["lottery"]

    # What is told.

    def max_duration(self, reexecution_seconds: int) -> int:
        limits = self.limits
        return (
            limits.draw_seconds
            + limits.commit_seconds
            + 2 * reexecution_seconds
            + limits.open_seconds
            + limits.reveal_seconds
        )

    def stake_of(self, auditor: str) -> int:
        return self.stakes[auditor]

    def active_from(self, auditor: str) -> int:
        return self.active.get(auditor, 0)

    def total_stake(self) -> int:
        return self.stakes.total()

    def unsettled_of(self, auditor: str) -> int:
        return sum(
            account == auditor and audit.status in UNSETTLED
            for (_, account), audit in self.audits.items()
        )

    def draw_seconds(self) -> int:
        return self.limits.draw_seconds

    def reserved_of(self, task_id: int) -> int:
        return sum(
            self.draws[claim_id].fee
            for (claim_id, _), audit in self.audits.items()
            if audit.status in UNSETTLED and self.escrow.claims[claim_id].task_id == task_id
        )

    def draw_of(self, claim_id: int) -> Draw:
        return self.draws.get(claim_id, Draw())

    def audit_of(self, claim_id: int, auditor: str) -> Audit:
        return self.audits.get((claim_id, auditor), Audit())

    def leaf_of(self, claim_id: int, segment: int) -> bytes:
        return self.leaves.get((claim_id, segment), ZERO_VALUE)

    def _compute_ticket(self, claim_id: int, auditor: str) -> bytes:
        seed = self.draws[claim_id].seed
        return sha256(seed + claim_id.to_bytes(32, "big") + bytes.fromhex(auditor[2:])).digest()

    def is_active(self, claim_id: int, auditor: str) -> bool:
        """Whether the auditor's stake counts for the claim."""
        claimed_at = self.escrow.claims[claim_id].claimed_at
        return self.stakes[auditor] > 0 and self.active[auditor] <= claimed_at

    def is_drawn(self, claim_id: int, auditor: str, widening: int) -> bool:
        if claim_id not in self.draws or not self.is_active(claim_id, auditor):
            return False
        fraction = int.from_bytes(self._compute_ticket(claim_id, auditor)[:16], "big")
        place = fraction * self.draws[claim_id].total_stake >> 128
        return place >> widening < self.limits.audits * self.stakes[auditor]

    def stretch_of(self, claim_id: int, auditor: str) -> tuple[int, int]:
        require({"lottery: no draw": claim_id in self.draws})
        segments = self.escrow.terms[self.escrow.claims[claim_id].task_id].segments
        ticket = self._compute_ticket(claim_id, auditor)
        first = 2 * compute_stretch(self.draws[claim_id].seed, ticket, segments)
        return first, first + 1

    # Auditors come and go.

    def join(self, sender: str, amount: int) -> None:
        whole = self.stakes[sender] + amount
        lock = self.vault.can_lock(self.address, int(sender, 16), sender, amount)
        require(
            {
                "lottery: not an auditor": self.registry.is_auditor(sender),
                "lottery: stake out of range": self.total_stake() + amount < AMOUNT_LIMIT,
                "lottery: stake below penalty": whole >= self.limits.penalty,
                **lock,
            }
        )
        self.vault.lock(self.address, int(sender, 16), sender, amount)
        self.stakes[sender] = whole
        self.active[sender] = self.common.now + self.limits.warmup_seconds
        self.common.note(
            "lottery",
            "AuditorJoined",
            auditor=sender,
            stake=whole,
            active_from=self.active[sender],
        )

    def leave(self, sender: str, auditor: str) -> None:
        stake = self.stakes[auditor]
        require(
            {
                "lottery: not yours": sender in (auditor, self.registry.payout_of(auditor)),
                "lottery: nothing staked": stake != 0,
                "lottery: audits open": self.unsettled_of(auditor) == 0,
                "lottery: too early to leave": self.common.now >= self.active_from(auditor),
            }
        )
        self.vault.release(self.address, int(auditor, 16))
        self.stakes[auditor] = 0
        self.active.pop(auditor)
        self.common.note("lottery", "AuditorLeft", auditor=auditor, stake=stake)

    # An audit.

    def process_claimed(self, sender: str, claim_id: int) -> None:
        require({"lottery: not escrow": sender == self.common.addresses["escrow"]})
        self.totals[claim_id] = self.total_stake()
        self.beacon.process_claimed(self.address, claim_id)

    def _is_pending(self, claim_id: int) -> dict[str, bool]:
        claim = self.escrow.claims.get(claim_id)
        is_pending = claim is not None and claim.status == ClaimStatus.PENDING
        return {"lottery: claim not pending": is_pending}

    def draw(self, sender: str, claim_id: int) -> None:
        self.escrow.claim_of(claim_id)
        claim = self.escrow.claims[claim_id]
        task, offer = self.escrow.tasks[claim.task_id], self.escrow.offers[claim.task_id]
        free = task.audit_budget - self.reserved_of(claim.task_id)
        fee = free // (2 * self.limits.audits + offer.attestations)
        terms = self.escrow.terms[claim.task_id]
        seed = self.beacon.seed_of(claim_id)
        total = self.totals.get(claim_id, 0)
        require(
            {
                **self._is_pending(claim_id),
                "lottery: no audit budget": fee > 0,
                "lottery: already drawn": claim_id not in self.draws,
                "lottery: seed not known": seed != ZERO_VALUE,
                "lottery: too late to draw": (
                    self.common.now <= claim.claimed_at + self.limits.draw_seconds
                ),
                "lottery: no auditors": total != 0,
                "lottery: nothing to audit": count_stretches(terms.segments) != 0,
            }
        )
        commit = self.common.now + self.limits.commit_seconds + 2 * terms.reexecution_seconds
        opening = commit + self.limits.open_seconds
        reveal = opening + self.limits.reveal_seconds
        self.draws[claim_id] = Draw(
            seed, total, fee, commit, opening, reveal, 0, claim.claimed_at, terms.segments
        )
        self.common.note(
            "lottery",
            "Drawn",
            claim_id=claim_id,
            seed=seed,
            total_stake=total,
            fee=fee,
            commit_deadline=commit,
        )

    def commit(self, sender: str, claim_id: int, claim_root: bytes, commitment: bytes) -> None:
        draw = self.draw_of(claim_id)
        has_draw = claim_id in self.draws
        claim = self.escrow.claims.get(claim_id)
        needed = self.limits.penalty * (self.unsettled_of(sender) + 1)
        require(
            {
                "lottery: no draw": has_draw,
                "lottery: commit window closed": self.common.now <= draw.commit_deadline,
                "lottery: not drawn": self.is_drawn(claim_id, sender, 0),
                "lottery: already committed": (claim_id, sender) not in self.audits,
                "lottery: all audits taken": draw.commitments < 2 * self.limits.audits,
                "lottery: stake below penalty": self.stakes[sender] >= needed,
                "lottery: not an auditor": self.registry.is_auditor(sender),
                "lottery: another claim": claim is None or claim_root == claim.root,
                "lottery: worker cannot audit itself": claim is None or sender != claim.worker,
                **self._is_pending(claim_id),
            }
        )
        segment = self.stretch_of(claim_id, sender)[1]
        self.audits[claim_id, sender] = Audit(AuditStatus.COMMITTED, segment, commitment)
        draw.commitments += 1
        self.common.note(
            "lottery",
            "AuditCommitted",
            claim_id=claim_id,
            auditor=sender,
            segment=segment,
            commitment=commitment,
        )

    def _is_committed(self, claim_id: int, segment: int) -> bool:
        """Whether somebody's audit is about this leaf."""
        return any(
            key == claim_id and audit.segment == segment for (key, _), audit in self.audits.items()
        )

    def open_leaf(
        self,
        sender: str,
        claim_id: int,
        segment: int,
        state_root: bytes,
        path: tuple[bytes, ...],
    ) -> None:
        draw = self.draw_of(claim_id)
        is_proved = False
        if claim_id in self.escrow.claims:
            claim = self.escrow.claims[claim_id]
            segments = self.escrow.terms[claim.task_id].segments
            is_proved = is_leaf(claim.root, segments, segment, state_root, path)
        require(
            {
                "lottery: no draw": claim_id in self.draws,
                "lottery: commit window open": self.common.now > draw.commit_deadline,
                "lottery: open window closed": self.common.now <= draw.open_deadline,
                "lottery: nothing committed": self._is_committed(claim_id, segment),
                "lottery: already open": (claim_id, segment) not in self.leaves,
                "lottery: leaf not in claim": is_proved,
            }
        )
        self.leaves[claim_id, segment] = state_root
        self.common.note(
            "lottery", "LeafOpened", claim_id=claim_id, segment=segment, state_root=state_root
        )

    def reveal(self, sender: str, claim_id: int, state_root: bytes, salt: bytes) -> None:
        audit, draw = self.audit_of(claim_id, sender), self.draw_of(claim_id)
        digest = sha256(state_root + bytes.fromhex(sender[2:]) + salt).digest()
        leaf = self.leaf_of(claim_id, audit.segment)
        require(
            {
                "lottery: not committed": audit.status == AuditStatus.COMMITTED,
                "lottery: leaf not open": leaf != ZERO_VALUE,
                "lottery: reveal window closed": self.common.now <= draw.reveal_deadline,
                "lottery: not the commitment": digest == audit.commitment,
            }
        )
        matches = leaf == state_root
        self.common.note(
            "lottery",
            "AuditRevealed",
            claim_id=claim_id,
            auditor=sender,
            state_root=state_root,
            matches=matches,
        )
        if matches:
            self._pay(claim_id, sender)
        else:
            audit.status = AuditStatus.MISMATCHED

    def declare_default(self, sender: str, claim_id: int, segment: int) -> None:
        draw = self.draw_of(claim_id)
        require(
            {
                "lottery: no draw": claim_id in self.draws,
                "lottery: open window open": self.common.now > draw.open_deadline,
                "lottery: nothing committed": self._is_committed(claim_id, segment),
                "lottery: already open": (claim_id, segment) not in self.leaves,
                **self._is_pending(claim_id),
            }
        )
        self.defaults.add(claim_id)
        self.escrow.process_audit_default(self.address, claim_id)
        self.common.note("lottery", "WorkerDefaulted", claim_id=claim_id, segment=segment)

    def settle(self, sender: str, claim_id: int, auditor: str) -> None:
        audit = self.audit_of(claim_id, auditor)
        require({"lottery: nothing to settle": audit.status in UNSETTLED and bool(audit.status)})
        claim, draw = self.escrow.claims[claim_id], self.draws[claim_id]
        end = self._get_end(claim, draw, audit, claim_id)
        require({"lottery: too early to settle": end is not None})
        if end == AuditStatus.PAID:
            self._pay(claim_id, auditor)
        elif end == AuditStatus.PUNISHED:
            self._punish(claim_id, auditor)
        else:
            self._end(claim_id, auditor, AuditStatus.RELEASED, 0)

    def _get_end(self, claim: Claim, draw: Draw, audit: Audit, claim_id: int) -> AuditStatus | None:
        """How the audit ends, or nothing where that is open."""
        is_slashed = claim.status == ClaimStatus.SLASHED
        if audit.status == AuditStatus.MISMATCHED:
            if is_slashed:
                return AuditStatus.PAID
            if claim.status == ClaimStatus.FINALISED:
                return AuditStatus.PUNISHED
            return None if claim.status == ClaimStatus.PENDING else AuditStatus.RELEASED
        if self.leaf_of(claim_id, audit.segment) == ZERO_VALUE:
            if claim_id in self.defaults:
                return AuditStatus.PAID
            return None if claim.status == ClaimStatus.PENDING else AuditStatus.RELEASED
        if self.common.now <= draw.reveal_deadline:
            return None
        return AuditStatus.RELEASED if is_slashed else AuditStatus.PUNISHED

    def _pay(self, claim_id: int, auditor: str) -> None:
        fee = self.draws[claim_id].fee
        paid = self.escrow.pay_audit(self.address, claim_id, auditor, fee)
        self._end(claim_id, auditor, AuditStatus.PAID, paid)

    def _punish(self, claim_id: int, auditor: str) -> None:
        taken = min(self.limits.penalty, self.stakes[auditor])
        self.vault.slash(self.address, int(auditor, 16), taken, BURN_ADDRESS)
        self.stakes[auditor] -= taken
        self._end(claim_id, auditor, AuditStatus.PUNISHED, taken)

    def _end(self, claim_id: int, auditor: str, status: AuditStatus, amount: int) -> None:
        self.audits[claim_id, auditor].status = status
        self.common.note(
            "lottery",
            "AuditSettled",
            claim_id=claim_id,
            auditor=auditor,
            status=status,
            amount=amount,
        )
