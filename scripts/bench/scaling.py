"""How cost grows, as tables and a picture: docs/scaling.svg.

`python -m scripts.bench.scaling`. Step time and commitment against parameters; a run's time and
commitments against its steps and the length of a segment; what a worker computes to answer a whole
dispute against steps, operators and elements of the opened tensor; gas and transactions of the
longest dispute against the same.
"""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from offchain.plot import Line, plot_lines
from offchain.runner.commitments import compute_state_root
from protocol.types import StepIndex
from scripts.bench import answers, overhead
from scripts.bench.answers import AnswerFigure
from scripts.bench.dispute import Extent, LongestDispute, measure
from scripts.bench.overhead import OverheadFigure
from scripts.bench.peak import run_fresh
from scripts.bench.steps import prepare

PICTURE = Path("docs/scaling.svg")
SIZES = ((2, 192, 64, 4), (2, 384, 64, 4), (4, 512, 64, 4), (8, 576, 64, 4), (14, 768, 64, 4))
STEPS = 3
# Of one small model: (segments, steps of a segment).
RUNS = ((1, 32), (4, 32), (16, 32))
SEGMENT_RUNS = ((128, 1), (32, 4), (8, 16), (2, 64))
SMALL = (4, 128, 64, 16)
# A dispute's answers: (what grows, sizes, steps of a segment).
ANSWERS = (
    ("steps", ((SMALL, 4), (SMALL, 16), (SMALL, 64))),
    ("operators", tuple(((layers, 128, 64, 4), 16) for layers in (1, 4, 16))),
    ("elements", tuple(((2, 128, 64, rows), 16) for rows in (1, 8, 64))),
)
RUN_LENGTHS = (2**10, 2**15, 2**20)
OPERATOR_COUNTS = (2**6, 2**9, 2**12)
TENSOR_ROWS = (2**7, 2**10, 2**14)


@dataclass(frozen=True)
class ModelFigure:
    """Seconds of a step and of a commitment, for a number of parameters."""

    parameters: int
    step: float
    commit: float


@dataclass(frozen=True)
class DisputeFigure:
    """Gas and transactions of the longest dispute."""

    extent: Extent
    gas: int
    transactions: int


def measure_model(size: tuple[int, int, int, int]) -> ModelFigure:
    """Medians."""
    prepared = prepare(size, "float32", torch.device("cpu"))
    stepper, state = prepared.stepper, prepared.state
    steps, commits = [], []
    for step in range(STEPS + 1):
        start = time.perf_counter()
        state, _ = stepper.run_step(state, StepIndex(step), is_donated=True)
        middle = time.perf_counter()
        compute_state_root(state)
        steps.append(middle - start)
        commits.append(time.perf_counter() - middle)
    count = sum(tensor.numel() for tensor in state) // 3  # weights and two moments
    return ModelFigure(count, statistics.median(steps[1:]), statistics.median(commits[1:]))


def measure_disputes() -> dict[str, list[DisputeFigure]]:
    """By what grows while the rest is as large as it gets."""
    extents = {
        "steps": [Extent(segments=2**5, segment_length=n // 2**5) for n in RUN_LENGTHS[:1]]
        + [Extent(segments=2**10, segment_length=n // 2**10) for n in RUN_LENGTHS[1:]],
        "operators": [Extent(operators=n) for n in OPERATOR_COUNTS],
        "elements": [Extent(rows=n) for n in TENSOR_ROWS],
    }
    figures: dict[str, list[DisputeFigure]] = {}
    for name, own in extents.items():
        figures[name] = []
        for extent in own:
            dispute = LongestDispute(extent)
            moves = measure(dispute, dispute.deploy())
            total = sum(gas for _, gas in moves)
            figures[name].append(DisputeFigure(extent, total, len(moves)))
    return figures


def _get_extent(name: str, extent: Extent) -> int:
    match name:
        case "steps":
            return extent.segments * extent.segment_length
        case "operators":
            return extent.operators
    return extent.rows**2


def measure_answers() -> dict[str, list[AnswerFigure]]:
    """By what grows; each in a process of its own."""
    return {
        name: [run_fresh(answers.measure_size, *own) for own in sizes] for name, sizes in ANSWERS
    }


def _get_answer_extent(name: str, figure: AnswerFigure) -> int:
    match name:
        case "steps":
            return figure.segment_length
        case "operators":
            return figure.operators
    return figure.elements


def draw(
    models: list[ModelFigure],
    runs: list[OverheadFigure],
    segments: list[OverheadFigure],
    answered: dict[str, list[AnswerFigure]],
    disputes: dict[str, list[DisputeFigure]],
) -> str:
    """The picture."""
    panels = [
        (
            "seconds against parameters",
            [
                Line("step", [(f.parameters, f.step) for f in models]),
                Line("commitment", [(f.parameters, f.commit) for f in models]),
            ],
        ),
        (
            "seconds of a run against its steps",
            [
                Line("training", [(f.steps, f.training) for f in runs]),
                Line("committing", [(f.steps, f.committing) for f in runs]),
            ],
        ),
        (
            "committing, % of training, against a segment's steps",
            [Line("committing", [(f.segment_length, 100 * f.share) for f in segments])],
        ),
        (
            "seconds to answer a dispute",
            [
                Line(name, [(_get_answer_extent(name, f), f.answer) for f in figures])
                for name, figures in answered.items()
            ],
        ),
        (
            "longest dispute: millions of gas",
            [
                Line(name, [(_get_extent(name, f.extent), f.gas / 1e6) for f in figures])
                for name, figures in disputes.items()
            ],
        ),
    ]
    return plot_lines(panels)


def _format_run(f: OverheadFigure) -> str:
    return (
        f"| {f.steps:,} | {f.segment_length} | {f.training:.2f} | {f.committing * 1e3:.0f} "
        f"| {f.share:.1%} |"
    )


def measure_table(device: str) -> str:
    """Markdown; the picture is written beside the document."""
    models = [measure_model(size) for size in SIZES]
    runs, segments = (
        [overhead.measure_size(SMALL, *own) for own in every] for every in (RUNS, SEGMENT_RUNS)
    )
    answered, disputes = measure_answers(), measure_disputes()
    PICTURE.write_text(draw(models, runs, segments, answered, disputes))
    lines = ["| parameters | step ms | commitment ms |", "|---:|---:|---:|"]
    lines += [f"| {f.parameters:,} | {f.step * 1e3:.0f} | {f.commit * 1e3:.1f} |" for f in models]
    lines += ["", "| steps | of a segment | training s | committing ms | of training |"]
    lines += ["|---:|---:|---:|---:|---:|", *map(_format_run, [*runs, *segments])]
    lines += ["", "| grows | to | a worker's answers s |", "|---|---:|---:|"]
    for name, answers_ in answered.items():
        lines += [
            f"| {name} | {_get_answer_extent(name, f):,} | {f.answer:.2f} |" for f in answers_
        ]
    lines += ["", "| grows | to | transactions | gas |", "|---|---:|---:|---:|"]
    for name, figures in disputes.items():
        lines += [
            f"| {name} | {_get_extent(name, f.extent):,} | {f.transactions} | {f.gas:,} |"
            for f in figures
        ]
    return "\n".join([*lines, "", "![How cost grows](scaling.svg)"])


if __name__ == "__main__":
    print(measure_table("cpu"))
