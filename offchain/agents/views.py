"""What an agent sees of the chain in one tick: everything it decides from, and nothing else."""

from dataclasses import dataclass

from offchain.chain.availability import Question
from offchain.chain.games import GameView
from offchain.chain.lottery import Audit, AuditStatus, Draw, Stretch
from offchain.chain.records import (
    Address,
    Claim,
    Offer,
    Share,
    Task,
    TaskId,
    Terms,
    Timestamp,
)
from protocol.types import Root, Seconds, Wei

NO_AUDIT = Audit(AuditStatus.NONE, 0, b"")


@dataclass(frozen=True)
class TaskView:
    """A task that is posted or assigned."""

    task: Task
    terms: Terms
    offer: Offer
    shares: tuple[Share, ...] = ()
    had_lease: bool = False  # the agent itself lost one, or its claim was void


@dataclass(frozen=True)
class AuditView:
    """The lottery about one claim, as an auditor sees it."""

    draw: Draw
    seed_known: bool = False
    seed_fixable: bool = False  # the beacon waits for somebody to call it
    drawn: bool = False  # the agent itself
    stretch: Stretch | None = None  # the agent's, drawn or not; None without a draw
    audit: Audit = NO_AUDIT  # the agent's
    leaf: Root | None = None  # what the worker opened of the agent's audit
    attest_until: Timestamp | None = None  # None where the agent may not attest


@dataclass(frozen=True)
class DutyView:
    """What the lottery and the question of availability ask of a claim's worker."""

    draw: Draw
    starts: tuple[int, ...] = ()  # segments that drawn stretches begin with
    unopened: tuple[int, ...] = ()  # segments that were committed to
    question: Question | None = None  # None where the task asks for no attestations


@dataclass(frozen=True)
class ClaimView:
    """A claim that is not settled: pending, or with games or an audit of the agent's left."""

    task: Task
    terms: Terms
    offer: Offer
    claim: Claim
    games: tuple[GameView, ...] = ()  # those that have not ended
    challenged: bool = False  # by the agent itself, now or before
    audit: AuditView | None = None  # for auditors, of others' claims
    duty: DutyView | None = None  # for workers, of their own


@dataclass(frozen=True)
class Rules:
    """What a deployment has fixed and decisions depend on."""

    move_seconds: Seconds  # that every move of a game has, besides the extra time
    draw_seconds: Seconds  # from a claim in which its auditors can be drawn
    audits: int  # drawn for a claim on average
    penalty: Wei  # of a failed audit
    max_rounds: int
    round_seconds: Seconds


@dataclass(frozen=True)
class AgentView:
    """One pinned block."""

    address: Address
    now: Timestamp
    rules: Rules
    tasks: tuple[TaskView, ...] = ()
    claims: tuple[ClaimView, ...] = ()
    owed_rewards: Wei = Wei(0)  # to the agent's payout
    owed_bonds: Wei = Wei(0)
    # Tasks about which a claim of the agent's own was refuted.
    slashed: frozenset[TaskId] = frozenset()
    auditors: int = 0  # others with stake in the lottery
    audit_stake: Wei = Wei(0)  # of the agent
    unsettled: int = 0  # audits of the agent
