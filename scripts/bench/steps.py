"""Step time of the example model by Crux, beside eager float32 PyTorch on the same batches.

`python -m scripts.bench.steps [--device cuda]` prints the table. Both take turns, step by step, so
that a change of the machine's speed meets both; the figures are medians.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from examples.gpt import Config, build
from offchain.capture.capture import FieldSpec, capture
from offchain.runner.plan import Tensors, get_device
from offchain.runner.step import Stepper
from protocol.execution import Dataset
from protocol.program import Program
from protocol.types import Seed, StepIndex
from scripts.bench.goals import note
from scripts.bench.states import make_state

GOALS = {"float32": 1.5, "int8": 1.0}
VOCABULARY = 96
RECORDS = 4096
SIZES = (  # (layers, channels, context, rows): the demo's and wider ones, and a long context
    (2, 64, 64, 8),
    (4, 128, 64, 16),
    (2, 256, 256, 4),
    (2, 768, 256, 4),
    (2, 256, 1024, 4),
)


@dataclass(frozen=True)
class StepFigure:
    """Medians for one size and policy."""

    layers: int
    channels: int
    context: int
    rows: int
    policy: str
    operators: int
    crux_seconds: float
    eager_seconds: float

    @property
    def ratio(self) -> float:
        """Crux over PyTorch; the goal is at most 1.5 for policy float32 on a CPU."""
        return self.crux_seconds / self.eager_seconds


def _time(action: Callable[[int], None], step: int, device: torch.device) -> float:
    start = time.perf_counter()
    action(step)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


@dataclass(frozen=True)
class Prepared:
    """The example model by Crux, and what builds the same one for PyTorch."""

    config: Config
    dataset: Dataset
    stepper: Stepper
    state: Tensors


def prepare(
    size: tuple[int, int, int, int],
    policy: str,
    device: torch.device,
    threads: int | None = None,
    heads: int = 4,
    vocabulary: int = VOCABULARY,
    program: Program | None = None,
) -> Prepared:
    """Capture the model, unless there is its program, and put a first state on the device."""
    layers, channels, context, rows = size
    config = Config(vocabulary, context, layers, heads, channels)
    if program is None:
        program = capture_program(config, rows, policy)
    tokens = np.random.default_rng(0).integers(0, vocabulary, RECORDS + context).astype(np.int32)
    dataset = Dataset((tokens,), RECORDS)
    stepper = Stepper(program, dataset, Seed(bytes(32)), str(device), threads=threads)
    return Prepared(config, dataset, stepper, make_state(program, device))


def capture_program(config: Config, rows: int, policy: str) -> Program:
    """A step of the example model."""
    model, optimizer = build(config)
    fields = {"tokens": FieldSpec(torch.int64, (config.context + 1,), 1)}
    return capture(model, optimizer, fields, rows, policy).program


def measure_step(
    size: tuple[int, int, int, int], policy: str, device_name: str, repetitions: int
) -> StepFigure:
    """Alternate Crux and eager steps; the first of each warms up."""
    _, _, context, rows = size
    device = get_device(device_name)
    prepared = prepare(size, policy, device)
    stepper, state = prepared.stepper, prepared.state
    model, optimizer = build(prepared.config)
    model.to(device)
    batches = [
        stepper.compute_batch(StepIndex(i))[0].long().reshape(rows, context + 1)
        for i in range(repetitions + 1)
    ]

    def eager(step: int) -> None:
        loss = model(batches[step])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def crux(step: int) -> None:
        nonlocal state
        state, _ = stepper.run_step(state, StepIndex(step), is_donated=True)

    times = [
        (_time(crux, step, device), _time(eager, step, device)) for step in range(repetitions + 1)
    ][1:]
    return StepFigure(
        *size,
        policy,
        len(stepper.program.operators),
        statistics.median(t for t, _ in times),
        statistics.median(t for _, t in times),
    )


def format_table(figures: list[StepFigure]) -> str:
    """Markdown."""
    lines = [
        "| layers | channels | context | rows | policy | operators "
        "| Crux ms | PyTorch ms | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for f in figures:
        lines.append(
            f"| {f.layers} | {f.channels} | {f.context} | {f.rows} | `{f.policy}` | {f.operators} "
            f"| {f.crux_seconds * 1e3:.1f} | {f.eager_seconds * 1e3:.1f} | {f.ratio:.2f} |"
        )
    return "\n".join(lines)


def measure_steps(device: str = "cpu", repetitions: int = 15) -> list[StepFigure]:
    """Every size in every policy."""
    return [
        measure_step(size, policy, device, repetitions)
        for size in SIZES
        for policy in ("float32", "tf32", "int8")
    ]


def measure_table(device: str) -> str:
    """Markdown."""
    figures = measure_steps(device)
    for f in figures:
        if f.context == 256 and f.policy in GOALS:
            what = f"step, GPT d={f.channels}, `{f.policy}`, of eager float32"
            note(what, f.ratio, GOALS[f.policy], unit="x")
    return format_table(figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repetitions", type=int, default=15)
    arguments = parser.parse_args()
    print(format_table(measure_steps(arguments.device, arguments.repetitions)))
