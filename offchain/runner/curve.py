"""A run's losses and times, as its worker saw them: a line of CSV for each step.

    step,seconds,loss
    1,0.0312,2.3026

`seconds` is what the step took, `loss` the loss of its batch before the update. None of it is
committed to: the losses follow from the run and can be computed again, the times are hearsay.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

from offchain.runner.training import Progress, Reported

POINTS_MAX = 2**16  # of a run; of longer ones every so many steps give one
HEADER = "step,seconds,loss"


class MalformedCurve(ValueError):
    """A curve that is none: lines that are no numbers, or in no order."""


@dataclass(frozen=True)
class Point:
    """A step, counted from 1."""

    step: int
    seconds: float
    loss: float


Curve = tuple[Point, ...]


def encode_curve(curve: Curve) -> str:
    """As CSV."""
    lines = [f"{p.step},{p.seconds:.6g},{p.loss:.9g}" for p in curve]
    return "\n".join([HEADER, *lines, ""])


def decode_curve(text: str) -> Curve:
    """The points, in order. Raises `MalformedCurve`."""
    header, *lines = text.splitlines() or [""]
    if header != HEADER or len(lines) > POINTS_MAX + 1:
        raise MalformedCurve(f"curve: {len(lines)} lines under {header[:40]!r}")
    points: list[Point] = []
    for line in lines:
        point = _parse(line)
        if point is None or (points and point.step <= points[-1].step):
            raise MalformedCurve(f"curve: line {line[:40]!r}")
        points.append(point)
    return tuple(points)


def _parse(line: str) -> Point | None:
    try:
        step, seconds, loss = line.split(",")
        point = Point(int(step), float(seconds), float(loss))
    except ValueError:
        return None
    return point if point.step > 0 and 0 <= point.seconds < math.inf else None


class CurveLog:
    """The file of one run: lines are added as steps are done, whatever process does them."""

    def __init__(self, path: Path):
        self.path = path

    def watch(self, progress: Progress | None) -> Progress:
        """A `progress` that also writes down what it is told. Times count from here."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a") as file:
            file.write("\n")  # the last line may have been cut when a process was killed
        last_time, last_step = time.perf_counter(), 0

        def watch(done: int, steps: int, reported: Reported) -> None:
            nonlocal last_time, last_step
            every = -(-steps // POINTS_MAX)
            # A stranger's program need not report a loss.
            if "loss" in reported and (done % every == 0 or done == steps):
                now = time.perf_counter()
                taken = max(1, done - last_step) if last_step else (done - 1) % every + 1
                point = Point(done, (now - last_time) / taken, float(reported["loss"]))
                with open(self.path, "a") as file:
                    file.write(encode_curve((point,)).split("\n", 1)[1])
                last_time, last_step = time.perf_counter(), done
            if progress is not None:
                progress(done, steps, reported)

        return watch

    def read(self) -> Curve:
        """What is written so far; a step that was done again counts as it was done last."""
        if not self.path.is_file():
            return ()
        points = (_parse(line) for line in self.path.read_text(errors="replace").splitlines())
        latest = {point.step: point for point in points if point is not None}
        return tuple(latest[step] for step in sorted(latest))
