"""The audit lottery as a pure state machine; `contracts/AuditLottery.vy` is the same machine.

What it is for, its phases and its money are described at the head of
`contracts/interfaces/IAuditLottery.vyi`; who is drawn, and for which part, in
`protocol.sortition`. Every `process_` function gives the lottery after the call, or raises an
`AuditError`, and then nothing has changed. What the escrow and the registry say comes as arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from protocol import audit_refusals as refusals
from protocol import sortition
from protocol.merkle import ZERO_VALUE, compute_root_from_path
from protocol.types import Root, Seconds, SegmentIndex, Wei, compute_ceil_log2

STAKE_MAX = 2**128 - 1  # of the total; see `sortition.TICKET_BITS`


class ClaimStatus(IntEnum):
    """What has become of a claim; the numbers are those of the escrow."""

    PENDING = 1
    FINALISED = 2
    SLASHED = 4
    VOID = 8


class AuditStatus(IntEnum):
    """Where an audit stands; all but the first three are final."""

    NONE = 0
    COMMITTED = 1
    MISMATCHED = 2
    PAID = 4
    RELEASED = 8
    PUNISHED = 16


@dataclass(frozen=True)
class Preset:
    """What a deployment chooses."""

    audits: int  # on average, of a claim
    penalty: Wei
    warmup_seconds: Seconds
    draw_seconds: Seconds
    commit_seconds: Seconds
    open_seconds: Seconds
    reveal_seconds: Seconds


@dataclass(frozen=True)
class Claim:
    """What the escrow says, at the time of a call, of a claim and its task."""

    claim_id: int
    task_id: int
    worker: str
    root: Root
    status: ClaimStatus
    segments: int
    reexecution_seconds: Seconds
    attestations: int
    audit_budget: Wei  # what is left of it


@dataclass(frozen=True)
class Auditor:
    """Stake for audits, from when on it counts, and how many audits are not settled."""

    stake: Wei = Wei(0)
    active_from: Seconds = Seconds(0)
    unsettled: int = 0


@dataclass(frozen=True)
class Draw:
    """What a claim fixed, and since the draw (seed not zero) the rest."""

    claimed_at: Seconds = Seconds(0)
    total_stake: Wei = Wei(0)
    seed: bytes = ZERO_VALUE
    segments: int = 0
    fee: Wei = Wei(0)
    commit_deadline: Seconds = Seconds(0)
    open_deadline: Seconds = Seconds(0)
    reveal_deadline: Seconds = Seconds(0)
    commitments: int = 0


@dataclass(frozen=True)
class Audit:
    """One auditor's audit of one claim."""

    status: AuditStatus = AuditStatus.NONE
    segment: SegmentIndex = SegmentIndex(0)
    commitment: bytes = ZERO_VALUE


@dataclass(frozen=True)
class Lottery:
    """All that the contract remembers."""

    preset: Preset
    total_stake: Wei = Wei(0)
    auditors: Mapping[str, Auditor] = field(default_factory=dict)
    reserved: Mapping[int, Wei] = field(default_factory=dict)  # by task
    draws: Mapping[int, Draw] = field(default_factory=dict)
    audits: Mapping[tuple[int, str], Audit] = field(default_factory=dict)
    committed: frozenset[tuple[int, int]] = frozenset()  # (claim, segment)
    leaves: Mapping[tuple[int, int], Root] = field(default_factory=dict)
    defaulted: frozenset[int] = frozenset()

    def get_auditor(self, auditor: str) -> Auditor:
        """Empty for strangers."""
        return self.auditors.get(auditor, Auditor())

    def get_draw(self, claim_id: int) -> Draw:
        """Empty where there was no claim."""
        return self.draws.get(claim_id, Draw())

    def get_audit(self, claim_id: int, auditor: str) -> Audit:
        """Empty where there is none."""
        return self.audits.get((claim_id, auditor), Audit())

    def get_leaf(self, claim_id: int, segment: int) -> Root:
        """Zero where the worker has not opened it."""
        return self.leaves.get((claim_id, segment), ZERO_VALUE)

    def get_reserved(self, task_id: int) -> Wei:
        """Fees of the task's audits that are not settled."""
        return self.reserved.get(task_id, Wei(0))


def _require(condition: bool, error: type[refusals.AuditError]) -> None:
    if not condition:
        raise error


