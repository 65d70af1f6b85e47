"""Factories of what agents see; every argument is a field of the record."""

from dataclasses import replace
from typing import Any

from offchain.agents.views import AgentView, ClaimView, TaskView
from offchain.chain.games import GameView
from offchain.chain.records import (
    Address,
    Claim,
    ClaimStatus,
    Task,
    TaskStatus,
    Terms,
)
from protocol.game_state import Game, Preset, Stage, Subject

ME = Address("0x" + "aa" * 20)
OTHER = Address("0x" + "bb" * 20)
SUBMITTER = Address("0x" + "cc" * 20)
NOBODY = Address("0x" + "00" * 20)
NOW = 1_000
ROOT = bytes(range(32))

TERMS = Terms(ROOT, ROOT, ROOT, ROOT, 10, 4, 4, 60)
TASK = Task(1, SUBMITTER, TaskStatus.POSTED, 10, 2, 3_600, NOW + 100, NOBODY, 0, 0)
CLAIM = Claim(1, 1, OTHER, ROOT, ROOT, NOW + 100, 0, ClaimStatus.PENDING)
PRESET = Preset(1_200, 1_200, 60, 10, 5_000)


def build_task(**changes: Any) -> TaskView:
    return TaskView(replace(TASK, **changes), TERMS)


def build_game(**changes: Any) -> GameView:
    subject = Subject(OTHER, ROOT, ROOT, ROOT, ROOT, ROOT, 10, 4, 4, 60)
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


def build_claim(*games: GameView, challenged: bool = False, **changes: Any) -> ClaimView:
    claim = replace(CLAIM, open_games=len(games), **changes)
    task = replace(TASK, status=TaskStatus.CLAIMED, worker=claim.worker, claim_id=1)
    return ClaimView(task, TERMS, claim, games, challenged)


def build_view(*items: TaskView | ClaimView, **changes: Any) -> AgentView:
    return AgentView(
        ME,
        NOW,
        tuple(item for item in items if isinstance(item, TaskView)),
        tuple(item for item in items if isinstance(item, ClaimView)),
        **changes,
    )
