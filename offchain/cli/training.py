"""`crux train`: a compiled task on this machine alone."""

import secrets
import tempfile
from pathlib import Path

import click

from offchain.cli.bars import show_steps
from offchain.cli.curves import curve_options, show_curve, write_curve
from offchain.cli.options import HOME, open_store, store_option
from offchain.runner.curve import CurveLog
from offchain.runner.training import train
from offchain.spec import read_spec
from offchain.store.bundles import load_bundle
from offchain.weights import save_module_weights
from protocol.types import Seed


@click.command("train")
@click.argument(
    "spec_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=HOME / "task.json",
)
@store_option
@click.option("--steps", type=click.IntRange(1), required=True)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 ...")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.")
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
    device: str,
    threads: int | None,
    out: Path,
    csv: Path | None,
    svg: Path | None,
) -> None:
    """Train what `crux compile` prepared here, without a chain: to try it before it is paid for.

    The batches are those of a random seed, as a worker's would be.
    """
    spec, store = read_spec(spec_path), open_store(store_url)
    terms = spec.build_trial(steps)
    bundle = load_bundle(store, terms, max_bytes=2**40)
    seed = Seed(secrets.token_bytes(32))
    with tempfile.TemporaryDirectory() as folder, show_steps("train") as bar:
        log = CurveLog(Path(folder) / "curve.csv")
        trained = train(
            bundle.program,
            bundle.dataset,
            bundle.genesis,
            seed,
            terms.segments,
            terms.segment_length,
            Path(folder),
            device=device,
            threads=threads,
            progress=log.watch(bar),
        )
        curve = log.read()
    metadata = {"steps": str(steps), "seed": seed.hex()}
    save_module_weights(out, store, bundle.program, trained.state, metadata)
    write_curve(curve, bundle.program.rows, spec_path.stem, csv, svg)
    click.echo(f"{out}: weights after {steps} steps")
    show_curve(curve, bundle.program.rows)
