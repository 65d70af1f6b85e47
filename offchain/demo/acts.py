"""What happens in the demo: a task is posted, done honestly, done dishonestly, contested."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from offchain.agents.agent import Agent
from offchain.agents.auditor import Auditor
from offchain.agents.challenger import Challenger
from offchain.agents.faults import Lie
from offchain.agents.malice import CopyingAuditor, MaliciousChallenger
from offchain.agents.worker import Worker
from offchain.agents.worker_policy import WorkerPolicy
from offchain.chain.games import GameView, Verdict
from offchain.chain.lottery import AuditStatus
from offchain.chain.records import (
    Balances,
    Claim,
    ClaimId,
    ClaimStatus,
    GameId,
    Offer,
    Share,
    TaskId,
    TaskStatus,
    Terms,
    Timestamp,
)
from offchain.chain.registry import NO_ROLE, Role
from offchain.chain.sender import Receipt
from offchain.chain.splitter import compute_worker_part
from offchain.demo.town import Person, Town
from offchain.runner.training import Progress, Reported
from offchain.store.bundles import Roots
from offchain.weights import fetch_weights
from protocol.game_state import Stage, compute_deadline
from protocol.types import Seconds, Seed, Wei

REWARD = Wei(10 * 10**18)
STAKE = Wei(2 * 10**18)
BOND = Wei(10**18)
LEASE_SECONDS = Seconds(3_600)
EXPIRY_SECONDS = 86_400
REEXECUTION_SECONDS = Seconds(600)
# Everybody whom most acts need, with what they are registered as.
PEOPLE = {
    "submitter": NO_ROLE,
    "worker": Role.WORKER,
    "data provider": NO_ROLE,
    "treasury": NO_ROLE,
    "challenger": NO_ROLE,
}
SHARES_BPS = {"data provider": 1_000, "treasury": 500}
AUDIT_BUDGET = Wei(5 * 10**18)  # with two audits on average and one attestation, fees of one token
ATTESTATIONS = 1
# The auction of the honest run: the worker takes nothing below what REWARD leaves it.
AUCTION_LOW = Wei(5 * 10**18)
AUCTION_HIGH = Wei(15 * 10**18)
AUCTION_SECONDS = Seconds(600)
AUCTION_LOOK_SECONDS = Seconds(60)
ROUNDS_MAX = 200  # of ticks; a dispute takes about 20


class DemoFailed(RuntimeError):
    """Something did not come out as it must."""


@dataclass
class Honest:
    """The honest run's figures."""

    task_id: TaskId
    prices: list[tuple[int, Wei]] = field(default_factory=list)  # the auction by seconds
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


@dataclass
class Audited:
    """An audited claim, as it ended."""

    segments: tuple[int, int]  # the auditor's stretch
    fee: Wei
    statuses: Mapping[str, AuditStatus]
    before: Mapping[str, Balances]
    after: Mapping[str, Balances]
    burned: Wei  # since the demo began


def build_terms(
    roots: Roots, records: int, segments: int, segment_length: int, operations: int
) -> Terms:
    """Terms of a run in the demo; `operations` of one step."""
    return Terms(
        roots.program,
        roots.genesis,
        roots.dataset,
        Seed(bytes(range(32))),
        records,
        segments,
        segment_length,
        REEXECUTION_SECONDS,
        operations,
    )


def build_offer(now: Timestamp, **changes: Any) -> Offer:
    """An offer with the reward fixed and without audits; `changes` replace fields by name."""
    offer = Offer(
        min_reward=REWARD,
        max_reward=REWARD,
        auction_seconds=Seconds(0),
        audit_budget=Wei(0),
        attestations=0,
        stake=STAKE,
        bond=BOND,
        lease_seconds=LEASE_SECONDS,
        heartbeat_seconds=LEASE_SECONDS,
        expiry=Timestamp(now + EXPIRY_SECONDS),
    )
    return replace(offer, **changes)


def post(town: Town, terms: Terms, **changes: Any) -> TaskId:
    """The submitter offers a task; `changes` are those of `build_offer`."""
    submitter = town.people["submitter"]
    chain = submitter.chain
    chain.access.refresh()
    offer = build_offer(chain.access.time, **changes)
    chain.token.check_balance("submitter", submitter.address, offer.escrowed)
    chain.token.ensure_allowance(chain.escrow.address, offer.escrowed)
    shares = [Share(town.people[name].address, bps) for name, bps in SHARES_BPS.items()]
    task_id, _ = chain.escrow.post(terms, offer, shares)
    return task_id


def run_honest(town: Town, terms: Terms, progress: Progress) -> Honest:
    """The worker waits for its price and does a task, nobody objects, everybody is paid."""
    before = town.get_balances()
    auction = {"min_reward": AUCTION_LOW, "max_reward": AUCTION_HIGH}
    task_id = post(town, terms, auction_seconds=AUCTION_SECONDS, **auction)
    result = Honest(task_id, before=before)

    def watch(done: int, steps: int, reported: Reported) -> None:
        result.losses.append((done, reported["loss"]))
        progress(done, steps, reported)

    person = town.people["worker"]
    town.bank.access.refresh()
    shares = town.bank.splitter.get_split(task_id)
    policy = WorkerPolicy(reward_min=compute_worker_part(REWARD, shares))
    worker = Worker(person.chain, person.bench, policy, progress=watch)
    run_auction(town, result, worker)
    settle(town, worker, is_over=lambda: is_status(town, task_id, TaskStatus.CLAIMED))
    finish(town, task_id, worker)
    collect_shares(town)
    submitter = town.people["submitter"]
    result.weights = town.folder / "weights.safetensors"
    submitter.chain.access.refresh()
    # What the auction left over.
    submitter.chain.splitter.withdraw(submitter.address)
    fetch_weights(submitter.chain, town.store, task_id, result.weights)
    result.after = town.get_balances()
    return result


