"""`crux train`: a compiled task trained here, by one process or by all that torchrun started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from offchain.cli.bars import show_steps
from offchain.cli.curves import curve_options, show_curve, write_curve
from offchain.cli.options import (
    HOME,
    choose_segments,
    open_store,
    parse_seed,
    spec_argument,
    steps_options,
    store_option,
)
from offchain.runner.checkpoints import compute_run_id
from offchain.runner.curve import CurveLog
from offchain.runner.group import Group
from offchain.runner.plan import get_device
from offchain.runner.training import train
from offchain.spec import read_spec
from offchain.store.bundles import load_bundle
from offchain.weights import save_module_weights

PROCESS_VARIABLE = "LOCAL_RANK"  # set by torchrun: the process's number on this machine


@click.command("train")
@spec_argument
@store_option
@steps_options
@click.option(
    "--seed",
    default="00" * 32,
    help="Of the batches: 64 hexadecimal digits; zeros by default.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 ...")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Of the checkpoints, from which an interrupted run goes on; by default one for each "
    f"run in {HOME / 'runs'}.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("weights.safetensors"),
    show_default=True,
)
@curve_options
def train_command(
    spec_path: Path,
    store_url: str,
    steps: int,
    segments: int | None,
    seed: str,
    device: str,
    threads: int | None,
    folder: Path | None,
    out: Path,
    csv: Path | None,
    svg: Path | None,
) -> None:
    """Train what `crux compile` prepared here, without a chain: to try it before it is paid for.

    A worker's run of as many steps with the same seed ends in the same weights, bit for bit. So
    does one under `torchrun --nproc-per-node N -m offchain.cli train`, where each process computes
    its part of every batch, whose rows N must divide.
    """
    chosen_seed = parse_seed(seed)
    count = choose_segments(steps, segments)
    spec, store = read_spec(spec_path), open_store(store_url)
    terms = spec.build_trial(count, steps // count)
    bundle = load_bundle(store, terms, max_bytes=2**40)
    program = bundle.program
    if folder is None:
        roots = spec.dataset_root, spec.genesis_root
        run_id = compute_run_id(program, *roots, chosen_seed, terms.segment_length)
        folder = HOME / "runs" / run_id.hex()[:16]
    log = CurveLog(folder / "curve.csv")
    with open_group(device) as group:
        speaks = group is None or group.is_first
        with show_steps("train") if speaks else nullcontext() as bar:
            trained = train(
                program,
                bundle.dataset,
                bundle.genesis,
                chosen_seed,
                terms.segments,
                terms.segment_length,
                folder,
                device=device if group is None else str(group.device),
                threads=threads,
                progress=log.watch(bar) if speaks else None,
                group=group,
            )
    if not speaks:
        return
    curve = log.read()
    metadata = {"steps": str(steps), "seed": chosen_seed.hex()}
    save_module_weights(out, store, program, trained.state, metadata)
    write_curve(curve, program.rows, spec_path.stem, csv, svg)
    click.echo(f"{out}: weights after {steps} steps")
    click.echo(f"{count} segments, claim {trained.claim.hex()}")
    click.echo(f"state root {trained.roots[-1].hex()}")
    show_curve(curve, program.rows)


@contextmanager
def open_group(device: str) -> Iterator[Group | None]:
    """This process's group, or None where torchrun did not start it."""
    number = os.environ.get(PROCESS_VARIABLE)
    if number is None:
        yield None
        return
    with Group(get_device(f"{device}:{number}" if device == "cuda" else device)) as group:
        yield group
