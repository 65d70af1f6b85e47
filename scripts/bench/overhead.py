"""What committing adds to a run: hashing, copying and writing the state after each segment.

`python -m scripts.bench.overhead` prints the table. Goal: at most 5% of the training time, at
segments of 100 steps, which `crux submit` makes of 900; longer ones commit less often.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from offchain.runner.checkpoints import Checkpoints, compute_run_id
from offchain.runner.commitments import compute_state_root
from protocol.types import Root, Seed, SegmentIndex, StepIndex
from scripts.bench.goals import note
from scripts.bench.steps import prepare

SIZES = ((4, 128, 64, 16), (2, 256, 256, 4), (2, 768, 256, 4))
SEGMENT_LENGTH = 100
SEGMENTS = 2


@dataclass(frozen=True)
class OverheadFigure:
    """Seconds, of all segments."""

    size: tuple[int, int, int, int]
    segments: int
    segment_length: int
    state_bytes: int
    training: float
    hashing: float
    writing: float

    @property
    def steps(self) -> int:
        return self.segments * self.segment_length

    @property
    def committing(self) -> float:
        return self.hashing + self.writing

    @property
    def share(self) -> float:
        """Of the training time."""
        return self.committing / self.training


def measure_size(
    size: tuple[int, int, int, int],
    segments: int = SEGMENTS,
    segment_length: int = SEGMENT_LENGTH,
) -> OverheadFigure:
    """Segments as `training.train` runs them, each part timed."""
    prepared = prepare(size, "float32", torch.device("cpu"))
    stepper, state = prepared.stepper, prepared.state
    program = stepper.program
    seconds = [0.0, 0.0, 0.0]
    with tempfile.TemporaryDirectory() as folder:
        run_id = compute_run_id(
            program, prepared.dataset.root, Root(bytes(32)), Seed(bytes(32)), segment_length
        )
        checkpoints = Checkpoints(Path(folder), program, run_id)
        state, _ = stepper.run_step(state, StepIndex(0), is_donated=True)
        for segment in range(segments):
            moments = [time.perf_counter()]
            for step in range(segment * segment_length, (segment + 1) * segment_length):
                state, _ = stepper.run_step(state, StepIndex(step), is_donated=True)
            moments.append(time.perf_counter())
            root = compute_state_root(state)
            moments.append(time.perf_counter())
            checkpoints.write(SegmentIndex(segment), state, root)
            moments.append(time.perf_counter())
            for part, (start, end) in enumerate(zip(moments, moments[1:])):
                seconds[part] += end - start
    held = sum(tensor.numel() * tensor.element_size() for tensor in state)
    return OverheadFigure(size, segments, segment_length, held, *seconds)


def format_table(figures: list[OverheadFigure]) -> str:
    """Markdown."""
    lines = [
        "| layers | channels | context | rows | state MB | training ms | hashing ms | writing ms "
        "| hashing and writing |",
        "|---|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for f in figures:
        times = (f.training, f.hashing, f.writing)
        cells = " | ".join(f"{t / f.segments * 1e3:.0f}" for t in times)
        lines.append(
            f"| {' | '.join(map(str, f.size))} | {f.state_bytes / 1e6:.0f} | {cells} "
            f"| {f.share:.1%} |"
        )
    return "\n".join(lines)


def measure_table(device: str) -> str:
    """Markdown."""
    figures = [measure_size(size) for size in SIZES]
    for f in figures:
        what = f"committing, {f.state_bytes / 1e6:.0f} MB of state, of training"
        note(what, 100 * f.share, 5.0, unit="%")
    return format_table(figures)


if __name__ == "__main__":
    print(measure_table("cpu"))
