"""What an auditor does next: a pure function of what it sees."""

from dataclasses import dataclass

from offchain.agents.challenger_policy import decide_games
from offchain.agents.intents import (
    Attest,
    Check,
    Commit,
    DeclareDefault,
    DrawAuditors,
    FixSeed,
    Intent,
    Join,
    Reveal,
    Settle,
    compute_deadline_of,
)
from offchain.agents.views import AgentView, AuditView, ClaimView
from offchain.agents.worker_policy import decide_money
from offchain.chain.lottery import AuditStatus
from offchain.chain.records import ClaimId, ClaimStatus, TaskId
from protocol.sortition import count_stretches
from protocol.types import Wei

PENALTIES_STAKED = 4  # by default: audits that may be open at the same time


@dataclass(frozen=True)
class AuditorPolicy:
    """What an auditor takes part in."""

    stake: Wei | None = None  # PENALTIES_STAKED penalties by default


def decide(
    view: AgentView,
    policy: AuditorPolicy,
    refused: frozenset[TaskId] = frozenset(),
    checked: frozenset[ClaimId] = frozenset(),
) -> list[Intent]:
    """Everything that is due, the most urgent first: games and reveals, money, audits.

    `refused` are tasks that cannot be executed here. `checked` are claims that were executed again
    as a whole: where one differed from an audit and was true all the same, there is nothing to
    challenge.
    """
    intents: list[Intent] = []
    for item in view.claims:
        intents += decide_games(item, view)
        if item.audit is not None:
            intents += _decide_draw(item, item.audit, view)
            intents += _decide_audit(item, item.audit, view, refused, checked)
    intents.sort(key=compute_deadline_of)
    return [*_decide_join(view, policy), *decide_money(view), *intents]


def _decide_join(view: AgentView, policy: AuditorPolicy) -> list[Intent]:
    # Only from nothing: what was lost in audits is not put in again without being asked.
    if view.audit_stake:
        return []
    return [Join(policy.stake or Wei(PENALTIES_STAKED * view.rules.penalty))]


def _decide_draw(item: ClaimView, audit: AuditView, view: AgentView) -> list[Intent]:
    wanted = (
        item.claim.status is ClaimStatus.PENDING
        and item.task.audit_budget > 0
        and count_stretches(item.terms.segments) > 0
        and not audit.draw.is_drawn
        and view.now <= item.claim.claimed_at + view.rules.draw_seconds
    )
    if not wanted:
        return []
    if audit.seed_known:
        return [DrawAuditors(item)]
    return [FixSeed(item)] if audit.seed_fixable else []


def _decide_audit(
    item: ClaimView,
    audit: AuditView,
    view: AgentView,
    refused: frozenset[TaskId],
    checked: frozenset[ClaimId],
) -> list[Intent]:
    claim, draw, own = item.claim, audit.draw, audit.audit
    pending = claim.status is ClaimStatus.PENDING
    intents: list[Intent] = []
    match own.status:
        case AuditStatus.NONE:
            if _may_commit(item, audit, view) and item.task.id not in refused:
                intents.append(Commit(item))
        case AuditStatus.COMMITTED:
            if not pending or view.now > draw.reveal_deadline:
                intents.append(Settle(item))
            elif audit.leaf is not None:
                intents.append(Reveal(item))
            elif view.now > draw.open_deadline:
                intents.append(DeclareDefault(item))
        case AuditStatus.MISMATCHED:
            in_time = view.now <= claim.challenge_deadline
            if not pending:
                intents.append(Settle(item))
            elif in_time and not item.challenged and claim.id not in checked:
                intents.append(Check(item))
    may_attest = audit.attest_until is not None and claim.worker != view.address
    if may_attest and item.task.id not in refused and not _is_audit_missing(audit, view):
        intents.append(Attest(item))
    return intents


def _is_audit_missing(audit: AuditView, view: AgentView) -> bool:
    """Whether the agent was drawn and has not committed: a worker that withholds the state before
    a drawn stretch withholds its audit, and gets no attestation."""
    is_free = audit.draw.commitments < 2 * view.rules.audits
    return audit.drawn and audit.audit.status is AuditStatus.NONE and is_free


def _may_commit(item: ClaimView, audit: AuditView, view: AgentView) -> bool:
    return (
        item.claim.status is ClaimStatus.PENDING
        and item.claim.worker != view.address
        and audit.drawn
        and view.now <= audit.draw.commit_deadline
        and audit.draw.commitments < 2 * view.rules.audits
        and view.audit_stake >= view.rules.penalty * (view.unsettled + 1)
    )
