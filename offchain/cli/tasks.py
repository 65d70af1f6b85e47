"""`crux submit`, `crux status`, `crux fetch`."""

import json
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from offchain.chain.client import Chain
from offchain.chain.errors import ChainError
from offchain.chain.records import Share, Task, TaskId, Terms, Timestamp, check_address
from offchain.cli.options import (
    HOME,
    account_option,
    json_option,
    network_options,
    open_chain,
    open_store,
    print_json,
    store_option,
)
from offchain.weights import fetch_weights
from protocol.types import Root, Seconds, Seed
from protocol.validation import validate_task

SPEC_BYTES_MAX = 2**20  # = 1 MiB
DEFAULT_SEGMENTS = 8


class BadSpec(ValueError):
    """The file is none that `crux compile` writes."""


@dataclass(frozen=True)
class Spec:
    """What `crux compile` writes and `crux submit` reads."""

    program_root: Root
    genesis_root: Root
    dataset_root: Root
    records: int


def write_spec(path: Path, spec: Spec, notes: dict[str, Any]) -> None:
    """Write the file; `notes` are for people and for sampling, nothing depends on them."""
    document = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in asdict(spec).items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**document, "notes": notes}, indent=2) + "\n")


def read_spec(path: Path) -> Spec:
    """Read the file. Raises `BadSpec`."""
    if not path.is_file():
        raise BadSpec(f"{path}: no such file; `crux compile` writes it")
    if (size := path.stat().st_size) > SPEC_BYTES_MAX:
        raise BadSpec(f"{path}: {size} bytes, at most {SPEC_BYTES_MAX} are expected")
    try:
        content = json.loads(path.read_text())
        roots = [bytes.fromhex(content[f"{n}_root"]) for n in ("program", "genesis", "dataset")]
        records = content["records"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadSpec(f"{path}: not written by `crux compile`: {error}") from error
    if any(len(root) != 32 for root in roots) or type(records) is not int:
        raise BadSpec(f"{path}: not written by `crux compile`")
    return Spec(Root(roots[0]), Root(roots[1]), Root(roots[2]), records)


@click.command()
@click.argument(
    "spec_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=HOME / "task.json",
)
@network_options
@account_option
@store_option
@json_option
@click.option("--steps", type=click.IntRange(1), required=True, help="Of the whole run.")
@click.option(
    "--segments",
    type=click.IntRange(1),
    help=f"Committed states; {DEFAULT_SEGMENTS} by default. Must divide the steps.",
)
@click.option("--reward", required=True, help="Whole tokens.")
@click.option("--stake", required=True, help="Whole tokens that the worker puts at risk.")
@click.option("--lease-hours", type=click.FloatRange(0.001), default=24.0, show_default=True)
@click.option("--expires-hours", type=click.FloatRange(0.001), default=168.0, show_default=True)
@click.option("--reexecution-seconds", type=click.IntRange(0), default=600, show_default=True)
@click.option("--seed", help="64 hexadecimal digits; random by default.")
@click.option("--share", "shares", multiple=True, help="ADDRESS:BASIS_POINTS of the reward.")
def submit(
    spec_path: Path,
    network: str,
    manifest: Path,
    account: str,
    store_url: str,
    as_json: bool,
    steps: int,
    segments: int | None,
    reward: str,
    stake: str,
    lease_hours: float,
    expires_hours: float,
    reexecution_seconds: int,
    seed: str | None,
    shares: tuple[str, ...],
) -> None:
    """Post the task that `crux compile` prepared, and escrow its reward."""
    spec = read_spec(spec_path)
    count = segments or (DEFAULT_SEGMENTS if steps % DEFAULT_SEGMENTS == 0 else 1)
    if steps % count:
        raise click.UsageError(f"{count} segments do not divide {steps} steps")
    terms = Terms(
        spec.program_root,
        spec.genesis_root,
        spec.dataset_root,
        _parse_seed(seed),
        spec.records,
        count,
        steps // count,
        Seconds(reexecution_seconds),
    )
    split = [_parse_share(text) for text in shares]
    # Nobody could work on it otherwise: everything is there and fits the terms.
    program = open_store(store_url).get_program(terms.program_root)
    validate_task(program, terms.records, terms.segments, terms.segment_length)
    with open_chain(network, manifest, account) as chain:
        amount, risk = chain.token.parse(reward), chain.token.parse(stake)
        chain.token.check_balance("submitter", chain.access.address, amount)
        chain.token.ensure_allowance(chain.escrow.address, amount)
        expiry = Timestamp(chain.access.time + int(expires_hours * 3600))
        lease = Seconds(int(lease_hours * 3600))
        task_id, receipt = chain.escrow.post(terms, amount, risk, lease, expiry, split)
        if as_json:
            print_json({"task": task_id, "transaction": receipt.transaction})
        else:
            click.echo(f"task {task_id}: posted, {chain.token.format(amount)} escrowed")


@click.command()
@click.argument("task_id", type=click.IntRange(1), required=False)
@network_options
@json_option
def status(task_id: int | None, network: str, manifest: Path, as_json: bool) -> None:
    """Show one task, or all of them."""
    with open_chain(network, manifest) as chain:
        ids = (
            [TaskId(task_id)]
            if task_id is not None
            else reversed(list(chain.escrow.get_task_ids()))
        )
        rows = [_describe_task(chain, chain.escrow.get_task(i)) for i in ids]
        if as_json:
            print_json(rows if task_id is None else rows[0])
            return
        table = Table("task", "status", "steps", "reward", "worker", "claim", box=None)
        for row in rows:
            claim = row["claim"]
            words = f"{claim['id']} {claim['status']}, {claim['open_games']} games" if claim else ""
            table.add_row(
                str(row["task"]),
                row["status"],
                str(row["steps"]),
                chain.token.format(row["reward"]),
                row["worker"] or "",
                words,
            )
        Console().print(table)


@click.command()
@click.argument("task_id", type=click.IntRange(1))
@network_options
@store_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("weights.safetensors"),
    show_default=True,
)
def fetch(task_id: int, network: str, manifest: Path, store_url: str, out: Path) -> None:
    """Fetch a finished task's weights under the names of the module's parameters."""
    store = open_store(store_url)
    with open_chain(network, manifest) as chain:
        fetch_weights(chain, store, TaskId(task_id), out)
    click.echo(f"{out}: weights of task {task_id}, verified against the accepted claim")


