"""`crux status`, `fetch`, `attest`, `draw`, `finalise`, `cancel` and `expire`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from offchain.chain.beacon import SubmitterBeacon
from offchain.chain.client import Chain
from offchain.chain.records import Claim, ClaimStatus, Offer, Task, TaskId, TaskStatus
from offchain.cli.options import (
    account_option,
    json_option,
    network_options,
    open_chain,
    open_store,
    print_json,
    store_option,
)
from offchain.weights import fetch_claimed_weights, fetch_weights

task_argument = click.argument("task_id", metavar="TASK", type=click.IntRange(1))
out_option = click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("weights.safetensors"),
    show_default=True,
)


class NotPossible(ValueError):
    """The task's state does not allow it."""


@click.command()
@click.argument("task_id", metavar="TASK", type=click.IntRange(1), required=False)
@network_options
@json_option
def status(task_id: int | None, network: str, manifest: Path, as_json: bool) -> None:
    """Show one task, or all of them: price, progress, claim, audits, attestations."""
    with open_chain(network, manifest) as chain:
        ids = (
            [TaskId(task_id)]
            if task_id is not None
            else reversed(list(chain.escrow.get_task_ids()))
        )
        rows = [describe_task(chain, chain.escrow.get_task(i)) for i in ids]
        if as_json:
            print_json(rows if task_id is None else rows[0])
            return
        table = Table("task", "status", "steps", "reward", "worker", "", box=None)
        for row in rows:
            table.add_row(
                str(row["task"]),
                row["status"],
                str(row["steps"]),
                chain.token.format(row["reward"]),
                row["worker"] or "",
                _describe_progress(row),
            )
        Console().print(table)


@click.command()
@task_argument
@network_options
@store_option
@out_option
def fetch(task_id: int, network: str, manifest: Path, store_url: str, out: Path) -> None:
    """Fetch a finished task's weights under the names of the module's parameters."""
    store = open_store(store_url)
    with open_chain(network, manifest) as chain:
        fetch_weights(chain, store, TaskId(task_id), out)
    click.echo(f"{out}: weights of task {task_id}, verified against the accepted claim")


@click.command()
@task_argument
@network_options
@account_option
@store_option
@out_option
def attest(
    task_id: int, network: str, manifest: Path, account: str, store_url: str, out: Path
) -> None:
    """Fetch and verify the weights of a pending claim, and say on chain that they can be had.

    The submitter's word settles it alone. Whether they are right is another question: that is what
    challenges are for.
    """
    store = open_store(store_url)
    with open_chain(network, manifest, account) as chain:
        claim = get_pending_claim(chain, TaskId(task_id))
        fetch_claimed_weights(chain, store, claim, out)
        click.echo(f"{out}: weights of claim {claim.id}, which nobody has accepted yet")
        chain.availability.attest(claim.id, claim.final_state_root)
        question = chain.availability.get_question(claim.id)
    settled = "settled" if question.settled else f"{question.attestations} attestations"
    click.echo(f"claim {claim.id}: attested, {settled}")


@click.command()
@task_argument
@network_options
@account_option
def draw(task_id: int, network: str, manifest: Path, account: str) -> None:
    """Draw the auditors of a pending claim; where the seed is the submitter's secret, show it."""
    with open_chain(network, manifest, account) as chain:
        claim = get_pending_claim(chain, TaskId(task_id))
        if not chain.beacon.is_known(claim.id):
            if isinstance(chain.beacon, SubmitterBeacon):
                chain.beacon.show(chain.escrow.get_task(claim.task_id))
            elif chain.beacon.is_fixable(claim.id):
                chain.beacon.fix(claim.id)
        chain.lottery.draw(claim.id)
    click.echo(f"claim {claim.id}: drawn")


@click.command()
@task_argument
@network_options
@account_option
def finalise(task_id: int, network: str, manifest: Path, account: str) -> None:
    """Accept the claim of a task that nobody could refute in time. Anybody may."""
    with open_chain(network, manifest, account) as chain:
        claim = get_pending_claim(chain, TaskId(task_id))
        chain.escrow.finalise(claim.id)
    click.echo(f"task {task_id}: finalised")


@click.command()
@task_argument
@network_options
@account_option
def cancel(task_id: int, network: str, manifest: Path, account: str) -> None:
    """Withdraw a task nobody works on; the reward and the audit budget come back."""
    with open_chain(network, manifest, account) as chain:
        check_audits(chain, TaskId(task_id))
        chain.escrow.cancel(TaskId(task_id))
    click.echo(f"task {task_id}: cancelled")


