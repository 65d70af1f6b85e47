"""Every benchmark, one after the other; the tables are written into docs/benchmarks.md.

`python -m scripts.bench [--device cuda] [--only NAME]`. Each section of the document stands
between two comments that name it, and only what was measured now is replaced.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from scripts.bench import breakdown, hashing, last_step, steps
from scripts.bench.challenge import measure_challenge
from scripts.bench.dispute import measure_largest
from scripts.bench.document import replace_section
from scripts.bench.machine import describe_machine

DOCUMENT = Path("docs/benchmarks.md")


def _measure_gas(device: str) -> str:
    return last_step.format_table(last_step.measure_last_steps(last_step.deploy()))


def _measure_dispute(device: str) -> str:
    return measure_largest()


def _measure_challenge(device: str) -> str:
    return measure_challenge()


def _measure_steps(device: str) -> str:
    return steps.format_table(steps.measure_steps(device))


def _measure_breakdown(device: str) -> str:
    return breakdown.measure_table()


def _measure_hashing(device: str) -> str:
    return hashing.format_table(hashing.measure_hashing())


SECTIONS: dict[str, Callable[[str], str]] = {
    "last-step": _measure_gas,
    "dispute": _measure_dispute,
    "challenge": _measure_challenge,
    "steps": _measure_steps,
    "breakdown": _measure_breakdown,
    "hashing": _measure_hashing,
}
ON_GPU = ("steps",)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Measure Crux; figures go to docs/benchmarks.md.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", choices=tuple(SECTIONS), action="append")
    arguments = parser.parse_args()
    names = arguments.only or (ON_GPU if arguments.device == "cuda" else tuple(SECTIONS))
    for name in names:
        print(f"\n{name}", flush=True)
        table = SECTIONS[name](arguments.device)
        print(table, flush=True)
        section = name if arguments.device == "cpu" else f"{name}-gpu"
        body = f"{describe_machine(arguments.device)}\n\n{table}"
        replace_section(DOCUMENT, section, body)


if __name__ == "__main__":
    main()
