"""`crux train`: a compiled task trained here, by one process or by all that torchrun started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from offchain.cli.bars import show_steps
from offchain.cli.options import (
    HOME,
    choose_segments,
    open_store,
    parse_seed,
    steps_options,
    store_option,
)
from offchain.cli.spec import read_spec
from offchain.runner.group import Group
from offchain.runner.plan import get_device
from offchain.runner.training import train

PROCESS_VARIABLE = "LOCAL_RANK"  # set by torchrun: the process's number on this machine


@click.command("train")
@click.argument(
    "spec_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=HOME / "task.json",
)
@store_option
@steps_options
@click.option("--seed", default="00" * 32, help="64 hexadecimal digits; zeros by default.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=HOME / "run",
    show_default=True,
    help="Folder of the checkpoints; a run that was interrupted goes on from there.",
)
def train_command(
    spec_path: Path,
    store_url: str,
    steps: int,
    segments: int | None,
    seed: str,
    device: str,
    out: Path,
) -> None:
    """Train the task that `crux compile` prepared, without a chain.

    Under `torchrun --nproc-per-node N -m offchain.cli train` each process computes its part of
    every batch, whose rows N must divide. The states are those of one process, bit for bit.
    """
    count, spec = choose_segments(steps, segments), read_spec(spec_path)
    store = open_store(store_url)
    program = store.get_program(spec.program_root)
    genesis = store.get_state(spec.genesis_root, program.slots)
    dataset = store.get_dataset(spec.dataset_root, program.fields, spec.records)
    with open_group(device) as group:
        speaks = group is None or group.is_first
        with show_steps("training") if speaks else nullcontext() as progress:
            trained = train(
                program,
                dataset,
                genesis,
                parse_seed(seed),
                count,
                steps // count,
                out,
                device=device if group is None else str(group.device),
                progress=progress,
                group=group,
            )
    if speaks:
        click.echo(f"{out}: {steps} steps in {count} segments, claim {trained.claim.hex()}")
        click.echo(f"state root {trained.roots[-1].hex()}")


@contextmanager
def open_group(device: str) -> Iterator[Group | None]:
    """This process's group, or None where torchrun did not start it."""
    number = os.environ.get(PROCESS_VARIABLE)
    if number is None:
        yield None
        return
    with Group(get_device(f"{device}:{number}" if device == "cuda" else device)) as group:
        yield group
