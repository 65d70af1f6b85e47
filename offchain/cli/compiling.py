"""`crux compile`: the submitter's own Python file becomes a task."""

from pathlib import Path

import click

from offchain.builders import load_builder, seeded
from offchain.capture.policy import POLICIES
from offchain.capture.self_check import SelfCheck
from offchain.cli.bars import show_bytes, show_count
from offchain.cli.options import HOME, open_store, store_option
from offchain.compiling import check_passed, compile_task
from offchain.data import FORMATS, read_data
from offchain.data.reading import WINDOW


@click.command("compile")
@click.argument("target", metavar="FILE.py:FUNCTION")
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Text file or folder of them, .npy, .npz, .safetensors, folder of a folder of images for "
    "each class, folder that Hugging Face's save_to_disk wrote.",
)
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Of the data; found by default.")
@click.option(
    "--tokenizer",
    metavar="characters|bytes|FILE",
    help="Of text: characters by default; FILE is a tokenizer.json, kept beside the task.",
)
@click.option("--characters", type=click.IntRange(1), help="Tokens of the text; all by default.")
@click.option(
    "--seq",
    type=click.IntRange(1),
    help=f"Records are windows of so many tokens and the one after; {WINDOW} for text. Without it "
    "the first axis of arrays counts records.",
)
@click.option("--size", type=click.IntRange(1), help="Edge in pixels that images get.")
@click.option(
    "--held-out",
    type=click.FloatRange(0.0, 0.9),
    default=0.0,
    show_default=True,
    help="Share of the records, at the end, that the task does not see.",
)
@click.option("--rows", type=click.IntRange(1), default=16, show_default=True, help="Batch size.")
@click.option(
    "--optim",
    metavar="NAME(...)",
    help='Of torch.optim: "adamw(lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1)". Needed where '
    "FUNCTION returns none.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="PATTERN(...)",
    help='Parameters with settings of their own: "*.bias(weight_decay=0)". The first that fits.',
)
@click.option(
    "--schedule",
    metavar="NAME(...)",
    help="Of the learning rate: cosine(steps=900, warmup=100, end=0.1), linear(...) likewise, "
    "step(every=300, factor=0.1), constant(warmup=100).",
)
@click.option("--clip-norm", type=click.FloatRange(0, min_open=True), help="Of all gradients.")
@click.option("--clip-value", type=click.FloatRange(0, min_open=True), help="Of each element.")
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Parts that a batch is computed in, one after the other.",
)
@click.option("--policy", type=click.Choice(list(POLICIES)), default="float32", show_default=True)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of the initial weights and of dropout.",
)
@click.option(
    "--from",
    "start",
    type=click.Path(path_type=Path),
    metavar="CHECKPOINT",
    help="Safetensors file of the weights to go on from.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=NUMBER", help="For FUNCTION.")
@store_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=HOME / "task.json",
    show_default=True,
)
def compile_command(
    target: str,
    data: Path,
    kind: str | None,
    tokenizer: str | None,
    characters: int | None,
    seq: int | None,
    size: int | None,
    held_out: float,
    rows: int,
    optim: str | None,
    groups: tuple[str, ...],
    schedule: str | None,
    clip_norm: float | None,
    clip_value: float | None,
    accumulate: int,
    policy: str,
    seed: int,
    start: Path | None,
    settings: tuple[str, ...],
    store_url: str,
    out: Path,
) -> None:
    """Capture one training step of FUNCTION's module into a program, with its data and weights.

    FUNCTION returns a module whose forward gives the loss, or a module and a loss function, which
    gets the module's output and the field that forward does not take; an optimizer and a scheduler
    may follow. It is offered what it names: `vocabulary` and `context` of text, `classes` of
    images, whatever --set gives, or a dataclass of these. Nothing is written unless the program's
    first step is that of PyTorch.
    """
    chosen = _parse_settings(settings)
    # The file may already build parts of the model.
    with seeded(seed):
        builder = load_builder(target)
    with show_count("data") as count:
        read = read_data(
            data,
            kind,
            tokenizer=tokenizer,
            limit=characters,
            window=seq,
            size=size,
            held_out=held_out,
            advance=count,
        )
    task = compile_task(
        builder,
        read,
        rows=rows,
        optim=optim,
        groups=groups,
        schedule=schedule,
        clip_norm=clip_norm,
        clip_value=clip_value,
        accumulate=accumulate,
        policy=policy,
        seed=seed,
        start=start,
        settings=chosen,
    )
    click.echo(f"fields: {task.wiring}")
    if left_out := [*task.left_out, *read.notes.get("left out", [])]:
        click.echo(f"left out: {', '.join(left_out)}")
    show_self_check(task.check)
    check_passed(task.check)
    task.notes["source"] = target
    dataset = task.data.dataset
    # Each byte is hashed, then written.
    with show_bytes("store", 2 * sum(array.nbytes for array in dataset.fields)) as advance:
        task.save(open_store(store_url), out, advance)
    program = task.captured.program
    click.echo(
        f"{out}: {len(program.operators)} operators, {len(program.slots)} state tensors, "
        f"{dataset.records:,} records, program {program.root.hex()}"
    )


def show_self_check(check: SelfCheck) -> None:
    """Print how far the program's first step is from PyTorch's."""
    if check.is_random:
        click.echo(
            "self-check: the program draws noise, other than PyTorch's, so that nothing can be "
            "concluded from the differences"
        )
    click.echo(f"self-check of one step against float32 PyTorch: loss {check.loss:.1e}")
    for name, difference in check.parameters.items():
        click.echo(f"  {name}: {difference:.1e}")


def _parse_settings(settings: tuple[str, ...]) -> dict[str, float]:
    values: dict[str, float] = {}
    for setting in settings:
        name, _, number = setting.partition("=")
        try:
            values[name] = int(number) if number.lstrip("-").isdigit() else float(number)
        except ValueError:
            raise click.BadParameter(
                f"{setting!r}: expected NAME=NUMBER", param_hint="--set"
            ) from None
    return values
