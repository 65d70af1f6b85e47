"""What happens in the demo: a task is posted, done honestly, done dishonestly, contested."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from offchain.agents.agent import Agent
from offchain.agents.challenger import Challenger
from offchain.agents.faults import Lie
from offchain.agents.malice import MaliciousChallenger
from offchain.agents.worker import Worker
from offchain.chain.games import GameView, Verdict
from offchain.chain.records import (
    Balances,
    ClaimId,
    GameId,
    Share,
    TaskId,
    TaskStatus,
    Terms,
    Timestamp,
)
from offchain.chain.sender import Receipt
from offchain.demo.town import Person, Town
from offchain.runner.training import Progress, Reported
from offchain.store.bundles import Roots
from offchain.weights import fetch_weights
from protocol.game_state import Stage, compute_deadline
from protocol.types import Seconds, Seed, Wei

REWARD = Wei(10 * 10**18)
STAKE = Wei(2 * 10**18)
LEASE_SECONDS = Seconds(3_600)
EXPIRY_SECONDS = 86_400
REEXECUTION_SECONDS = Seconds(600)
SHARES_BPS = {"data provider": 1_000, "treasury": 500}
ROUNDS_MAX = 200  # of ticks; a dispute takes about 20


class DemoFailed(RuntimeError):
    """Something did not come out as it must."""


@dataclass
class Honest:
    """The honest run's figures."""

    task_id: TaskId
    losses: list[tuple[int, float]] = field(default_factory=list)  # after which step
    weights: Path = Path()
    before: Mapping[str, Balances] = field(default_factory=dict)
    after: Mapping[str, Balances] = field(default_factory=dict)


@dataclass
class Dispute:
    """One game, as it ended."""

    title: str
    description: str
    view: GameView
    verdict: Verdict | None
    task_status: TaskStatus
    moves: list[tuple[str, Receipt]]  # who, what
    before: Mapping[str, Balances]
    after: Mapping[str, Balances]
    burned: Wei  # since the demo began


def build_terms(roots: Roots, records: int, segments: int, segment_length: int) -> Terms:
    """Terms of a run in the demo."""
    return Terms(
        roots.program,
        roots.genesis,
        roots.dataset,
        Seed(bytes(range(32))),
        records,
        segments,
        segment_length,
        REEXECUTION_SECONDS,
    )


def post(town: Town, terms: Terms) -> TaskId:
    """The submitter offers a task."""
    submitter = town.people["submitter"]
    chain = submitter.chain
    chain.access.refresh()
    chain.token.check_balance("submitter", submitter.address, REWARD)
    chain.token.ensure_allowance(chain.escrow.address, REWARD)
    shares = [Share(town.people[name].address, bps) for name, bps in SHARES_BPS.items()]
    expiry = Timestamp(chain.access.time + EXPIRY_SECONDS)
    task_id, _ = chain.escrow.post(terms, REWARD, STAKE, LEASE_SECONDS, expiry, shares)
    return task_id


def run_honest(town: Town, terms: Terms, progress: Progress) -> Honest:
    """The worker does a task, nobody objects, everybody is paid, the submitter fetches."""
    before = town.get_balances()
    result = Honest(post(town, terms), before=before)

    def watch(done: int, steps: int, reported: Reported) -> None:
        result.losses.append((done, reported["loss"]))
        progress(done, steps, reported)

    person = town.people["worker"]
    worker = Worker(person.chain, person.bench, progress=watch)
    settle(town, worker, is_over=lambda: is_status(town, result.task_id, TaskStatus.CLAIMED))
    finish(town, result.task_id, worker)
    for name in SHARES_BPS:
        town.people[name].chain.splitter.withdraw()
    submitter = town.people["submitter"]
    result.weights = town.folder / "weights.safetensors"
    submitter.chain.access.refresh()
    fetch_weights(submitter.chain, town.store, result.task_id, result.weights)
    result.after = town.get_balances()
    return result


def run_lie(town: Town, terms: Terms, lie: Lie, progress: Progress) -> Dispute:
    """A dishonest worker takes a task; the challenger finds out and plays it down."""
    liar, watcher = town.add(f"liar ({lie.name})"), town.people["challenger"]
    liar.bench.build_strategy = lie.build
    before = town.get_balances()
    task_id = post(town, terms)
    worker = Worker(liar.chain, liar.bench, progress=progress, silent_after=lie.silent_after)
    challenger = Challenger(watcher.chain, watcher.bench, progress)
    settle(town, worker, is_over=lambda: is_status(town, task_id, TaskStatus.CLAIMED))
    claim_id = get_claim_id(town, task_id)
    settle(town, challenger, worker, is_over=lambda: is_decided(town, claim_id))
    # What the slashed stake and the bond left over is withdrawn.
    settle(town, challenger, is_over=lambda: False)
    dispute = collect(town, lie.name, lie.description, task_id, claim_id, liar, watcher, before)
    town.people["submitter"].chain.escrow.cancel(task_id)
    dispute.after = town.get_balances()
    return dispute


