"""The escrow: the life of tasks and claims, and the home of their rewards."""

from dataclasses import astuple, dataclass, field
from enum import IntFlag
from hashlib import sha256
from typing import TYPE_CHECKING

from eth_abi import encode
from eth_utils import keccak

from tests.property.economy.ghost.base import (
    AMOUNT_LIMIT,
    YEAR,
    ZERO_ADDRESS,
    ZERO_VALUE,
    Common,
    divide_up,
    require,
)
from tests.property.economy.ghost.ledger import Registry, Shares, Splitter, Vault

if TYPE_CHECKING:
    from tests.property.economy.ghost.audits import Availability, Lottery
    from tests.property.economy.ghost.games import Games

TERMS_TYPE = "(bytes32,bytes32,bytes32,bytes32,uint64,uint64,uint64,uint64,uint64)"
OFFER_TYPE = "(" + ",".join(["uint256"] * 10) + ")"
GIGA = 10**9


class TaskStatus(IntFlag):
    POSTED = 1
    ASSIGNED = 2
    CLAIMED = 4
    FINALISED = 8
    EXPIRED = 16
    CANCELLED = 32


class ClaimStatus(IntFlag):
    PENDING = 1
    FINALISED = 2
    SLASHED = 4
    VOID = 8


LIVE = TaskStatus.POSTED | TaskStatus.ASSIGNED | TaskStatus.CLAIMED


@dataclass(frozen=True)
class Terms:
    program_root: bytes
    genesis_root: bytes
    dataset_root: bytes
    seed: bytes
    records: int
    segments: int
    segment_length: int
    reexecution_seconds: int
    step_operations: int


@dataclass(frozen=True)
class Offer:
    min_reward: int
    max_reward: int
    auction_seconds: int
    audit_budget: int
    attestations: int
    stake: int
    bond: int
    lease_seconds: int
    heartbeat_seconds: int
    expiry: int


@dataclass
class Task:
    submitter: str
    status: TaskStatus
    digest: bytes
    posted_at: int
    audit_budget: int
    worker: str = ZERO_ADDRESS
    reward: int = 0
    lease_end: int = 0
    heartbeat_end: int = 0
    progress: int = 0
    claim_id: int = 0


@dataclass
class Claim:
    task_id: int
    worker: str
    root: bytes
    final_state_root: bytes
    claimed_at: int
    challenge_deadline: int
    open_games: int = 0
    status: ClaimStatus = ClaimStatus.PENDING


@dataclass(frozen=True)
class Limits:
    """Parameters of the escrow's constructor."""

    min_stake: int
    stake_rate: int
    min_bond: int
    bond_rate: int
    operations_per_second: int
    challenge_seconds: int
    max_lease_seconds: int
    max_reexecution_seconds: int


def compute_digest(submitter: str, terms: Terms, offer: Offer, shares: Shares) -> bytes:
    types = ["address", TERMS_TYPE, OFFER_TYPE, "(address,uint256)[]"]
    return bytes(keccak(encode(types, [submitter, astuple(terms), astuple(offer), list(shares)])))


def fold_path(leaf: bytes, index: int, path: tuple[bytes, ...]) -> bytes:
    """The root above a leaf of a vector, from its siblings."""
    node = leaf
    for sibling in path:
        pair = sibling + node if index & 1 else node + sibling
        node, index = sha256(b"\x01" + pair).digest(), index >> 1
    return node


def is_leaf(root: bytes, count: int, index: int, leaf: bytes, path: tuple[bytes, ...]) -> bool:
    """Whether it is leaf `index` of the vector of `count` leaves."""
    return len(path) == (count - 1).bit_length() and fold_path(leaf, index, path) == root


