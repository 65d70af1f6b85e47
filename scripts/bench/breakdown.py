"""Where a training step's time goes: by part of the work, without and with compiled kernels.

`python -m scripts.bench.breakdown` prints the tables and draws docs/breakdown.svg. "Before" are the
paths of torch alone, which machines without LLVM take; each column is a process of its own. A
part's time is exclusive: what it calls of other parts is theirs.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import torch

from offchain.kernels import folds, fused, int8, llvm, operators, vnni
from offchain.kernels.memory import Outside
from offchain.kernels.settings import numeric_settings
from offchain.runner.commitments import compute_state_root
from protocol.types import StepIndex
from scripts.bench.overhead import SEGMENT_LENGTH
from scripts.bench.peak import run_fresh
from scripts.bench.steps import prepare

PICTURE = Path("docs/breakdown.svg")
SIZES = ((2, 64, 64, 8), (2, 256, 256, 4), (2, 768, 256, 4))
REPETITIONS = 5
PARTS = ("quantise", "products", "folds", "maps and others", "memory", "hash", "Python between")
COLORS = ("#c0504d", "#1f5fa8", "#2a7f3f", "#e0a030", "#7a3f8f", "#888888", "#cccccc")
PLACES: tuple[tuple[str, Any, str], ...] = (
    ("quantise", fused, "round_to_grid"),
    ("quantise", int8, "compute_digits"),
    ("quantise", vnni, "pack"),
    ("products", fused, "exact_matmul"),
    ("folds", fused, "exact_sum"),
    ("folds", fused, "exact_index_add"),
    ("folds", folds, "maximum"),
    ("memory", operators, "execute_memory"),
)


class Clock:
    """Exclusive times of parts that call each other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                spent = time.perf_counter() - start
                self.seconds[part] += spent - self._inner.pop()
                if self._inner:
                    self._inner[-1] += spent

        return timed


@contextmanager
def _timed_places(clock: Clock) -> Iterator[None]:
    before = [(module, name, getattr(module, name)) for _, module, name in PLACES]
    try:
        for part, module, name in PLACES:
            setattr(module, name, clock.wrap(part, getattr(module, name)))
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def measure_parts(size: tuple[int, int, int, int], is_compiled: bool) -> dict[str, float]:
    """Milliseconds of a step by part, medians, in this process."""
    if not is_compiled:
        llvm.LLVM = None
    prepared = prepare(size, "float32", torch.device("cpu"))
    stepper, state = prepared.stepper, prepared.state
    plan = stepper.plan
    runs: list[dict[str, float]] = []
    with numeric_settings():
        for step in range(REPETITIONS + 2):
            clock = Clock()
            with _timed_places(clock):
                start = time.perf_counter()
                outside = Outside(state, stepper.compute_batch(StepIndex(step)))
                outputs = dict(plan.constants)
                for stage in plan.stages:
                    clock.wrap("maps and others", stage.execute)(outputs, outside, ())
                    for j in stage.dead:
                        del outputs[j]
                total = time.perf_counter() - start
            state = tuple(outputs[s.producer].reshape(s.shape) for s in plan.program.slots)
            parts = dict(clock.seconds)
            parts["Python between"] = total - sum(parts.values())
            start = time.perf_counter()
            compute_state_root(state)
            parts["hash"] = (time.perf_counter() - start) / SEGMENT_LENGTH
            runs.append(parts)
    return {part: statistics.median(run.get(part, 0.0) for run in runs[2:]) * 1e3 for part in PARTS}


def draw(columns: dict[str, dict[str, float]]) -> str:
    """A bar for each column, its parts side by side."""
    width, left, bar, gap = 720.0, 150.0, 22, 8
    height = 60 + len(columns) * (bar + gap)
    most = max(sum(parts.values()) for parts in columns.values())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    place = 10
    for part, color in zip(PARTS, COLORS):
        lines += [
            f'<rect x="{place}" y="10" width="10" height="10" fill="{color}"/>',
            f'<text x="{place + 14}" y="19">{escape(part)}</text>',
        ]
        place += 32 + 7 * len(part)
    for number, (name, parts) in enumerate(columns.items()):
        y, x = 40 + number * (bar + gap), left
        lines.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        for part, color in zip(PARTS, COLORS):
            length = parts[part] / most * (width - left - 70)
            lines.append(
                f'<rect x="{x:.1f}" y="{y}" width="{length:.1f}" height="{bar}" fill="{color}"/>'
            )
            x += length
        lines.append(f'<text x="{x + 6:.1f}" y="{y + 15}">{sum(parts.values()):.0f} ms</text>')
    return "\n".join([*lines, "</svg>", ""])


def format_table(columns: dict[str, dict[str, float]]) -> str:
    """Markdown."""
    lines = [f"| ms of a step | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for part in PARTS:
        cells = " | ".join(f"{parts[part]:.1f}" for parts in columns.values())
        lines.append(f"| {part} | {cells} |")
    totals = " | ".join(f"{sum(parts.values()):.1f}" for parts in columns.values())
    return "\n".join([*lines, f"| **in all** | {totals} |"])


def measure_table(device: str) -> str:
    """Markdown; the picture is written beside the document."""
    columns = {}
    for size in SIZES:
        for name, is_compiled in (("before", False), ("now", True)):
            label = f"{size[0]}x{size[1]} {name}"
            columns[label] = run_fresh(measure_parts, size, is_compiled)
    PICTURE.write_text(draw(columns))
    return f"{format_table(columns)}\n\n![The same as bars](breakdown.svg)"


if __name__ == "__main__":
    print(measure_table("cpu"))
