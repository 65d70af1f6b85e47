"""Leases: who holds one shows progress, who abandons one makes room for another."""

from dataclasses import replace

import pytest

from offchain.agents import agent
from offchain.agents.challenger import Challenger
from offchain.agents.faults import build_lies
from offchain.agents.intents import Take
from offchain.agents.worker import Worker
from offchain.chain.records import ClaimStatus, TaskStatus, Terms
from offchain.chain.registry import NotRegistered, Record, Role
from offchain.demo import acts
from offchain.demo.town import Town
from protocol.game_state import Outcome
from protocol.merkle import compute_vector_root
from protocol.types import Seconds
from tests.small_run import LIE_STEP, MOMENT, PARAMETER, save_small_task

HEARTBEAT = Seconds(100)
STEP_SECONDS = Seconds(15)  # on the chain's clock: ten steps are longer than a heartbeat


def take(worker: Worker) -> None:
    """Do what a worker does up to the lease, and stop there."""
    for _ in range(2):  # it measures itself first
        intents = worker.decide(worker.observer.observe())
        assert worker._attempt(intents[0])
    assert isinstance(intents[0], Take)


def test_worker__lease_abandoned__another_one_does_the_task(town: Town, terms: Terms):
    task_id = acts.post(town, terms, heartbeat_seconds=HEARTBEAT)
    first, second = town.people["worker"], town.add("second worker", Role.WORKER)
    absent = Worker(first.chain, first.bench)
    take(absent)
    worker = Worker(second.chain, second.bench)
    # As long as the lease runs there is nothing to take.
    assert not worker.tick()
    town.pass_time(Seconds(HEARTBEAT + 1))
    acts.settle(town, worker, is_over=lambda: acts.is_status(town, task_id, TaskStatus.CLAIMED))
    claim = town.bank.escrow.get_claim(acts.get_claim_id(town, task_id))
    assert claim.worker == second.address
    # The first has its stake back, a mark in the register, and not this task.
    assert town.bank.vault.get_free(first.address) == acts.STAKE
    assert town.bank.registry.get_record(first.address) == Record(0, 0, 1)
    assert town.bank.escrow.had_lease(task_id, first.address)


@pytest.mark.parametrize("reports", [True, False])
def test_worker__run_longer_than_a_heartbeat__is_kept_by_reports_alone(
    town: Town, monkeypatch: pytest.MonkeyPatch, reports: bool
):
    # It looks up from its work after every step, or never.
    monkeypatch.setattr(agent, "POLL_SECONDS", 0.0 if reports else 1e9)
    terms = save_small_task(town.store, segments=5)
    task_id = acts.post(town, terms, heartbeat_seconds=HEARTBEAT)
    person = town.people["worker"]

    def watch(done, steps, reported):
        town.pass_time(STEP_SECONDS)

    worker = Worker(person.chain, person.bench, progress=watch)
    for _ in range(4):
        worker.tick()
    assert acts.is_status(town, task_id, TaskStatus.CLAIMED) == reports
    shown = town.bank.escrow.get_events("ProgressReported", task_id=task_id)
    segments = [event.values["segments"] for event in shown]
    assert segments == (sorted(set(segments)) if reports else [])
    assert not reports or segments[0] >= 2
    roots = person.bench.get_roots(terms)
    for event in shown:
        root = compute_vector_root(roots[: event.values["segments"]])
        assert event.values["progress_root"] == root


def test_worker__not_registered__says_so_and_takes_nothing(town: Town, terms: Terms, caplog):
    task_id = acts.post(town, terms)
    person = town.add("stranger")
    worker = Worker(person.chain, person.bench)
    with pytest.raises(NotRegistered, match="`crux register --role worker` does it"):
        worker.check_registered()
    assert not worker.tick()
    assert f"task {task_id}: worker {person.address}: not registered" in caplog.text
    assert acts.is_status(town, task_id, TaskStatus.POSTED)


def test_worker__operations_not_declared__task_is_refused(town: Town, caplog):
    terms = save_small_task(town.store)
    honest = terms.step_operations
    task_id = acts.post(town, replace(terms, step_operations=honest - 1))
    person = town.people["worker"]
    worker = Worker(person.chain, person.bench)
    assert not worker.tick()
    assert f"a step takes {honest} operations, {honest - 1} are declared" in caplog.text
    assert worker.refused == {task_id}


def test_challengers__two_against_one_lie__both_get_their_bonds_back(town: Town, terms: Terms):
    lies = {lie.name: lie for lie in build_lies(LIE_STEP, PARAMETER, MOMENT, "matmul")}
    liar = town.add("liar", Role.WORKER)
    liar.bench.build_strategy = lies["bit"].build
    people = [town.people["challenger"], town.add("second challenger")]
    before = town.get_balances()
    task_id = acts.post(town, terms)
    worker = Worker(liar.chain, liar.bench)
    acts.settle(town, worker, is_over=lambda: acts.is_status(town, task_id, TaskStatus.CLAIMED))
    claim_id = acts.get_claim_id(town, task_id)
    challengers = [Challenger(person.chain, person.bench) for person in people]
    acts.settle(town, *challengers, worker, is_over=lambda: acts.is_decided(town, claim_id))
    acts.settle(town, *challengers, is_over=lambda: False)
    games = [acts.get_game(town, i).game for i in town.bank.games.get_game_ids()]
    assert {game.outcome for game in games} == {Outcome.CHALLENGER_WON, Outcome.DROPPED}
    assert town.bank.escrow.get_claim(claim_id).status is ClaimStatus.SLASHED
    after = town.get_balances()
    change = {name: after[name].total - before[name].total for name in before}
    # The stake went once; who did not decide the claim lost nothing.
    gained = sorted(change[name] for name in ("challenger", "second challenger"))
    assert gained[0] >= 0 and sum(gained) == acts.STAKE // 2
    assert change["liar"] == -acts.STAKE
