"""Peak memory of training by Crux, beside eager float32 PyTorch.

`python -m scripts.bench.memory` prints the table. Each figure is of a process of its own: the peak
of some steps from the very first on, the state included, over what the process held before it.
"""

from dataclasses import dataclass

import torch

from examples.gpt import Config, build
from protocol.types import StepIndex
from scripts.bench.goals import note
from scripts.bench.peak import measure_peak, run_fresh
from scripts.bench.steps import VOCABULARY, prepare

SIZES = ((2, 256, 256, 4), (4, 128, 64, 16), (2, 768, 256, 4), (2, 256, 1024, 4))
STEPS = 3


@dataclass(frozen=True)
class MemoryFigure:
    """Bytes."""

    size: tuple[int, int, int, int]
    crux: int
    eager: int


def measure_crux(size: tuple[int, int, int, int]) -> int:
    """The peak of some steps by Crux, in this process."""
    prepared = prepare(size, "float32", torch.device("cpu"))
    stepper, state = prepared.stepper, prepared.state
    del prepared
    held = sum(tensor.numel() * tensor.element_size() for tensor in state)

    def train() -> None:
        nonlocal state
        for step in range(STEPS):
            state, _ = stepper.run_step(state, StepIndex(step), is_donated=True)

    return held + measure_peak(train)


def measure_eager(size: tuple[int, int, int, int]) -> int:
    """The peak of the same model's steps in PyTorch, in this process."""
    layers, channels, context, rows = size

    def train() -> None:
        config = Config(VOCABULARY, context, layers, channels=channels)
        model, optimizer = build(config)
        for step in range(STEPS):
            generator = torch.Generator().manual_seed(step)
            tokens = torch.randint(VOCABULARY, (rows, context + 1), generator=generator)
            loss = model(tokens)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return measure_peak(train)


def measure_memory() -> list[MemoryFigure]:
    """All sizes."""
    return [
        MemoryFigure(size, run_fresh(measure_crux, size), run_fresh(measure_eager, size))
        for size in SIZES
    ]


def format_table(figures: list[MemoryFigure]) -> str:
    """Markdown."""
    lines = [
        "| layers | channels | context | rows | Crux MB | PyTorch MB | ratio |",
        "|---|---|---|---|---:|---:|---:|",
    ]
    for f in figures:
        cells = " | ".join(map(str, f.size))
        lines.append(
            f"| {cells} | {f.crux / 1e6:.0f} | {f.eager / 1e6:.0f} | {f.crux / f.eager:.2f} |"
        )
    return "\n".join(lines)


def measure_table(device: str) -> str:
    """Markdown."""
    figures = measure_memory()
    for f in figures:
        what = f"peak memory, d={f.size[1]}, T={f.size[2]}, of PyTorch"
        note(what, f.crux / f.eager, 1.3, unit="x")
    return format_table(figures)


if __name__ == "__main__":
    print(measure_table("cpu"))
