"""Audits: work is paid, copying is not, a lie is found, a worker that hides loses."""

from dataclasses import replace

import pytest

from offchain.agents.auditor import Auditor
from offchain.agents.faults import KeptState
from offchain.agents.intents import Intent, OpenLeaf
from offchain.agents.views import AuditView
from offchain.agents.worker import Worker
from offchain.chain.lottery import AuditStatus, Stretch
from offchain.chain.records import ClaimId, ClaimStatus, TaskStatus, Terms
from offchain.chain.registry import Role
from offchain.demo import acts
from offchain.demo.town import Town
from offchain.runner.strategy import Strategy
from protocol.game_state import Outcome
from protocol.program import Program
from protocol.types import Seconds
from tests.small_run import save_small_task

SEGMENTS = 5  # two stretches, segments 0 to 1 and 2 to 3, of which the seed chooses one


def ignore(done, steps, reported):
    """Nobody looks at the progress."""


@pytest.fixture
def terms(town: Town) -> Terms:
    return save_small_task(town.store, SEGMENTS)


def add_auditors(town: Town, *names: str) -> list[Auditor]:
    """Auditors whose stake counts."""
    people = [town.add(name, Role.AUDITOR) for name in names]
    auditors = [Auditor(person.chain, person.bench) for person in people]
    acts.settle(town, *auditors, is_over=lambda: False)
    town.pass_time(Seconds(town.deployment.parameters.warmup_seconds + 1))
    return auditors


def claim(town: Town, terms: Terms, worker: Worker, **changes: int) -> ClaimId:
    """An audited task, and the worker's claim for it."""
    task_id = acts.post(town, terms, audit_budget=acts.AUDIT_BUDGET, **changes)
    acts.settle(town, worker, is_over=lambda: acts.is_status(town, task_id, TaskStatus.CLAIMED))
    return acts.get_claim_id(town, task_id)


def compute_changes(before, after) -> dict[str, int]:
    changed = {name: after[name].total - balances.total for name, balances in before.items()}
    return {name: change for name, change in changed.items() if change}


def test_run_audit__honest_claim__work_is_paid_and_copying_is_not(town: Town, terms: Terms):
    for name in ("auditor", "copying auditor"):
        town.add(name, Role.AUDITOR)
    audited = acts.run_audit(town, terms, ignore)
    acts.check_audit(audited)
    assert audited.segments in {(0, 1), (2, 3)}
    change = compute_changes(audited.before, audited.after)
    penalty = town.deployment.parameters.penalty
    # Once for the audit, once for the attestation.
    assert audited.fee == acts.AUDIT_BUDGET // 5
    assert change["auditor, payout"] == 2 * audited.fee
    assert change["copying auditor"] == -penalty == -audited.burned
    assert "copying auditor, payout" not in change and "auditor" not in change
    # What the budget had left went back.
    assert change["submitter"] == -acts.REWARD - 2 * audited.fee


@pytest.mark.parametrize("first", [0, 2])
def test_execute__start_state_from_the_worker__gives_the_claimed_leaf(
    town: Town, terms: Terms, first: int
):
    """Whichever stretch is drawn: the draw of a chain of its own decides only one of them."""
    (auditor,) = add_auditors(town, "auditor")
    person = town.people["worker"]
    worker = Worker(person.chain, person.bench)
    claim_id = claim(town, terms, worker)
    item = next(i for i in worker.observer.observe().claims if i.claim.id == claim_id)
    worker._publish(item, (first,))
    tree = person.bench.get_evidence(terms).claim_tree()
    stretch = Stretch(first, first + 1)
    item = replace(item, audit=AuditView(town.bank.lottery.get_draw(claim_id), stretch=stretch))
    assert auditor.execute(item) == tree.get_node(0, stretch.last)


def skip_in_both_stretches(program: Program) -> Strategy:
    """Whichever stretch is drawn, it is not what follows from the state before it."""
    return KeptState(program, 1, 5, frozenset(range(len(program.slots))))


def get_status(town: Town, claim_id: ClaimId, auditor: Auditor) -> AuditStatus:
    town.bank.access.refresh()
    return town.bank.lottery.get_audit(claim_id, auditor.chain.access.address).status


def is_settled(town: Town, claim_id: ClaimId) -> bool:
    town.bank.access.refresh()
    return town.bank.escrow.get_claim(claim_id).status is not ClaimStatus.PENDING


class Hider(Worker):
    """A worker that opens no leaf."""

    def decide(self, view) -> list[Intent]:
        return [intent for intent in super().decide(view) if not isinstance(intent, OpenLeaf)]


def test_worker__leaf_not_opened__loses_the_claim_and_the_auditor_is_paid(town: Town, terms: Terms):
    (auditor,) = add_auditors(town, "auditor")
    before = town.get_balances()
    person = town.people["worker"]
    worker = Hider(person.chain, person.bench)
    claim_id = claim(town, terms, worker)
    acts.settle(town, auditor, worker, is_over=lambda: is_settled(town, claim_id))
    acts.settle(town, auditor, is_over=lambda: False)
    assert town.bank.escrow.get_claim(claim_id).status is ClaimStatus.SLASHED
    assert get_status(town, claim_id, auditor) is AuditStatus.PAID
    change = compute_changes(before, town.get_balances())
    assert change["worker"] == -acts.STAKE
    assert change["auditor, payout"] == town.bank.lottery.get_draw(claim_id).fee > 0
    # The task is open again; its reward is intact and the award is in its audit budget.
    task = town.bank.escrow.get_task(town.bank.escrow.get_claim(claim_id).task_id)
    assert task.status is TaskStatus.POSTED


def test_auditor__lie_in_its_stretch__challenges_and_is_paid(town: Town, terms: Terms):
    (auditor,) = add_auditors(town, "auditor")
    liar = town.add("liar", Role.WORKER)
    before = town.get_balances()
    liar.bench.build_strategy = skip_in_both_stretches
    worker = Worker(liar.chain, liar.bench)
    claim_id = claim(town, terms, worker)
    acts.settle(town, auditor, worker, is_over=lambda: is_settled(town, claim_id))
    acts.settle(town, auditor, is_over=lambda: False)
    assert town.bank.escrow.get_claim(claim_id).status is ClaimStatus.SLASHED
    game = acts.get_game(town, 1).game
    assert (game.outcome, game.challenger) == (Outcome.CHALLENGER_WON, auditor.chain.access.address)
    assert get_status(town, claim_id, auditor) is AuditStatus.PAID
    change = compute_changes(before, town.get_balances())
    assert change["liar"] == -acts.STAKE
    # The fee, and the challenger's part of the stake.
    fee = town.bank.lottery.get_draw(claim_id).fee
    assert sum(v for k, v in change.items() if k.startswith("auditor")) == fee + acts.STAKE // 2
