"""What a worker does next: a pure function of what it sees and of what it has found out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from offchain.agents.intents import (
    EndGame,
    ExpireLease,
    Finalise,
    Intent,
    Measure,
    OpenLeaf,
    Play,
    Publish,
    Report,
    ServeAgain,
    Take,
    Train,
    Void,
    WithdrawBond,
    WithdrawReward,
    compute_deadline_of,
)
from offchain.agents.views import AgentView, ClaimView, DutyView, Rules, TaskView
from offchain.chain.records import ClaimId, ClaimStatus, TaskId, TaskStatus
from offchain.chain.splitter import compute_worker_part
from offchain.runner.speed import Speed
from protocol import moves
from protocol.game_state import compute_deadline
from protocol.pricing import compute_reward
from protocol.types import Root, Seconds, Wei

# A time that a worker promises must be so many times what it measured: other tasks and games
# want the machine as well, and other steps can be slower than the first.
SPEED_MARGIN = 2


@dataclass(frozen=True)
class WorkerPolicy:
    """Which tasks a worker takes."""

    reward_min: Wei = Wei(1)  # of its own part, after the split
    stake_max: Wei = Wei(2**128 - 1)
    lease_seconds_min: Seconds = Seconds(0)
    tasks_max: int = 1  # that it trains at the same time


@dataclass(frozen=True)
class Known:
    """What a worker has found out by itself."""

    # Tasks that turned out not to be executable, or not to be worth it.
    refused: frozenset[TaskId] = frozenset()
    speeds: Mapping[Root, Speed] = field(default_factory=dict)  # by program root
    done: Mapping[TaskId, int] = field(default_factory=dict)  # segments trained
    published: frozenset[tuple[ClaimId, int]] = frozenset()  # with the segment


def decide(view: AgentView, policy: WorkerPolicy, known: Known = Known()) -> list[Intent]:
    """Everything that is due, the most urgent first: games and other moves with a deadline, money,
    training, new tasks.
    """
    urgent: list[Intent] = []
    training: list[Intent] = []
    offers: list[Intent] = []
    for item in view.tasks:
        if _is_own(item, view) and view.now <= item.task.deadline:
            urgent += _decide_report(item, view, known)
            if item.task.id not in known.refused:
                training.append(Train(item))
        else:
            offers += _decide_offer(item, view, policy, known)
    for claim in view.claims:
        urgent += _decide_claim(claim, view, known)
    # The least time first: its move is the one that could be lost.
    urgent.sort(key=compute_deadline_of)
    free = max(0, policy.tasks_max - len(training))
    return [*urgent, *decide_money(view), *training, *offers[:free]]


def decide_money(view: AgentView) -> list[Intent]:
    """Withdraw whatever is owed."""
    rewards = [WithdrawReward()] if view.owed_rewards else []
    bonds = [WithdrawBond()] if view.owed_bonds else []
    return [*rewards, *bonds]


def _is_own(item: TaskView, view: AgentView) -> bool:
    return item.task.status is TaskStatus.ASSIGNED and item.task.worker == view.address


# --- Tasks ----------------------------------------------------------------------------------------


def _decide_offer(
    item: TaskView, view: AgentView, policy: WorkerPolicy, known: Known
) -> list[Intent]:
    task, offer = item.task, item.offer
    is_open = task.status is TaskStatus.POSTED
    if not is_open and view.now <= task.deadline:
        return []
    if task.worker == view.address:
        return [ExpireLease(item)]
    if task.id in known.refused or not _is_acceptable(item, view, policy):
        return []
    if (speed := known.speeds.get(item.terms.program_root)) is None:
        return [Measure(item)]
    if find_misfit(item, speed, view.rules):
        return []
    if not is_open:
        return [ExpireLease(item)]
    elapsed = Seconds(view.now - task.posted_at)
    reward = compute_reward(
        offer.min_reward, offer.max_reward, offer.auction_seconds, max(Seconds(0), elapsed)
    )
    # Otherwise the auction has not come that far: somebody may be content with less.
    enough = compute_worker_part(reward, item.shares) >= policy.reward_min
    return [Take(item, reward)] if enough else []


def _is_acceptable(item: TaskView, view: AgentView, policy: WorkerPolicy) -> bool:
    task, offer = item.task, item.offer
    return (
        task.submitter != view.address
        # Who was refuted once would be refuted again: something is wrong with its machine.
        and task.id not in view.slashed
        and not item.had_lease
        and view.now <= offer.expiry
        and compute_worker_part(offer.max_reward, item.shares) >= policy.reward_min
        and offer.stake <= policy.stake_max
        and offer.lease_seconds >= policy.lease_seconds_min
        # The submitter alone could attest too, but need not.
        and offer.attestations <= view.auditors
    )


def find_misfit(item: TaskView, speed: Speed, rules: Rules) -> str:
    """Which time of the task is too short for this machine, in words; empty where none is."""
    terms, offer = item.terms, item.offer
    length = terms.segment_length
    run = speed.compute_run_seconds(terms.segments, length)
    segment = speed.compute_run_seconds(1, length)
    again = speed.compute_reexecution_seconds(length)
    for what, needed, given in (
        ("a move of a game", again, terms.reexecution_seconds + rules.move_seconds),
        ("a segment before the heartbeat ends", segment, offer.heartbeat_seconds),
        ("the run before the lease ends", run, offer.lease_seconds),
    ):
        if SPEED_MARGIN * needed > given:
            return f"{what} takes {needed:.3g} s on this machine, {given} s are too short for it"
    return ""


def _decide_report(item: TaskView, view: AgentView, known: Known) -> list[Intent]:
    task, period = item.task, item.offer.heartbeat_seconds
    done = known.done.get(task.id, 0)
    if done <= task.progress or task.heartbeat_end >= task.lease_end:
        return []
    # The root over one segment is that segment's state root, which two would keep back.
    share = 2 if done > 1 else 4
    return [Report(item, done)] if view.now > task.heartbeat_end - period // share else []


# --- Claims ---------------------------------------------------------------------------------------


def _decide_claim(item: ClaimView, view: AgentView, known: Known) -> list[Intent]:
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
    is_settled = True
    if item.duty is not None:
        intents += _decide_duty(item, item.duty, view, known)
        is_settled = item.duty.question is None or item.duty.question.settled
    if is_settled and claim.open_games == 0 and view.now > claim.challenge_deadline:
        intents.append(Finalise(item))
    return intents


def _decide_duty(item: ClaimView, duty: DutyView, view: AgentView, known: Known) -> list[Intent]:
    intents: list[Intent] = []
    draw, question = duty.draw, duty.question
    if draw.is_drawn and view.now <= draw.commit_deadline:
        missing = [s for s in duty.starts if (item.claim.id, s) not in known.published]
        intents += [Publish(item, tuple(missing))] if missing else []
    elif draw.is_drawn and view.now <= draw.open_deadline:
        intents += [OpenLeaf(item, segment) for segment in duty.unopened]
    if question is not None and not question.settled and view.now > question.deadline:
        in_time = view.now <= question.deadline + view.rules.round_seconds
        if in_time and question.round + 1 < view.rules.max_rounds:
            intents.append(ServeAgain(item))
        elif item.claim.open_games == 0 and view.now > item.claim.challenge_deadline:
            intents.append(Void(item))
    return intents
