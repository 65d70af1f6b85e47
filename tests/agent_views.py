"""Factories of what agents see; every argument is a field of the record."""

from dataclasses import fields, replace
from typing import Any

from offchain.agents.views import AgentView, AuditView, ClaimView, DutyView, Rules, TaskView
from offchain.chain.availability import Question
from offchain.chain.games import GameView
from offchain.chain.lottery import Audit, AuditStatus, Draw, Stretch
from offchain.chain.records import (
    Address,
    Claim,
    ClaimStatus,
    Offer,
    Task,
    TaskStatus,
    Terms,
)
from offchain.runner.speed import Speed
from protocol.game_state import Game, Preset, Stage, Subject

ME = Address("0x" + "aa" * 20)
OTHER = Address("0x" + "bb" * 20)
SUBMITTER = Address("0x" + "cc" * 20)
NOBODY = Address("0x" + "00" * 20)
NOW = 1_000
ROOT = bytes(range(32))

TERMS = Terms(ROOT, ROOT, ROOT, ROOT, 10, 5, 4, 60, 1_000)
OFFER = Offer(
    min_reward=10,
    max_reward=10,
    auction_seconds=0,
    audit_budget=0,
    attestations=0,
    stake=2,
    bond=1,
    lease_seconds=3_600,
    heartbeat_seconds=400,
    expiry=NOW + 100,
)
TASK = Task(1, SUBMITTER, TaskStatus.POSTED, ROOT, NOW, 0, NOBODY, 0, 0, 0, 0, 0)
CLAIM = Claim(1, 1, OTHER, ROOT, ROOT, NOW - 50, NOW + 100, 0, ClaimStatus.PENDING)
PRESET = Preset(1_200, 1_200, 60, 5_000)
RULES = Rules(
    move_seconds=60, draw_seconds=100, audits=2, penalty=10, max_rounds=3, round_seconds=50
)
SPEED = Speed(step_seconds=1.0, commit_seconds=0.5, trace_seconds=10.0)
NO_DRAW = Draw(bytes(32), 0, 0, 0, 0, 0, 0)
DRAW = Draw(ROOT, 100, 7, NOW + 10, NOW + 20, NOW + 30, 0)


def split_changes(kinds: tuple[type, ...], changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The changes by the record that has the field; each belongs to exactly one."""
    names = [{field.name for field in fields(kind)} for kind in kinds]
    assert all(sum(name in known for known in names) == 1 for name in changes), changes
    return [{k: v for k, v in changes.items() if k in known} for known in names]


def build_task(**changes: Any) -> TaskView:
    """Fields of the task, its offer, its terms or the view."""
    own = {k: changes.pop(k) for k in ("shares", "had_lease") if k in changes}
    task, offer, terms = split_changes((Task, Offer, Terms), changes)
    return TaskView(replace(TASK, **task), replace(TERMS, **terms), replace(OFFER, **offer), **own)


def build_lease(**changes: Any) -> TaskView:
    """A task that somebody trains; the agent itself by default."""
    fields_ = {"status": TaskStatus.ASSIGNED, "worker": ME, "reward": 10}
    return build_task(
        **{**fields_, "lease_end": NOW + 3_600, "heartbeat_end": NOW + 400, **changes}
    )


def build_game(**changes: Any) -> GameView:
    subject = Subject(OTHER, ROOT, ROOT, ROOT, ROOT, ROOT, 10, 4, 4, 60, 1)
    if "worker" in changes:
        subject = replace(subject, worker=changes.pop("worker"))
    fields: dict[str, Any] = {
        "preset": PRESET,
        "subject": subject,
        "challenger": ME,
        "node": ROOT,
        "count": 4,
        "height": 2,
        "since": NOW - 100,
        "worker_left": 1_200,
        "challenger_left": 1_200,
        "stage": Stage.REVEAL,
    }
    return GameView(1, 1, Game(**{**fields, **changes}))


def build_claim(
    *games: GameView,
    challenged: bool = False,
    audit: AuditView | None = None,
    duty: DutyView | None = None,
    **changes: Any,
) -> ClaimView:
    claim = replace(CLAIM, open_games=len(games), **changes)
    task = replace(
        TASK, status=TaskStatus.CLAIMED, worker=claim.worker, claim_id=1, audit_budget=50
    )
    return ClaimView(task, TERMS, OFFER, claim, games, challenged, audit, duty)


def build_audit(status: AuditStatus = AuditStatus.NONE, **changes: Any) -> AuditView:
    """An audit of a claim that was drawn, for which the agent was drawn."""
    audit = Audit(status, 1, ROOT)
    fields_ = {"draw": DRAW, "drawn": True, "stretch": Stretch(0, 1), "audit": audit}
    return AuditView(**{**fields_, **changes})


def build_question(**changes: Any) -> Question:
    """A round that is over without an answer."""
    fields_ = {"round": 0, "deadline": NOW - 1, "attestations": 0, "stake": 0, "settled": False}
    return Question(**{**fields_, **changes})


def build_view(*items: TaskView | ClaimView, **changes: Any) -> AgentView:
    return AgentView(
        ME,
        changes.pop("now", NOW),
        RULES,
        tuple(item for item in items if isinstance(item, TaskView)),
        tuple(item for item in items if isinstance(item, ClaimView)),
        **changes,
    )