def compute_max_duration(preset: Preset, reexecution_seconds: Seconds) -> Seconds:
    """Longest time from a claim to its reveal deadline."""
    execution = preset.commit_seconds + 2 * reexecution_seconds
    return Seconds(preset.draw_seconds + execution + preset.open_seconds + preset.reveal_seconds)


def is_drawn(lottery: Lottery, claim_id: int, auditor: str, widening: int) -> bool:
    """Whether the auditor's ticket wins, with `audits` times 2**widening; False without a draw."""
    draw, account = lottery.get_draw(claim_id), lottery.get_auditor(auditor)
    if draw.seed == ZERO_VALUE or account.active_from > draw.claimed_at:
        return False
    ticket = sortition.compute_ticket(draw.seed, claim_id, auditor)
    audits = lottery.preset.audits
    return sortition.is_drawn(ticket, account.stake, draw.total_stake, audits, widening)


def compute_stretch(lottery: Lottery, claim_id: int, auditor: str) -> int:
    """The stretch that the draw gives to the auditor, drawn or not."""
    draw = _get_drawn(lottery, claim_id)
    ticket = sortition.compute_ticket(draw.seed, claim_id, auditor)
    return sortition.compute_stretch(draw.seed, ticket, draw.segments)


def process_join(
    lottery: Lottery, caller: str, amount: Wei, is_auditor: bool, free: Wei, now: Seconds
) -> Lottery:
    """Stake `amount` more of the `free` stake; the whole counts after the warm-up."""
    preset, account = lottery.preset, lottery.get_auditor(caller)
    _require(is_auditor, refusals.NotAnAuditor)
    _require(lottery.total_stake + amount <= STAKE_MAX, refusals.StakeOutOfRange)
    stake = Wei(account.stake + amount)
    _require(stake >= preset.penalty, refusals.StakeBelowPenalty)
    _require(amount != 0, refusals.ZeroAmount)
    _require(free >= amount, refusals.InsufficientStake)
    active_from = Seconds(now + preset.warmup_seconds)
    lottery = _set_auditor(lottery, caller, replace(account, stake=stake, active_from=active_from))
    return replace(lottery, total_stake=Wei(lottery.total_stake + amount))


def process_leave(
    lottery: Lottery, caller: str, auditor: str, payout: str, now: Seconds
) -> Lottery:
    """Take the auditor's whole audit stake back; for it and its payout."""
    _require(caller in (auditor, payout), refusals.NotYours)
    account = lottery.get_auditor(auditor)
    _require(account.stake != 0, refusals.NothingStaked)
    _require(account.unsettled == 0, refusals.AuditsOpen)
    _require(now >= account.active_from, refusals.TooEarlyToLeave)
    lottery = _set_auditor(lottery, auditor, Auditor())
    return replace(lottery, total_stake=Wei(lottery.total_stake - account.stake))


def process_claimed(lottery: Lottery, claim_id: int, now: Seconds) -> Lottery:
    """A claim of a task with a budget or attestations was made: its total stake is fixed."""
    return _set_draw(lottery, claim_id, Draw(now, lottery.total_stake))


def process_draw(lottery: Lottery, claim: Claim, seed: bytes, now: Seconds) -> Lottery:
    """The beacon's seed for the claim; zero where it is not known."""
    preset, draw = lottery.preset, lottery.get_draw(claim.claim_id)
    _require(claim.status is ClaimStatus.PENDING, refusals.ClaimNotPending)
    reserved = lottery.get_reserved(claim.task_id)
    fee = sortition.compute_fee(claim.audit_budget, reserved, preset.audits, claim.attestations)
    _require(fee != 0, refusals.NoAuditBudget)
    _require(draw.seed == ZERO_VALUE, refusals.AlreadyDrawn)
    _require(seed != ZERO_VALUE, refusals.SeedNotKnown)
    _require(now <= draw.claimed_at + preset.draw_seconds, refusals.TooLateToDraw)
    _require(draw.total_stake != 0, refusals.NoAuditors)
    _require(sortition.count_stretches(claim.segments) != 0, refusals.NothingToAudit)
    commit_deadline = now + preset.commit_seconds + 2 * claim.reexecution_seconds
    open_deadline = commit_deadline + preset.open_seconds
    draw = replace(
        draw,
        seed=seed,
        segments=claim.segments,
        fee=fee,
        commit_deadline=Seconds(commit_deadline),
        open_deadline=Seconds(open_deadline),
        reveal_deadline=Seconds(open_deadline + preset.reveal_seconds),
    )
    return _set_draw(lottery, claim.claim_id, draw)


