"""`python -m scripts.zoo`: try every model and write docs/models.md.

Needs `pip install -r requirements-zoo.txt` for the models of `transformers`; without it only the
plain ones are tried, and the table says so.
"""

import argparse
import logging
import warnings
from pathlib import Path

import torch

from scripts.zoo import plain
from scripts.zoo.entry import Entry
from scripts.zoo.measure import DIFFERENCE_MAX, Row, measure

OUT = Path(__file__).resolve().parents[2] / "docs" / "models.md"

HEAD = """# Models

Written by `python -m scripts.zoo --steps {steps}` (torch {torch}). Each model is built unmodified
from its package with a small random configuration, captured with AdamW under the policy `float32`,
and trained for {steps} steps beside float32 PyTorch on the same batches. *Loss* is the loss of the
last step, *PyTorch* that of PyTorch, *difference* relative. *Bits* says whether one thread and two
give the same state, bit for bit. Models that draw random numbers (dropout, noise) draw others than
PyTorch's, so their losses differ. A row fails if it is refused or differs by more than {limit:.0%}.

| model | package | operators | instructions | parameters | loss | PyTorch | difference | bits |
|---|---|---|---|---|---|---|---|---|
"""


def get_entries() -> list[Entry]:
    """All models whose packages are installed."""
    entries = list(plain.ENTRIES)
    try:
        from scripts.zoo import pretrained
    except ImportError as error:
        print(f"models of transformers left out: {error}")
    else:
        entries += pretrained.ENTRIES
    return entries


def format_row(row: Row) -> str:
    """A line of the table."""
    if not row.operators:
        return f"| {row.name} | {row.package} | refused, see below | | | | | | |"
    difference = "random" if row.is_random else f"{row.difference:.3%}"
    return (
        f"| {row.name} | {row.package} | {row.operators:,} | {row.instructions:,} | "
        f"{row.parameters:,} | {row.loss:.4f} | {row.expected:.4f} | {difference} | "
        f"{'same' if row.same_bits else 'DIFFERENT'} |"
    )


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
    text = HEAD.format(steps=arguments.steps, torch=torch.__version__, limit=DIFFERENCE_MAX)
    text += "\n".join(map(format_row, rows)) + "\n"
    failed = [row for row in rows if row.failure]
    text += f"\n{len(rows) - len(failed)} of {len(rows)} models pass.\n"
    if failed:
        text += "\n## Failures\n\n" + "\n".join(f"- {r.name}: `{r.failure}`" for r in failed) + "\n"
    OUT.write_text(text)


if __name__ == "__main__":
    main()