def run_malice(town: Town, terms: Terms, progress: Progress, seed: int = 0) -> Dispute:
    """The honest worker is challenged without reason, wins, and is paid."""
    before = town.get_balances()
    task_id = post(town, terms)
    person, attacker = town.people["worker"], town.people["malicious challenger"]
    worker = Worker(person.chain, person.bench, progress=progress)
    challenger = MaliciousChallenger(attacker.chain, attacker.bench, seed)
    settle(town, worker, is_over=lambda: is_status(town, task_id, TaskStatus.CLAIMED))
    claim_id = get_claim_id(town, task_id)
    settle(town, challenger, worker, is_over=lambda: is_decided(town, claim_id))
    finish(town, task_id, worker)
    description = "an honest claim is challenged, without looking, at a random place"
    dispute = collect(
        town, "malicious challenger", description, task_id, claim_id, person, attacker, before
    )
    for name in SHARES_BPS:
        town.people[name].chain.splitter.withdraw()
    dispute.after = town.get_balances()
    return dispute


# --- What acts are made of ------------------------------------------------------------------------


def settle(town: Town, *agents: Agent, is_over: Callable[[], bool]) -> None:
    """Let agents act in turn until `is_over` or nothing is due; silence lasts until a clock ends.

    Raises `DemoFailed` where that does not come to an end.
    """
    idle = 0
    for _ in range(ROUNDS_MAX):
        if is_over():
            return
        busy = [agent.tick() for agent in agents]
        idle = 0 if any(busy) else idle + 1
        # Twice: a move that met a change of the chain is made in the next round.
        if idle >= 2 and not pass_deadline(town):
            return
    raise DemoFailed(f"nothing was settled after {ROUNDS_MAX} rounds")


def finish(town: Town, task_id: TaskId, worker: Worker) -> None:
    """Let the window pass; the worker finalises and withdraws."""
    town.pass_time(Seconds(town.deployment.parameters.challenge_seconds + 1))
    settle(town, worker, is_over=lambda: False)
    if not is_status(town, task_id, TaskStatus.FINALISED):
        raise DemoFailed(f"task {task_id} was not finalised")


def pass_deadline(town: Town) -> bool:
    """Where a game waits for somebody silent, let the clock run out; whether there was one."""
    town.bank.access.refresh()
    for game_id in town.bank.games.get_game_ids():
        view = get_game(town, game_id)
        if view.game.stage is not Stage.ENDED:
            town.pass_time(Seconds(compute_deadline(view.game) - town.bank.access.time + 1))
            return True
    return False


def is_status(town: Town, task_id: TaskId, status: TaskStatus) -> bool:
    """Whether the task is there."""
    town.bank.access.refresh()
    return town.bank.escrow.get_task(task_id).status is status


def is_decided(town: Town, claim_id: ClaimId) -> bool:
    """Whether a game about the claim has been played to its end."""
    town.bank.access.refresh()
    games = list(town.bank.games.get_events("GameOpened", claim_id=claim_id))
    return bool(games) and town.bank.escrow.get_claim(claim_id).open_games == 0


def get_claim_id(town: Town, task_id: TaskId) -> ClaimId:
    """The task's claim. Raises `DemoFailed` where there is none."""
    town.bank.access.refresh()
    claim_id = town.bank.escrow.get_task(task_id).claim_id
    if claim_id == 0:
        raise DemoFailed(f"task {task_id} was not claimed")
    return claim_id


def get_game(town: Town, game_id: GameId) -> GameView:
    """A game as it is now."""
    bank = town.bank
    claim = bank.escrow.get_claim(bank.games.get_claim_id(game_id))
    return bank.games.get_game(game_id, claim, bank.escrow.get_terms(claim.task_id))


def collect(
    town: Town,
    title: str,
    description: str,
    task_id: TaskId,
    claim_id: ClaimId,
    worker: Person,
    challenger: Person,
    before: Mapping[str, Balances],
) -> Dispute:
    """What there is to say about the game against the claim."""
    town.bank.access.refresh()
    game_id = GameId(
        town.bank.games.get_events("GameOpened", claim_id=claim_id)[0].values["game_id"]
    )
    sent = [("worker", r) for r in worker.receipts] + [
        ("challenger", r) for r in challenger.receipts
    ]
    opening = f"challenge claim {claim_id}"
    moves = [
        (who, receipt)
        for who, receipt in sorted(sent, key=lambda item: item[1].block)
        if receipt.action.startswith(f"game {game_id}:") or receipt.action == opening
    ]
    return Dispute(
        title,
        description,
        get_game(town, game_id),
        town.bank.games.get_verdict(game_id),
        town.bank.escrow.get_task(task_id).status,
        moves,
        before,
        town.get_balances(),
        town.get_burned(),
    )


def check_dispute(dispute: Dispute, worker_wins: bool) -> None:
    """Raises `DemoFailed` where the wrong side has won."""
    outcome = dispute.view.game.outcome.name
    expected = "WORKER_WON" if worker_wins else "CHALLENGER_WON"
    if outcome != expected:
        raise DemoFailed(f"{dispute.title}: {outcome}, expected {expected}")