@dataclass
class Escrow:
    common: Common
    registry: Registry
    vault: Vault
    splitter: Splitter
    limits: Limits
    tasks: dict[int, Task] = field(default_factory=dict)
    terms: dict[int, Terms] = field(default_factory=dict)
    offers: dict[int, Offer] = field(default_factory=dict)
    claims: dict[int, Claim] = field(default_factory=dict)
    lost_leases: set[tuple[int, str]] = field(default_factory=set)
    lottery: "Lottery" = field(init=False, repr=False)
    availability: "Availability" = field(init=False, repr=False)
    game: "Games" = field(init=False, repr=False)

    @property
    def address(self) -> str:
        return self.common.addresses["escrow"]

    # What is told.

    def task_count(self) -> int:
        return len(self.tasks)

    def claim_count(self) -> int:
        return len(self.claims)

    def total_escrowed(self) -> int:
        live = [key for key, task in self.tasks.items() if task.status in LIVE]
        return sum(self.offers[key].max_reward + self.tasks[key].audit_budget for key in live)

    def _knows_task(self, task_id: int) -> None:
        require({"escrow: unknown task": task_id in self.tasks})

    def _knows_claim(self, claim_id: int) -> None:
        require({"escrow: unknown claim": claim_id in self.claims})

    def terms_of(self, task_id: int) -> Terms:
        self._knows_task(task_id)
        return self.terms[task_id]

    def offer_of(self, task_id: int) -> Offer:
        self._knows_task(task_id)
        return self.offers[task_id]

    def task_of(self, task_id: int) -> Task:
        self._knows_task(task_id)
        return self.tasks[task_id]

    def claim_of(self, claim_id: int) -> Claim:
        self._knows_claim(claim_id)
        return self.claims[claim_id]

    def subject_of(self, claim_id: int) -> tuple[str | bytes | int, ...]:
        claim = self.claim_of(claim_id)
        terms = self.terms[claim.task_id]
        bond = self.offers[claim.task_id].bond
        return (claim.worker, claim.root, *astuple(terms)[:-1], bond)

    def price_of(self, task_id: int) -> int:
        require({"escrow: not posted": self._is(task_id, TaskStatus.POSTED)})
        offer, task = self.offers[task_id], self.tasks[task_id]
        if offer.auction_seconds == 0:
            return offer.max_reward
        elapsed = min(self.common.now - task.posted_at, offer.auction_seconds)
        rise = (offer.max_reward - offer.min_reward) * elapsed
        return offer.min_reward + rise // offer.auction_seconds

    def minimums_of(self, terms: Terms) -> tuple[int, int, int]:
        limits, segment = self.limits, terms.segment_length * terms.step_operations
        return (
            max(limits.min_stake, divide_up(limits.stake_rate * segment * terms.segments, GIGA)),
            max(limits.min_bond, divide_up(limits.bond_rate * segment, GIGA)),
            divide_up(segment, limits.operations_per_second),
        )

    def had_lease(self, task_id: int, worker: str) -> bool:
        return (task_id, worker) in self.lost_leases

    def _is(self, task_id: int, status: TaskStatus) -> bool:
        return task_id in self.tasks and self.tasks[task_id].status == status

    # The submitter.

    def post(self, sender: str, terms: Terms, offer: Offer, shares: Shares) -> int:
        stake, bond, reexecution = self.minimums_of(terms)
        roots = terms.program_root, terms.genesis_root
        longest = self.limits.max_reexecution_seconds
        lease = offer.lease_seconds
        escrowed = offer.max_reward + offer.audit_budget
        require(
            {
                "escrow: records out of range": 1 <= terms.records <= 2**40,
                "escrow: segments out of range": 1 <= terms.segments <= 2**20,
                "escrow: segment length out of range": 1 <= terms.segment_length <= 2**20,
                "escrow: empty root": ZERO_VALUE not in roots,
                "escrow: step operations out of range": terms.step_operations >= 1,
                "escrow: re-execution time out of range": (
                    reexecution <= terms.reexecution_seconds <= longest
                ),
                "escrow: reward out of range": (
                    1 <= offer.min_reward <= offer.max_reward < AMOUNT_LIMIT
                ),
                "escrow: auction out of range": offer.auction_seconds <= YEAR,
                "escrow: audit budget out of range": offer.audit_budget < AMOUNT_LIMIT,
                "escrow: attestations out of range": offer.attestations <= 16,
                "escrow: stake out of range": stake <= offer.stake < AMOUNT_LIMIT,
                "escrow: bond out of range": bond <= offer.bond < 2**96,
                "escrow: lease out of range": 1 <= lease <= self.limits.max_lease_seconds,
                "escrow: heartbeat out of range": 1 <= offer.heartbeat_seconds <= lease,
                "escrow: expiry in the past": offer.expiry > self.common.now,
                **self.common.can_pull(sender, escrowed),
                **Splitter.is_well_formed(shares),
            }
        )
        task_id = len(self.tasks) + 1
        digest = compute_digest(sender, terms, offer, shares)
        self.terms[task_id], self.offers[task_id] = terms, offer
        self.tasks[task_id] = Task(
            sender, TaskStatus.POSTED, digest, self.common.now, offer.audit_budget
        )
        self.common.pay(sender, self.address, escrowed)
        self.splitter.set_split(self.address, task_id, shares)
        self.common.note(
            "escrow",
            "TaskPosted",
            task_id=task_id,
            submitter=sender,
            terms=astuple(terms),
            offer=astuple(offer),
            digest=digest,
        )
        return task_id

    def cancel(self, sender: str, task_id: int) -> None:
        is_posted = self._is(task_id, TaskStatus.POSTED)
        submitter = self.tasks[task_id].submitter if task_id in self.tasks else ZERO_ADDRESS
        require(
            {
                "escrow: not posted": is_posted,
                "escrow: not the submitter": sender == submitter,
                "escrow: audits open": self.lottery.reserved_of(task_id) == 0,
            }
        )
        self._refund(task_id, TaskStatus.CANCELLED, "TaskCancelled")

    def expire(self, sender: str, task_id: int) -> None:
        require({"escrow: not posted": self._is(task_id, TaskStatus.POSTED)})
        require(
            {
                "escrow: not expired": self.common.now > self.offers[task_id].expiry,
                "escrow: audits open": self.lottery.reserved_of(task_id) == 0,
            }
        )
        self._refund(task_id, TaskStatus.EXPIRED, "TaskExpired")

    def _refund(self, task_id: int, status: TaskStatus, event: str) -> None:
        task = self.tasks[task_id]
        refund = self.offers[task_id].max_reward + task.audit_budget
        task.status, task.audit_budget = status, 0
        self.common.pay(self.address, task.submitter, refund)
        self.common.note("escrow", event, task_id=task_id, refund=refund)

    # The worker.

    def assign(self, sender: str, task_id: int, digest: bytes, reward: int) -> None:
        require({"escrow: not posted": self._is(task_id, TaskStatus.POSTED)})
        task, offer, now = self.tasks[task_id], self.offers[task_id], self.common.now
        price = self.price_of(task_id)
        require(
            {
                "escrow: expired": now <= offer.expiry,
                "escrow: another task": digest == task.digest,
                "escrow: reward too low": price >= reward,
                "escrow: not a worker": self.registry.is_worker(sender),
                "escrow: had a lease": not self.had_lease(task_id, sender),
                **self.vault.can_lock(self.address, task_id, sender, offer.stake),
            }
        )
        task.status, task.worker, task.reward = TaskStatus.ASSIGNED, sender, price
        task.lease_end = now + offer.lease_seconds
        task.heartbeat_end = now + offer.heartbeat_seconds
        self.vault.lock(self.address, task_id, sender, offer.stake)
        self.common.note(
            "escrow",
            "TaskAssigned",
            task_id=task_id,
            worker=sender,
            reward=price,
            lease_end=task.lease_end,
        )

    def _holds_lease(self, sender: str, task_id: int) -> dict[str, bool]:
        worker = self.tasks[task_id].worker if task_id in self.tasks else ZERO_ADDRESS
        return {
            "escrow: not assigned": self._is(task_id, TaskStatus.ASSIGNED),
            "escrow: not the worker": sender == worker,
        }

    def report_progress(self, sender: str, task_id: int, segments: int, root: bytes) -> None:
        lease = self._holds_lease(sender, task_id)
        if task_id not in self.tasks:
            require(lease)
        task, offer, now = self.tasks[task_id], self.offers[task_id], self.common.now
        require(
            {
                **lease,
                "escrow: lease over": now <= task.heartbeat_end,
                "escrow: no progress": segments > task.progress,
                "escrow: segments out of range": segments <= self.terms[task_id].segments,
            }
        )
        task.progress = segments
        task.heartbeat_end = min(now + offer.heartbeat_seconds, task.lease_end)
        self.common.note(
            "escrow",
            "ProgressReported",
            task_id=task_id,
            worker=sender,
            segments=segments,
            progress_root=root,
            heartbeat_end=task.heartbeat_end,
        )

    def abandon(self, sender: str, task_id: int) -> None:
        require(self._holds_lease(sender, task_id))
        self._end_lease(task_id)

    def expire_lease(self, sender: str, task_id: int) -> None:
        require({"escrow: not assigned": self._is(task_id, TaskStatus.ASSIGNED)})
        is_over = self.common.now > self.tasks[task_id].heartbeat_end
        require({"escrow: lease not over": is_over})
        self._end_lease(task_id)

    def _end_lease(self, task_id: int) -> None:
        worker = self.tasks[task_id].worker
        self._give_up(task_id, worker)
        self.common.note("escrow", "LeaseEnded", task_id=task_id, worker=worker)

    def _give_up(self, task_id: int, worker: str) -> None:
        self.lost_leases.add((task_id, worker))
        self.vault.release(self.address, task_id)
        self.registry.record_abandoned(self.address, worker)
        self._repost(task_id)

    def _repost(self, task_id: int) -> None:
        task = self.tasks[task_id]
        self.tasks[task_id] = Task(
            task.submitter, TaskStatus.POSTED, task.digest, self.common.now, task.audit_budget
        )

    def claim(
        self,
        sender: str,
        task_id: int,
        digest: bytes,
        root: bytes,
        final_state_root: bytes,
        path: tuple[bytes, ...],
    ) -> int:
        lease = self._holds_lease(sender, task_id)
        if task_id not in self.tasks:
            require(lease)
        task, terms, now = self.tasks[task_id], self.terms[task_id], self.common.now
        count = terms.segments
        is_last = is_leaf(root, count, count - 1, final_state_root, path)
        require(
            {
                **lease,
                "escrow: another task": digest == task.digest,
                "escrow: lease over": now <= task.heartbeat_end,
                "escrow: final state not in claim": is_last,
            }
        )
        claim_id = len(self.claims) + 1
        longest = self.lottery.max_duration(terms.reexecution_seconds)
        deadline = now + longest + self.limits.challenge_seconds
        self.claims[claim_id] = Claim(task_id, sender, root, final_state_root, now, deadline)
        task.status, task.claim_id = TaskStatus.CLAIMED, claim_id
        if task.audit_budget or self.offers[task_id].attestations:
            self.lottery.process_claimed(self.address, claim_id)
        self.common.note(
            "escrow",
            "TaskClaimed",
            task_id=task_id,
            claim_id=claim_id,
            worker=sender,
            root=root,
            final_state_root=final_state_root,
            challenge_deadline=deadline,
        )
        return claim_id

    # The end of a claim.

    def _is_pending(self, claim_id: int) -> dict[str, bool]:
        status = self.claims[claim_id].status
        return {"escrow: claim not pending": status == ClaimStatus.PENDING}

    def finalise(self, sender: str, claim_id: int) -> None:
        self._knows_claim(claim_id)
        claim = self.claims[claim_id]
        asked = self.offers[claim.task_id].attestations != 0
        require(
            {
                **self._is_pending(claim_id),
                "escrow: window open": self.common.now > claim.challenge_deadline,
                "escrow: games open": claim.open_games == 0,
                "escrow: result not available": (
                    not asked or self.availability.is_settled(claim_id)
                ),
            }
        )
        task, offer = self.tasks[claim.task_id], self.offers[claim.task_id]
        rest = offer.max_reward - task.reward + task.audit_budget
        self.common.pay(self.address, self.splitter.address, task.reward + rest)
        payout = self.registry.payout_of(claim.worker)
        self.splitter.credit(self.address, claim.task_id, payout, task.reward)
        if rest:
            self.splitter.credit_account(self.address, claim.task_id, task.submitter, rest)
        self.vault.release(self.address, claim.task_id)
        self.registry.record_finalised(self.address, claim.worker)
        claim.status, task.status = ClaimStatus.FINALISED, TaskStatus.FINALISED
        task.audit_budget = 0
        self.common.note(
            "escrow",
            "TaskFinalised",
            task_id=claim.task_id,
            claim_id=claim_id,
            worker=claim.worker,
            reward=task.reward,
        )

    def _slash(self, claim_id: int, challenger: str) -> None:
        """The award goes to the challenger, or without one to the audit budget."""
        claim = self.claims[claim_id]
        task, stake = self.tasks[claim.task_id], self.offers[claim.task_id].stake
        recipient = self.splitter.address if challenger != ZERO_ADDRESS else self.address
        awarded = self.vault.slash(self.address, claim.task_id, stake, recipient)
        if challenger != ZERO_ADDRESS:
            payout = self.registry.payout_of(challenger)
            self.splitter.credit_account(self.address, claim.task_id, payout, awarded)
        else:
            task.audit_budget += awarded
        claim.status = ClaimStatus.SLASHED
        self.registry.record_lost(self.address, claim.worker)
        self._repost(claim.task_id)
        self.common.note(
            "escrow",
            "ClaimSlashed",
            task_id=claim.task_id,
            claim_id=claim_id,
            worker=claim.worker,
            challenger=challenger,
            awarded=awarded,
        )

    # Hooks.

    def _is_sender(self, sender: str, name: str) -> dict[str, bool]:
        return {f"escrow: not {name}": sender == self.common.addresses[name]}

    def _begin_hook(self, sender: str, name: str, claim_id: int) -> dict[str, bool]:
        """Who calls; the claim must be known to ask for more."""
        is_sender = self._is_sender(sender, name)
        if claim_id not in self.claims:
            require({**is_sender, "escrow: unknown claim": False})
        return is_sender

    def can_open(self, claim_id: int) -> dict[str, bool]:
        claim = self.claims.get(claim_id)
        if claim is None:
            return {"escrow: unknown claim": False}
        is_open = self.common.now <= claim.challenge_deadline
        return {**self._is_pending(claim_id), "escrow: window closed": is_open}

    def can_close(self, claim_id: int, is_slashed: bool) -> dict[str, bool]:
        claim = self.claims[claim_id]
        has_games = {"escrow: no open game": claim.open_games != 0}
        if is_slashed:
            return {"escrow: claim not slashed": claim.status == ClaimStatus.SLASHED, **has_games}
        return {**self._is_pending(claim_id), **has_games}

    def process_game_opened(self, sender: str, claim_id: int) -> None:
        require({**self._begin_hook(sender, "game", claim_id), **self.can_open(claim_id)})
        self.claims[claim_id].open_games += 1

    def process_game_lost(self, sender: str, claim_id: int) -> None:
        is_game = self._begin_hook(sender, "game", claim_id)
        require({**is_game, **self.can_close(claim_id, is_slashed=False)})
        self.claims[claim_id].open_games -= 1

    def process_worker_lost(self, sender: str, claim_id: int, challenger: str) -> None:
        self.process_game_lost(sender, claim_id)
        self._slash(claim_id, challenger)

    def process_game_dropped(self, sender: str, claim_id: int) -> None:
        is_game = self._begin_hook(sender, "game", claim_id)
        require({**is_game, **self.can_close(claim_id, is_slashed=True)})
        self.claims[claim_id].open_games -= 1

    def process_audit_default(self, sender: str, claim_id: int) -> None:
        is_lottery = self._begin_hook(sender, "lottery", claim_id)
        require({**is_lottery, **self._is_pending(claim_id)})
        self._slash(claim_id, ZERO_ADDRESS)
        self.game.process_claim_slashed(self.address, claim_id)

    def process_unavailable(self, sender: str, claim_id: int) -> None:
        is_availability = self._begin_hook(sender, "availability", claim_id)
        claim = self.claims[claim_id]
        no_games = {"escrow: games open": claim.open_games == 0}
        require({**is_availability, **self._is_pending(claim_id), **no_games})
        claim.status = ClaimStatus.VOID
        self._give_up(claim.task_id, claim.worker)
        self.common.note(
            "escrow",
            "ClaimVoided",
            task_id=claim.task_id,
            claim_id=claim_id,
            worker=claim.worker,
        )

    def pay_audit(self, sender: str, claim_id: int, auditor: str, amount: int) -> int:
        payers = self.common.addresses["lottery"], self.common.addresses["availability"]
        is_known = claim_id in self.claims
        require({"escrow: not lottery": sender in payers, "escrow: unknown claim": is_known})
        task_id = self.claims[claim_id].task_id
        task = self.tasks[task_id]
        credited = min(amount, task.audit_budget)
        if credited == 0:
            return 0
        task.audit_budget -= credited
        self.common.pay(self.address, self.splitter.address, credited)
        payout = self.registry.payout_of(auditor)
        self.splitter.credit_account(self.address, task_id, payout, credited)
        self.common.note(
            "escrow",
            "AuditPaid",
            task_id=task_id,
            claim_id=claim_id,
            auditor=auditor,
            amount=credited,
        )
        return credited
