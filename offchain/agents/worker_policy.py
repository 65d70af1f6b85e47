"""What a worker does next: a pure function of what it sees."""

from dataclasses import dataclass

from offchain.agents.intents import (
    EndGame,
    Finalise,
    Intent,
    Play,
    Take,
    Train,
    WithdrawBond,
    WithdrawReward,
    compute_deadline_of,
)
from offchain.agents.views import AgentView, ClaimView
from offchain.chain.records import ClaimStatus, Task, TaskId, TaskStatus
from protocol import moves
from protocol.game_state import compute_deadline
from protocol.types import Seconds, Wei


@dataclass(frozen=True)
class WorkerPolicy:
    """Which tasks a worker takes."""

    reward_min: Wei = Wei(1)
    stake_max: Wei = Wei(2**128 - 1)
    lease_seconds_min: Seconds = Seconds(0)
    tasks_max: int = 1  # that it trains at the same time


def decide(
    view: AgentView, policy: WorkerPolicy, refused: frozenset[TaskId] = frozenset()
) -> list[Intent]:
    """Everything that is due, the most urgent first: games, money, training, new tasks.

    `refused` are tasks that turned out not to be worth it, or not to be executable.
    """
    training: list[Intent] = []
    offers: list[Intent] = []
    for item in view.tasks:
        task = item.task
        if task.id in refused:
            continue
        if task.status is TaskStatus.POSTED:
            # Who was refuted once would be refuted again: something is wrong with its machine.
            if task.id not in view.slashed and _is_acceptable(task, view, policy):
                offers.append(Take(item))
        elif task.worker == view.address and view.now <= task.lease_end:
            training.append(Train(item))
    urgent = [intent for item in view.claims for intent in _decide_claim(item, view)]
    # The least time first: its move is the one that could be lost.
    urgent.sort(key=compute_deadline_of)
    free = max(0, policy.tasks_max - len(training))
    return [*urgent, *decide_money(view), *training, *offers[:free]]


def decide_money(view: AgentView) -> list[Intent]:
    """Withdraw whatever is owed."""
    rewards = [WithdrawReward()] if view.owed_rewards else []
    bonds = [WithdrawBond()] if view.owed_bonds else []
    return [*rewards, *bonds]


def _is_acceptable(task: Task, view: AgentView, policy: WorkerPolicy) -> bool:
    return (
        task.submitter != view.address
        and view.now <= task.expiry
        and task.reward >= policy.reward_min
        and task.stake <= policy.stake_max
        and task.lease_seconds >= policy.lease_seconds_min
    )


def _decide_claim(item: ClaimView, view: AgentView) -> list[Intent]:
    claim = item.claim
    if claim.worker != view.address or claim.status is not ClaimStatus.PENDING:
        return []
    intents: list[Intent] = []
    for game in item.games:
        late = view.now > compute_deadline(game.game)
        if game.game.is_challenger_owing():
            if late:
                intents.append(EndGame(item, game, moves.Timeout()))
        elif not late:
            intents.append(Play(item, game))
    if claim.open_games == 0 and view.now > claim.challenge_deadline:
        intents.append(Finalise(item))
    return intents