def run_auction(town: Town, result: Honest, worker: Worker) -> None:
    """Let the reward rise until the worker takes the task."""
    for _ in range(AUCTION_SECONDS // AUCTION_LOOK_SECONDS + 1):
        town.bank.access.refresh()
        elapsed = town.bank.access.time - town.bank.escrow.get_task(result.task_id).posted_at
        result.prices.append((elapsed, town.bank.escrow.get_price(result.task_id)))
        worker.tick()
        if not is_status(town, result.task_id, TaskStatus.POSTED):
            return
        town.pass_time(AUCTION_LOOK_SECONDS)
    raise DemoFailed(f"task {result.task_id}: nobody took it")


def collect_shares(town: Town) -> None:
    """Who has a share of the reward takes it."""
    for name in SHARES_BPS:
        chain = town.people[name].chain
        chain.splitter.withdraw(chain.access.address)


def run_lie(town: Town, terms: Terms, lie: Lie, progress: Progress) -> Dispute:
    """A dishonest worker takes a task; the challenger finds out and plays it down."""
    liar, watcher = town.add(f"liar ({lie.name})", Role.WORKER), town.people["challenger"]
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
    collect_shares(town)
    dispute.after = town.get_balances()
    return dispute


def run_audit(town: Town, terms: Terms, progress: Progress) -> Audited:
    """An honest claim is audited, by an honest auditor and by one that copies."""
    honest, copier = town.people["auditor"], town.people["copying auditor"]
    auditors = (
        Auditor(honest.chain, honest.bench, progress=progress),
        CopyingAuditor(copier.chain, copier.bench),
    )
    before = town.get_balances()
    settle(town, *auditors, is_over=lambda: False)
    # Stake counts for later claims only.
    town.pass_time(Seconds(town.deployment.parameters.warmup_seconds + 1))
    task_id = post(town, terms, audit_budget=AUDIT_BUDGET, attestations=ATTESTATIONS)
    person = town.people["worker"]
    worker = Worker(person.chain, person.bench, progress=progress)
    settle(town, worker, is_over=lambda: is_status(town, task_id, TaskStatus.CLAIMED))
    claim_id = get_claim_id(town, task_id)
    # The draw, the commitments, the leaf, the reveals: one after the other as time passes.
    settle(town, worker, *auditors, is_over=lambda: False)
    finish(town, task_id, worker)
    settle(town, *auditors, is_over=lambda: False)
    collect_shares(town)
    submitter = town.people["submitter"]
    submitter.chain.splitter.withdraw(submitter.address)
    lottery = town.bank.lottery
    town.bank.access.refresh()
    stretch = lottery.get_stretch(claim_id, honest.address)
    people = {"auditor": honest, "copying auditor": copier}
    return Audited(
        (stretch.first, stretch.last),
        lottery.get_draw(claim_id).fee,
        {name: lottery.get_audit(claim_id, p.address).status for name, p in people.items()},
        before,
        town.get_balances(),
        town.get_burned(),
    )


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
    claim = town.bank.escrow.get_claim(get_claim_id(town, task_id))
    town.pass_time(Seconds(claim.challenge_deadline - town.bank.access.time + 1))
    settle(town, worker, is_over=lambda: False)
    if not is_status(town, task_id, TaskStatus.FINALISED):
        raise DemoFailed(f"task {task_id} was not finalised")


def pass_deadline(town: Town) -> bool:
    """Let time run to where a game or an audit goes on; whether there was such a time."""
    town.bank.access.refresh()
    now, bank = town.bank.access.time, town.bank
    for game_id in bank.games.get_game_ids():
        view = get_game(town, game_id)
        if view.game.stage is not Stage.ENDED:
            town.pass_time(Seconds(compute_deadline(view.game) - now + 1))
            return True
    for claim_id in bank.escrow.get_claim_ids():
        claim = bank.escrow.get_claim(claim_id)
        if claim.status is not ClaimStatus.PENDING:
            continue
        draw = bank.lottery.get_draw(claim_id)
        deadlines = (draw.commit_deadline, draw.open_deadline, draw.reveal_deadline)
        is_waited_for = draw.is_drawn and draw.commitments > 0
        if later := [time for time in deadlines if is_waited_for and time >= now]:
            town.pass_time(Seconds(min(later) - now + 1))
            return True
        # The block that decides the draw has to come.
        if is_awaiting_seed(town, claim):
            town.pass_time(Seconds(1))
            return True
    return False


def is_awaiting_seed(town: Town, claim: Claim) -> bool:
    """Whether auditors wait to be drawn for a claim."""
    bank = town.bank
    return (
        bank.escrow.get_task(claim.task_id).audit_budget > 0
        and bank.lottery.get_total_stake() > 0
        and not bank.lottery.get_draw(claim.id).is_drawn
        and bank.access.time <= claim.claimed_at + bank.lottery.draw_seconds
    )


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


def check_audit(audited: Audited) -> None:
    """Raises `DemoFailed` where work is not paid, or copying is."""
    expected = {"auditor": AuditStatus.PAID, "copying auditor": AuditStatus.PUNISHED}
    if audited.statuses != expected:
        raise DemoFailed(f"audits ended as {audited.statuses}, expected {expected}")