@click.command()
@task_argument
@network_options
@account_option
def expire(task_id: int, network: str, manifest: Path, account: str) -> None:
    """Reopen a task whose lease ran out, or refund one that expired. Anybody may."""
    with open_chain(network, manifest, account) as chain:
        task = chain.escrow.get_task(TaskId(task_id))
        if task.status is TaskStatus.ASSIGNED:
            chain.escrow.expire_lease(task.id)
            click.echo(f"task {task_id}: the lease is over, the task is open again")
        else:
            check_audits(chain, task.id)
            chain.escrow.expire(task.id)
            click.echo(f"task {task_id}: expired, its submitter is paid back")


def check_audits(chain: Chain, task_id: TaskId) -> None:
    """Raises `NotPossible` while the budget has to wait for audits of a claim that has ended."""
    task, reserved = chain.escrow.get_task(task_id), chain.lottery.get_reserved(task_id)
    if task.status is TaskStatus.POSTED and reserved:
        raise NotPossible(
            f"task {task_id}: {chain.token.format(reserved)} of its audit budget are due to "
            f"auditors of a claim that has ended; `crux settle {task_id}` pays or frees them, "
            "then try again"
        )


def get_pending_claim(chain: Chain, task_id: TaskId) -> Claim:
    """The claim that waits to be accepted. Raises `NotPossible`, ChainError."""
    task = chain.escrow.get_task(task_id)
    if task.status is not TaskStatus.CLAIMED:
        raise NotPossible(f"task {task_id}: is {task.status.name.lower()}, it has no pending claim")
    return chain.escrow.get_claim(task.claim_id)


def describe_task(chain: Chain, task: Task) -> dict[str, Any]:
    """A task as programs read it."""
    terms, offer = chain.escrow.get_terms(task.id), chain.escrow.get_offer(task.id)
    claim = chain.escrow.get_claim(task.claim_id) if task.claim_id else None
    is_open = task.status is TaskStatus.POSTED
    is_over = task.status in (TaskStatus.CANCELLED, TaskStatus.EXPIRED)
    reward = chain.escrow.get_price(task.id) if is_open else task.reward
    return {
        "task": task.id,
        "status": task.status.name.lower(),
        "submitter": task.submitter,
        # While the task is open: what taking it now pays.
        "reward": offer.max_reward if is_over else reward,
        "offer": asdict(offer),
        "audit_budget": task.audit_budget,
        "steps": terms.steps,
        "segments": terms.segments,
        "step_operations": terms.step_operations,
        "progress": task.progress,
        "worker": task.worker if int(task.worker, 16) else None,
        "lease_end": task.lease_end or None,
        "heartbeat_end": task.heartbeat_end or None,
        "program_root": terms.program_root,
        "claim": _describe_claim(chain, claim, offer) if claim is not None else None,
    }


def _describe_claim(chain: Chain, claim: Claim, offer: Offer) -> dict[str, Any]:
    drawn = chain.lottery.get_draw(claim.id)
    is_asked = offer.attestations > 0 and claim.status is ClaimStatus.PENDING
    question = chain.availability.get_question(claim.id) if is_asked else None
    return {
        "id": claim.id,
        "status": claim.status.name.lower(),
        "root": claim.root,
        "final_state_root": claim.final_state_root,
        "challenge_deadline": claim.challenge_deadline,
        "open_games": claim.open_games,
        "audits": drawn.commitments if drawn.is_drawn else None,
        "audit_fee": drawn.fee if drawn.is_drawn else None,
        "question": asdict(question) if question is not None else None,
    }


def _describe_progress(row: dict[str, Any]) -> str:
    """What there is to say about where a task stands, in a few words."""
    claim = row["claim"]
    if claim is None:
        return f"{row['progress']} of {row['segments']} segments" if row["worker"] else ""
    words = [f"claim {claim['id']} {claim['status']}", f"{claim['open_games']} games"]
    if claim["audits"] is not None:
        words.append(f"{claim['audits']} audits")
    if (question := claim["question"]) is not None:
        needed = row["offer"]["attestations"]
        given = "attested" if question["settled"] else f"{question['attestations']} of {needed}"
        words.append(given if question["settled"] else f"{given} attestations")
    return ", ".join(words)