def process_commit(
    lottery: Lottery,
    claim: Claim,
    caller: str,
    claim_root: Root,
    commitment: bytes,
    is_auditor: bool,
    now: Seconds,
) -> Lottery:
    """The caller has executed its stretch of the claim of that root; the fee is set aside."""
    preset, claim_id = lottery.preset, claim.claim_id
    draw, account = _get_drawn(lottery, claim_id), lottery.get_auditor(caller)
    _require(now <= draw.commit_deadline, refusals.CommitWindowClosed)
    _require(is_drawn(lottery, claim_id, caller, 0), refusals.NotDrawn)
    status = lottery.get_audit(claim_id, caller).status
    _require(status is AuditStatus.NONE, refusals.AlreadyCommitted)
    _require(draw.commitments < 2 * preset.audits, refusals.AllAuditsTaken)
    unsettled = account.unsettled + 1
    _require(account.stake >= unsettled * preset.penalty, refusals.StakeBelowPenalty)
    _require(is_auditor, refusals.NotAnAuditor)
    _require(claim_root == claim.root, refusals.AnotherClaim)
    _require(caller != claim.worker, refusals.WorkerAuditsItself)
    _require(claim.status is ClaimStatus.PENDING, refusals.ClaimNotPending)
    segment = sortition.compute_last(compute_stretch(lottery, claim_id, caller))
    audit = Audit(AuditStatus.COMMITTED, segment, commitment)
    lottery = _set_draw(lottery, claim_id, replace(draw, commitments=draw.commitments + 1))
    lottery = _set_auditor(lottery, caller, replace(account, unsettled=unsettled))
    lottery = _set_audit(lottery, claim_id, caller, audit)
    return replace(
        _add_reserved(lottery, claim.task_id, draw.fee),
        committed=lottery.committed | {(claim_id, segment)},
    )


def process_open_leaf(
    lottery: Lottery,
    claim: Claim,
    segment: int,
    state_root: Root,
    path: Sequence[bytes],
    now: Seconds,
) -> Lottery:
    """The worker, or anybody with the proof, shows a leaf that auditors committed to."""
    draw = _get_drawn(lottery, claim.claim_id)
    _require(now > draw.commit_deadline, refusals.CommitWindowOpen)
    _require(now <= draw.open_deadline, refusals.OpenWindowClosed)
    _check_owed(lottery, claim.claim_id, segment)
    is_leaf = (
        state_root != ZERO_VALUE
        and len(path) == compute_ceil_log2(draw.segments)
        and compute_root_from_path(state_root, segment, path) == claim.root
    )
    _require(is_leaf, refusals.LeafNotInClaim)
    return replace(lottery, leaves={**lottery.leaves, (claim.claim_id, segment): state_root})


def process_reveal(
    lottery: Lottery, claim: Claim, caller: str, state_root: Root, salt: bytes, now: Seconds
) -> Lottery:
    """The auditor shows what it committed to: paid, or a mismatch."""
    claim_id = claim.claim_id
    audit, draw = lottery.get_audit(claim_id, caller), lottery.get_draw(claim_id)
    _require(audit.status is AuditStatus.COMMITTED, refusals.NotCommitted)
    leaf = lottery.get_leaf(claim_id, audit.segment)
    _require(leaf != ZERO_VALUE, refusals.LeafNotOpen)
    _require(now <= draw.reveal_deadline, refusals.RevealWindowClosed)
    commitment = sortition.compute_commitment(state_root, caller, salt)
    _require(commitment == audit.commitment, refusals.NotTheCommitment)
    if state_root == leaf:
        return _end(lottery, claim, caller, AuditStatus.PAID)
    return _set_audit(lottery, claim_id, caller, replace(audit, status=AuditStatus.MISMATCHED))


def process_declare_default(lottery: Lottery, claim: Claim, segment: int, now: Seconds) -> Lottery:
    """The worker has not opened a committed leaf: the escrow slashes the claim."""
    draw = _get_drawn(lottery, claim.claim_id)
    _require(now > draw.open_deadline, refusals.OpenWindowOpen)
    _check_owed(lottery, claim.claim_id, segment)
    _require(claim.status is ClaimStatus.PENDING, refusals.ClaimNotPending)
    return replace(lottery, defaulted=lottery.defaulted | {claim.claim_id})


