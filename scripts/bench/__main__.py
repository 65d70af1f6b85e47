"""Every benchmark, one after the other; the tables are written into docs/benchmarks.md.

`python -m scripts.bench [--device cuda] [--only NAME]`. Each section of the document stands
between two comments that name it, and only what was measured now is replaced. A section that
fails is said so, and the others go on.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from offchain.runner.plan import UnknownDevice, get_device
from scripts.bench import (
    answers,
    breakdown,
    challenge,
    dispute,
    gpu,
    hashing,
    last_step,
    memory,
    overhead,
    products,
    scaling,
    steps,
)
from scripts.bench.document import replace_section
from scripts.bench.goals import format_goals
from scripts.bench.machine import describe_machine

DOCUMENT = Path("docs/benchmarks.md")

SECTIONS: dict[str, Callable[[str], str]] = {
    "steps": steps.measure_table,
    "products": products.measure_table,
    "hashing": hashing.measure_table,
    "overhead": overhead.measure_table,
    "answers": answers.measure_table,
    "memory": memory.measure_table,
    "breakdown": breakdown.measure_table,
    "last-step": last_step.measure_table,
    "dispute": dispute.measure_table,
    "challenge": challenge.measure_table,
    "scaling": scaling.measure_table,
}
ON_GPU: dict[str, Callable[[str], str]] = {
    "steps": gpu.measure_table,
    "products": products.measure_table,
    "hashing": hashing.measure_table,
}


def main() -> int:
    """Measure and write; the number of sections that failed."""
    parser = argparse.ArgumentParser(description="Measure Crux; figures go to docs/benchmarks.md.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", choices=tuple(SECTIONS), action="append")
    arguments = parser.parse_args()
    try:
        get_device(arguments.device)
    except UnknownDevice as error:
        print(error, file=sys.stderr)
        return 1
    sections = SECTIONS if arguments.device == "cpu" else ON_GPU
    suffix = "" if arguments.device == "cpu" else "-gpu"
    failed = 0
    for name in arguments.only or sections:
        print(f"\n{name}", flush=True)
        os.sync()  # what a section wrote is not to be written during the next
        try:
            table = sections[name](arguments.device)
        except (Exception, SystemExit):
            traceback.print_exc()
            failed += 1
            continue
        print(table, flush=True)
        body = f"{describe_machine(arguments.device)}\n\n{table}"
        replace_section(DOCUMENT, f"{name}{suffix}", body)
    if not arguments.only:
        goals = f"{describe_machine(arguments.device)}\n\n{format_goals()}"
        print(f"\ngoals\n{goals}")
        replace_section(DOCUMENT, f"goals{suffix}", goals)
    return failed


if __name__ == "__main__":
    sys.exit(main())
