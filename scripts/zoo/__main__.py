"""`python -m scripts.zoo`: try every model and write docs/models.md.

`make zoo` installs what the models of `transformers` need (requirements-zoo.txt) first; without it
only the plain ones are tried.
"""

import argparse
import logging
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch

from offchain.kernels import int8
from scripts.zoo import plain
from scripts.zoo.entry import Entry
from scripts.zoo.measure import DIFFERENCE_MAX, PORTABLE_STEPS, Row, measure

OUT = Path(__file__).resolve().parents[2] / "docs" / "models.md"

HEAD = """# Models

Written by `python -m scripts.zoo --steps {steps}` (torch {torch}). Each model is built unmodified
from its package with a small random configuration, captured with AdamW under the policy `float32`,
and trained for {steps} steps beside float32 PyTorch on the same batches. *Loss* is the loss of the
last step, *PyTorch* that of PyTorch, *difference* relative. *Bits* says whether one thread and two
give the same state, bit for bit; the last column whether {portable} steps by the kernels' fastest
path (products of any size through int8 matrix units{units}) and by the portable one
(every instruction by itself, products in float64) do. Models that draw random numbers (dropout,
noise) draw others than PyTorch's, so their losses differ. A row fails if it is refused, or if its
loss differs by more than {limit:.0%} or its bits at all.

| model | package | operators | instructions | parameters | loss | PyTorch | difference |{columns}|
|---|---|---|---|---|---|---|---|---|---|
"""


LONG_HEAD = """
## Long runs

On real data, with models of `transformers`, AdamW and a rate that falls linearly; the figures are
of data held out, before training, after it, and after PyTorch's on the same batches. *Close* is a
loss within {loss:.1%} of PyTorch's or an accuracy within {points:.1f} points of its.

| run | steps | rows | figure | untrained | Crux | PyTorch | close |
|---|---|---|---|---|---|---|---|
"""


def get_entries() -> list[Entry]:
    """All models whose packages are installed."""
    entries = list(plain.ENTRIES)
    try:
        from scripts.zoo import more, pretrained
    except ImportError as error:
        print(f"models of transformers left out: {error}")
    else:
        entries += [*pretrained.ENTRIES, *more.ENTRIES]
    return entries


def format_row(row: Row) -> str:
    """A line of the table."""
    if not row.operators:
        return f"| {row.name} | {row.package} | refused, see below | | | | | | | |"
    difference = "random" if row.is_random else f"{row.difference:.3%}"
    return (
        f"| {row.name} | {row.package} | {row.operators:,} | {row.instructions:,} | "
        f"{row.parameters:,} | {row.loss:.4f} | {row.expected:.4f} | {difference} | "
        f"{_describe(row.same_bits)} | {_describe(row.same_portable)} |"
    )


def _describe(is_same: bool) -> str:
    return "same" if is_same else "DIFFERENT"


def measure_long_runs() -> str:
    """The table of the long runs."""
    from scripts.zoo import long_runs

    lines = []
    for make in long_runs.RUNS:
        outcome = long_runs.train_both(make())
        run, form = outcome.run, ".5f" if outcome.run.figure == "loss" else ".2%"
        figures = (outcome.untrained, outcome.reached, outcome.expected)
        lines.append(
            f"| {run.name} | {run.steps} | {run.rows} | {run.figure} | "
            + " | ".join(f"{figure:{form}}" for figure in figures)
            + f" | {'yes' if outcome.is_close else 'NO'} |\n"
        )
        print(lines[-1], end="", flush=True)
    return LONG_HEAD.format(
        loss=long_runs.LOSS_DIFFERENCE_MAX, points=100 * long_runs.ACCURACY_DIFFERENCE_MAX
    ) + "".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", nargs="*", help="names of models; nothing is written then")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    rows = []
    for entry in get_entries():
        if arguments.only and entry.name not in arguments.only:
            continue
        rows.append(measure(entry, arguments.steps))
        print(format_row(rows[-1]), rows[-1].failure, flush=True)
    if arguments.only:
        return
    text = HEAD.format(
        steps=arguments.steps,
        torch=torch.__version__,
        limit=DIFFERENCE_MAX,
        portable=min(PORTABLE_STEPS, arguments.steps),
        units="" if int8.is_available() else ", which this machine lacks",
        columns=" bits | same bits through the portable path ",
    )
    text += "\n".join(map(format_row, rows)) + "\n"
    failed = [row for row in rows if row.failure]
    text += f"\n{len(rows) - len(failed)} of {len(rows)} models pass.\n"
    if failed:
        text += "\n## Failures\n\n" + "\n".join(f"- {r.name}: `{r.failure}`" for r in failed) + "\n"
    if find_spec("transformers") is not None:
        text += measure_long_runs()
    OUT.write_text(text)


if __name__ == "__main__":
    main()
