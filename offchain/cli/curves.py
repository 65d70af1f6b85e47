"""`crux curve`: a run's losses and throughput, as its worker states them or computed again."""

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import click

from offchain.agents.bench import Bench
from offchain.chain.records import TaskId
from offchain.cli.bars import show_steps
from offchain.cli.options import (
    HOME,
    json_option,
    network_options,
    open_chain,
    open_store,
    print_json,
    store_option,
)
from offchain.plot import plot_curve
from offchain.runner.curve import Curve, decode_curve, encode_curve
from offchain.store.errors import ArtifactMissing
from offchain.store.files import write_atomically
from offchain.store.notes import CURVE, get_note

STATED = "stated by the worker, proved by nobody; --recompute executes the run again"
RECOMPUTED = "computed again here, and the run is the one that was claimed"


class NoCurve(ValueError):
    """The task has no claim, or its worker published no curve."""


class OtherRun(ValueError):
    """The run gives other states than were claimed."""


def curve_options(function: Callable[..., None]) -> Callable[..., None]:
    """--csv and --svg."""
    for name, words in (("--svg", "Picture to write."), ("--csv", "Table to write.")):
        kind = click.Path(dir_okay=False, path_type=Path)
        function = click.option(name, type=kind, help=words)(function)
    return function


@click.command("curve")
@click.argument("task_id", metavar="TASK", type=click.IntRange(1))
@network_options
@store_option
@curve_options
@click.option("--recompute", is_flag=True, help="Believe nobody: execute the run again.")
@click.option("--device", default="cpu", show_default=True, help="To recompute on.")
@json_option
def curve_command(
    task_id: int,
    network: str,
    manifest: Path,
    store_url: str,
    csv: Path | None,
    svg: Path | None,
    recompute: bool,
    device: str,
    as_json: bool,
) -> None:
    """Show the loss curve and the throughput of a task's run.

    The chain knows neither. By default they are what the worker published with its claim;
    --recompute executes the whole run here and compares every committed state with the claim.
    """
    store = open_store(store_url)
    with open_chain(network, manifest) as chain:
        task = chain.escrow.get_task(TaskId(task_id))
        if not task.claim_id:
            raise NoCurve(f"task {task_id}: has no claim yet")
        claim, terms = chain.escrow.get_claim(task.claim_id), chain.escrow.get_terms(task.id)
    rows = store.get_program(terms.program_root).rows
    if recompute:
        bench = Bench(store, HOME / "runs" / "curve", device)
        with show_steps("recompute") as bar:
            trained = bench.train(terms, bar, past_nan=True)
        if trained.claim != claim.root:
            raise OtherRun(
                f"task {task_id}: the run gives other states than claim {claim.id} says; "
                "`crux challenger` plays it down"
            )
        curve = bench.get_curve(terms)
    else:
        try:
            curve = decode_curve(get_note(store, CURVE, claim.root).decode(errors="replace"))
        except ArtifactMissing:
            raise NoCurve(f"task {task_id}: its worker published no curve; --recompute") from None
    words = RECOMPUTED if recompute else STATED
    write_curve(curve, rows, f"task {task_id} ({'recomputed' if recompute else words})", csv, svg)
    if as_json:
        points = [
            # JSON knows no NaN.
            {"step": p.step, "seconds": p.seconds, "loss": p.loss if isfinite(p.loss) else None}
            for p in curve
        ]
        print_json({"task": task_id, "proved": recompute, "rows": rows, "points": points})
        return
    show_curve(curve, rows)
    click.echo(words)


def write_curve(curve: Curve, rows: int, title: str, csv: Path | None, svg: Path | None) -> None:
    """Write the files that were asked for, each whole or not at all."""
    for path, text in ((csv, _format_table(curve, rows)), (svg, plot_curve(curve, rows, title))):
        if path is not None:
            write_atomically(path, _get_writer(text))
            click.echo(f"{path}: {len(curve):,} steps", err=True)


def _format_table(curve: Curve, rows: int) -> str:
    """The published table and a column of speeds."""
    header, *lines = encode_curve(curve).splitlines()
    speeds = [f"{rows / p.seconds:.6g}" if p.seconds > 0 else "" for p in curve]
    table = [f"{line},{speed}" for line, speed in zip(lines, speeds)]
    return "\n".join([f"{header},records_per_second", *table, ""])


def show_curve(curve: Curve, rows: int) -> None:
    """Where the loss began and ended, and how fast the run was."""
    if not curve:
        click.echo("no steps")
        return
    seconds = sorted(p.seconds for p in curve)[len(curve) // 2]
    speed = f", {rows / seconds:,.0f} records/s" if seconds > 0 else ""
    click.echo(f"loss {curve[0].loss:.4f} to {curve[-1].loss:.4f} in {curve[-1].step} steps{speed}")


def _get_writer(text: str) -> Any:
    return lambda path: path.write_text(text)
