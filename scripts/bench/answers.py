"""What a dispute asks of a worker: to execute a segment again, to trace a step, to open.

`python -m scripts.bench.answers` prints the table. The goal is twice the segment's training time
plus three times one step's. The dispute goes down to the last accumulator of the matrix product
with the largest output, in a step that has to be reached again where states are large. Memory is
the peak over that of a process that has trained the segment.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from offchain.runner.checkpoints import Checkpoints, compute_run_id
from offchain.runner.commitments import compute_state_root, to_committed
from offchain.runner.evidence import Evidence
from protocol.instructions import Opcode
from protocol.program import Program
from protocol.types import Root, Seed, SegmentIndex, StepIndex
from scripts.bench.goals import note
from scripts.bench.peak import measure_peak, run_fresh
from scripts.bench.steps import prepare

SIZES = ((4, 128, 64, 16), (2, 256, 256, 4), (2, 768, 256, 4))
SEGMENT_LENGTH = 32


@dataclass(frozen=True)
class AnswerFigure:
    """Seconds and bytes."""

    size: tuple[int, int, int, int]
    segment_length: int
    operators: int
    elements: int  # of the tensor that is opened
    segment: float
    execute: float  # the segment again, with the root of every state
    trace: float  # of the step's operators
    open: float  # the operator's instructions, the element's tree, its accumulators
    step_peak: int
    answer_peak: int

    @property
    def step(self) -> float:
        return self.segment / self.segment_length

    @property
    def answer(self) -> float:
        return self.execute + self.trace + self.open

    @property
    def goal(self) -> float:
        return 2 * self.segment + 3 * self.step


def measure_size(
    size: tuple[int, int, int, int], segment_length: int = SEGMENT_LENGTH
) -> AnswerFigure:
    """In this process."""
    prepared = prepare(size, "float32", torch.device("cpu"))
    stepper, state = prepared.stepper, prepared.state
    program, seed = stepper.program, Seed(bytes(32))
    genesis = tuple(to_committed(tensor).copy() for tensor in state)
    dataset = prepared.dataset
    times = {}

    def train() -> None:
        nonlocal state
        state, _ = stepper.run_step(state, StepIndex(0), is_donated=True)
        start = time.perf_counter()
        for step in range(1, segment_length + 1):
            state, _ = stepper.run_step(state, StepIndex(step), is_donated=True)
        times["segment"] = time.perf_counter() - start

    step_peak = measure_peak(train)
    with tempfile.TemporaryDirectory() as folder:
        run_id = compute_run_id(program, dataset.root, Root(bytes(32)), seed, segment_length)
        checkpoints = Checkpoints(Path(folder), program, run_id)
        checkpoints.write(SegmentIndex(0), state, compute_state_root(state))
        evidence = Evidence(program, dataset, genesis, seed, 2, segment_length, checkpoints)
        elements, operator, instruction = _find_largest_product(program)

        def answer() -> None:
            _answer(evidence, 2 * segment_length - 2, operator, instruction, times)

        answer_peak = measure_peak(answer)
    return AnswerFigure(
        size,
        segment_length,
        len(program.operators),
        elements,
        times["segment"],
        times["execute"],
        times["trace"],
        times["open"],
        step_peak,
        answer_peak,
    )


def _find_largest_product(program: Program) -> tuple[int, int, int]:
    """(elements of its output, operator, instruction)."""
    return max(
        (code[-1].size, j, next(n for n, i in enumerate(code) if i.opcode is Opcode.DOT))
        for j, code in enumerate(program.microcode)
        if any(i.opcode is Opcode.DOT for i in code)
    )


def _answer(
    evidence: Evidence, step: int, operator: int, instruction: int, times: dict[str, float]
) -> None:
    start = time.perf_counter()
    evidence.step_tree(1)
    executed = time.perf_counter()
    evidence.state_tree(step + 1)
    evidence.operator_tree(step)
    traced = time.perf_counter()
    evidence.instruction_tree(step, operator)
    evidence.tensor_tree(step, operator, instruction)
    evidence.chunk_tree(step, operator, instruction, 0)
    opened = time.perf_counter()
    times.update(execute=executed - start, trace=traced - executed, open=opened - traced)


def format_table(figures: list[AnswerFigure]) -> str:
    """Markdown."""
    lines = [
        "| layers | channels | context | rows | step ms | segment ms | execute ms | trace ms "
        "| open ms | in all, of the goal | training MB | answering MB |",
        "|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for f in figures:
        times = (f.step, f.segment, f.execute, f.trace, f.open)
        lines.append(
            f"| {' | '.join(map(str, f.size))} | {' | '.join(f'{t * 1e3:.0f}' for t in times)} "
            f"| {f.answer / f.goal:.2f} | {f.step_peak / 1e6:.0f} | {f.answer_peak / 1e6:.0f} |"
        )
    return "\n".join(lines)


def measure_table(device: str) -> str:
    """Markdown."""
    figures = [run_fresh(measure_size, size) for size in SIZES]
    for f in figures:
        what = f"answers, d={f.size[1]}, of two segments and three steps"
        note(what, f.answer / f.goal, 1.0, unit="x")
    return format_table(figures)


if __name__ == "__main__":
    print(measure_table("cpu"))
