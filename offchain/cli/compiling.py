"""`crux compile`: the submitter's own Python file becomes a task."""

import dataclasses
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import click
import torch

from offchain.capture import FieldSpec, capture
from offchain.capture.self_check import SelfCheck, check_step, without_dropout
from offchain.cli.options import HOME, open_store, store_option
from offchain.cli.spec import Spec, write_spec
from offchain.store.bundles import save_bundle
from offchain.text import read_text
from protocol.execution import compute_batch
from protocol.types import Seed, StepIndex

POLICIES = ("float32", "tf32", "int8")


class SelfCheckFailed(ValueError):
    """The program computes something else than PyTorch."""


class BadBuilder(ValueError):
    """The file has no function that builds a module and its optimiser."""


@click.command("compile")
@click.argument("target", metavar="FILE.py:FUNCTION")
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Text file, or a folder of them.",
)
@click.option("--characters", type=click.IntRange(1), help="Of the text; all by default.")
@click.option("--held-out", type=click.FloatRange(0.0, 0.9), default=0.1, show_default=True)
@click.option("--rows", type=click.IntRange(1), default=16, show_default=True, help="Batch size.")
@click.option("--seq", type=click.IntRange(1), default=64, show_default=True, help="Context.")
@click.option("--policy", type=click.Choice(POLICIES), default="float32", show_default=True)
@click.option("--set", "settings", multiple=True, metavar="NAME=NUMBER", help="For the builder.")
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
    characters: int | None,
    held_out: float,
    rows: int,
    seq: int,
    policy: str,
    settings: tuple[str, ...],
    store_url: str,
    out: Path,
) -> None:
    """Capture one training step of FUNCTION's module and optimiser into a program.

    FUNCTION returns (module, optimizer); calling the module with a batch of windows `tokens`
    [rows, seq + 1] gives the loss. It is offered what it names: `vocabulary`, `context` and
    whatever --set gives, or a dataclass of these.
    """
    text = read_text(data, characters)
    values = {"vocabulary": len(text.alphabet), "context": seq, **_parse_settings(settings)}
    model, optimizer = call_builder(load_builder(target), values)
    dataset, _ = text.split(held_out, seq)
    fields = {"tokens": FieldSpec(torch.int64, (seq + 1,), stride=1)}
    captured = capture(model, optimizer, fields, rows, policy)
    first = compute_batch(captured.program, dataset, Seed(bytes(32)), StepIndex(0))
    batch = {name: torch.from_numpy(x).to(fields[name].dtype) for name, x in zip(fields, first)}
    check = check_step(model, optimizer, captured, batch)
    if check.is_random:
        silent = without_dropout(model, optimizer)
        check = check_step(*silent, capture(*silent, fields, rows, policy), batch)
    report_self_check(check)
    store = open_store(store_url)
    roots = save_bundle(store, captured.program, captured.genesis, dataset)
    notes = {"source": target, "alphabet": text.alphabet, "context": seq, "policy": policy}
    write_spec(out, Spec(roots.program, roots.genesis, roots.dataset, dataset.records), notes)
    program = captured.program
    click.echo(
        f"{out}: {len(program.operators)} operators, {len(program.slots)} state tensors, "
        f"{dataset.records:,} records, program {program.root.hex()}"
    )


def report_self_check(check: SelfCheck) -> None:
    """Print how far the program's first step is from PyTorch's. Raises `SelfCheckFailed`."""
    if check.is_random:
        click.echo(
            "self-check: the program draws noise, other than PyTorch's, so that nothing can be "
            "concluded from the differences"
        )
    click.echo(f"self-check of one step against float32 PyTorch: loss {check.loss:.1e}")
    for name, difference in check.parameters.items():
        click.echo(f"  {name}: {difference:.1e}")
    if not check.is_good:
        name, difference = check.worst
        raise SelfCheckFailed(
            f"self-check: after one step {name} differs from PyTorch's by {difference:.0%} of its "
            f"step, the loss by {check.loss:.1%}; the program is not what the module computes"
        )


def load_builder(target: str) -> Any:
    """The function that FILE.py:FUNCTION names. Raises `BadBuilder`."""
    name, _, function = target.rpartition(":")
    path = Path(name)
    if not name or not path.is_file():
        raise BadBuilder(f"{target}: expected FILE.py:FUNCTION, and there is no file {name!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadBuilder(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code
        raise BadBuilder(f"{path}: {type(error).__name__}: {error}") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise BadBuilder(f"{path}: has no function {function!r}")
    return found


def call_builder(builder: Any, values: dict[str, float]) -> tuple[Any, Any]:
    """(module, optimizer), with the arguments that the builder names. Raises `BadBuilder`."""
    arguments: dict[str, Any] = {}
    used: set[str] = set()
    for name, parameter in inspect.signature(builder, eval_str=True).parameters.items():
        kind = parameter.annotation
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            known = {field.name for field in dataclasses.fields(kind)}
            chosen = {key: value for key, value in values.items() if key in known}
            arguments[name] = kind(**chosen)
            used |= set(chosen)
        elif name in values:
            arguments[name] = values[name]
            used.add(name)
        elif parameter.default is parameter.empty:
            raise BadBuilder(f"{builder.__name__}: nothing is known for argument {name!r}")
    if unused := set(values) - used - {"vocabulary", "context"}:
        raise BadBuilder(f"{builder.__name__}: does not take {sorted(unused)[0]!r}")
    result = builder(**arguments)
    if not (isinstance(result, tuple) and len(result) == 2):
        raise BadBuilder(f"{builder.__name__}: must return (module, optimizer)")
    return result


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