def _describe_task(chain: Chain, task: Task) -> dict[str, Any]:
    terms = chain.escrow.get_terms(task.id)
    claim = chain.escrow.get_claim(task.claim_id) if task.claim_id else None
    return {
        "task": task.id,
        "status": task.status.name.lower(),
        "submitter": task.submitter,
        "reward": task.reward,
        "stake": task.stake,
        "steps": terms.steps,
        "segments": terms.segments,
        "worker": task.worker if int(task.worker, 16) else None,
        "lease_end": task.lease_end or None,
        "expiry": task.expiry,
        "program_root": terms.program_root,
        "claim": claim
        and {
            "id": claim.id,
            "status": claim.status.name.lower(),
            "root": claim.root,
            "final_state_root": claim.final_state_root,
            "challenge_deadline": claim.challenge_deadline,
            "open_games": claim.open_games,
        },
    }


def _parse_seed(text: str | None) -> Seed:
    if text is None:
        return Seed(secrets.token_bytes(32))
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise click.BadParameter(f"{text!r}: expected 64 hexadecimal digits", param_hint="--seed")
    return Seed(bytes.fromhex(text))


def _parse_share(text: str) -> Share:
    address, _, points = text.partition(":")
    try:
        return Share(check_address(address), int(points))
    except (ChainError, ValueError):
        raise click.BadParameter(
            f"{text!r}: expected ADDRESS:BASIS_POINTS", param_hint="--share"
        ) from None
