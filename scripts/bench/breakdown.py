"""Where a training step's time goes, by kind of operator, on one thread.

`python -m scripts.bench.breakdown` prints the table. Operators that are computed as one count as
the last of them.
"""

import statistics
import time
from collections import defaultdict

import torch

from offchain.kernels.memory import Outside
from offchain.kernels.settings import numeric_settings
from offchain.runner.plan import Tensors
from offchain.runner.step import Stepper
from protocol.types import StepIndex
from scripts.bench.steps import SIZES, prepare

REPETITIONS = 9
SHOWN = 8


def _time_stages(stepper: Stepper, state: Tensors, step: StepIndex) -> tuple[Tensors, list[float]]:
    """The state after the step, and the seconds of each stage."""
    plan = stepper.plan
    outside = Outside(state, stepper.compute_batch(step))
    outputs = dict(plan.constants)
    seconds = []
    for stage in plan.stages:
        start = time.perf_counter()
        stage.execute(outputs, outside, ())
        seconds.append(time.perf_counter() - start)
        for j in stage.dead:
            del outputs[j]
    return tuple(outputs[s.producer].reshape(s.shape) for s in plan.program.slots), seconds


def measure_breakdown(size: tuple[int, int, int, int]) -> dict[str, float]:
    """Milliseconds by kind, the largest first; medians of each operator."""
    prepared = prepare(size, "float32", torch.device("cpu"), threads=1)
    stepper, state = prepared.stepper, prepared.state
    runs = []
    with numeric_settings(threads=1):
        for step in range(REPETITIONS + 2):
            state, seconds = _time_stages(stepper, state, StepIndex(step))
            runs.append(seconds)
    kinds: dict[str, float] = defaultdict(float)
    operators = stepper.program.operators
    for number, stage in enumerate(stepper.plan.stages):
        median = statistics.median(seconds[number] for seconds in runs[2:])
        kinds[operators[stage.operators[-1]].kind] += median * 1e3
    return dict(sorted(kinds.items(), key=lambda item: -item[1]))


def measure_table() -> str:
    """Markdown, a column per size."""
    columns = [measure_breakdown(size) for size in SIZES]
    order = sorted({*columns[0], *columns[-1]}, key=lambda k: -sum(c.get(k, 0) for c in columns))
    heads = " | ".join(f"{layers}x{channels}" for layers, channels, _, _ in SIZES)
    lines = [f"| operators, ms (layers x channels) | {heads} |", "|---|" + "---:|" * len(SIZES)]
    for kind in order[:SHOWN]:
        lines.append(f"| {kind} | " + " | ".join(f"{c.get(kind, 0):.1f}" for c in columns) + " |")
    rest = [sum(v for k, v in c.items() if k not in order[:SHOWN]) for c in columns]
    lines.append("| others | " + " | ".join(f"{ms:.1f}" for ms in rest) + " |")
    lines.append("| **in all** | " + " | ".join(f"{sum(c.values()):.1f}" for c in columns) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(measure_table())
