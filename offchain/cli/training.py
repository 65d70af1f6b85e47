"""`crux train`: a compiled task on this machine alone."""

import tempfile
from pathlib import Path

import click

from offchain.cli.bars import show_steps
from offchain.cli.curves import curve_options, show_curve, write_curve
from offchain.cli.options import HOME, open_store, parse_seed, store_option
from offchain.runner.curve import CurveLog
from offchain.runner.training import train
from offchain.spec import read_spec
from offchain.store.bundles import load_bundle
from offchain.weights import save_module_weights


@click.command("train")
@click.argument(
    "spec_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=HOME / "task.json",
)
@store_option
@click.option("--steps", type=click.IntRange(1), required=True)
@click.option(
    "--seed", default="0" * 64, help="Of the batches: 64 hexadecimal digits; zeros by default."
)
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
    seed: str,
    device: str,
    threads: int | None,
    out: Path,
    csv: Path | None,
    svg: Path | None,
) -> None:
    """Train what `crux compile` prepared here, without a chain: to try it before it is paid for.

    A worker's run of as many steps with the same seed ends in the same weights, bit for bit.
    """
    spec, store = read_spec(spec_path), open_store(store_url)
    terms = spec.build_trial(steps)
    bundle = load_bundle(store, terms, max_bytes=2**40)
    chosen_seed = parse_seed(seed)
    with tempfile.TemporaryDirectory() as folder, show_steps("train") as bar:
        log = CurveLog(Path(folder) / "curve.csv")
        trained = train(
            bundle.program,
            bundle.dataset,
            bundle.genesis,
            chosen_seed,
            terms.segments,
            terms.segment_length,
            Path(folder),
            device=device,
            threads=threads,
            progress=log.watch(bar),
        )
        curve = log.read()
    metadata = {"steps": str(steps), "seed": chosen_seed.hex()}
    save_module_weights(out, store, bundle.program, trained.state, metadata)
    write_curve(curve, bundle.program.rows, spec_path.stem, csv, svg)
    click.echo(f"{out}: weights after {steps} steps")
    show_curve(curve, bundle.program.rows)