def process_settle(lottery: Lottery, claim: Claim, auditor: str, now: Seconds) -> Lottery:
    """End an audit that no reveal has paid."""
    status = lottery.get_audit(claim.claim_id, auditor).status
    open_ones = (AuditStatus.COMMITTED, AuditStatus.MISMATCHED)
    _require(status in open_ones, refusals.NothingToSettle)
    end = compute_end(lottery, claim, auditor, now)
    _require(end is not AuditStatus.NONE, refusals.TooEarlyToSettle)
    return _end(lottery, claim, auditor, end)


def compute_end(lottery: Lottery, claim: Claim, auditor: str, now: Seconds) -> AuditStatus:
    """How an open audit ends now; NONE where that is not decided."""
    claim_id = claim.claim_id
    audit, draw = lottery.get_audit(claim_id, auditor), lottery.get_draw(claim_id)
    if audit.status is AuditStatus.MISMATCHED:
        # Right if the claim was refuted. What was never judged is nobody's fault.
        return {
            ClaimStatus.PENDING: AuditStatus.NONE,
            ClaimStatus.SLASHED: AuditStatus.PAID,
            ClaimStatus.FINALISED: AuditStatus.PUNISHED,
            ClaimStatus.VOID: AuditStatus.RELEASED,
        }[claim.status]
    if lottery.get_leaf(claim_id, audit.segment) == ZERO_VALUE:
        if claim_id in lottery.defaulted:
            return AuditStatus.PAID
        pending = claim.status is ClaimStatus.PENDING
        return AuditStatus.NONE if pending else AuditStatus.RELEASED
    if now <= draw.reveal_deadline:
        return AuditStatus.NONE
    slashed = claim.status is ClaimStatus.SLASHED
    return AuditStatus.RELEASED if slashed else AuditStatus.PUNISHED


def compute_payment(before: Lottery, after: Lottery, claim: Claim, auditor: str) -> Wei:
    """What a call that ended the auditor's audit paid it, or took from it; else 0."""
    status = after.get_audit(claim.claim_id, auditor).status
    if status is before.get_audit(claim.claim_id, auditor).status:
        return Wei(0)
    if status is AuditStatus.PAID:
        return min(after.get_draw(claim.claim_id).fee, claim.audit_budget)
    return after.preset.penalty if status is AuditStatus.PUNISHED else Wei(0)


def _get_drawn(lottery: Lottery, claim_id: int) -> Draw:
    draw = lottery.get_draw(claim_id)
    _require(draw.seed != ZERO_VALUE, refusals.NoDraw)
    return draw


def _check_owed(lottery: Lottery, claim_id: int, segment: int) -> None:
    """Whether the worker has to open the leaf."""
    _require((claim_id, segment) in lottery.committed, refusals.NothingCommitted)
    _require(lottery.get_leaf(claim_id, segment) == ZERO_VALUE, refusals.AlreadyOpen)


def _end(lottery: Lottery, claim: Claim, auditor: str, status: AuditStatus) -> Lottery:
    """The audit is settled: its fee is not set aside any more, its penalty taken or free."""
    account, audit = lottery.get_auditor(auditor), lottery.get_audit(claim.claim_id, auditor)
    taken = lottery.preset.penalty if status is AuditStatus.PUNISHED else 0
    account = replace(account, unsettled=account.unsettled - 1, stake=Wei(account.stake - taken))
    lottery = _set_audit(lottery, claim.claim_id, auditor, replace(audit, status=status))
    lottery = _set_auditor(lottery, auditor, account)
    lottery = _add_reserved(lottery, claim.task_id, -lottery.get_draw(claim.claim_id).fee)
    return replace(lottery, total_stake=Wei(lottery.total_stake - taken))


def _set_auditor(lottery: Lottery, auditor: str, account: Auditor) -> Lottery:
    return replace(lottery, auditors={**lottery.auditors, auditor: account})


def _set_draw(lottery: Lottery, claim_id: int, draw: Draw) -> Lottery:
    return replace(lottery, draws={**lottery.draws, claim_id: draw})


def _set_audit(lottery: Lottery, claim_id: int, auditor: str, audit: Audit) -> Lottery:
    return replace(lottery, audits={**lottery.audits, (claim_id, auditor): audit})


def _add_reserved(lottery: Lottery, task_id: int, amount: int) -> Lottery:
    reserved = Wei(lottery.get_reserved(task_id) + amount)
    return replace(lottery, reserved={**lottery.reserved, task_id: reserved})
