"""How long a program's steps take on this machine: measured before anything is promised."""

import time
from dataclasses import dataclass

from torch import Tensor

from offchain.runner.commitments import compute_state_root, compute_tensor_root
from offchain.runner.plan import Tensors
from offchain.runner.step import Stepper
from protocol.types import StepIndex


@dataclass(frozen=True)
class Speed:
    """Seconds of one step, of committing to one state, and of a step with its whole trace."""

    step_seconds: float
    commit_seconds: float
    trace_seconds: float

    def compute_run_seconds(self, segments: int, segment_length: int) -> float:
        """Of training: a state is committed to once per segment."""
        return segments * (segment_length * self.step_seconds + self.commit_seconds)

    def compute_reexecution_seconds(self, segment_length: int) -> float:
        """Of the longest move of a game: all states of a segment, or one step's trace."""
        segment = segment_length * (self.step_seconds + self.commit_seconds)
        return max(segment, self.trace_seconds)


def measure_speed(stepper: Stepper, state: Tensors) -> Speed:
    """Execute the first step three times: to warm up, with its trace, and alone."""
    step = StepIndex(0)
    after, _ = stepper.run_step(state, step)
    started = time.perf_counter()
    compute_state_root(after)
    committed = time.perf_counter()
    stepper.run_step(state, step, _hash)
    traced = time.perf_counter()
    # Reading a result waits for a device that works on behind the host's back.
    after, _ = stepper.run_step(state, step)
    after[-1].cpu()
    done = time.perf_counter()
    return Speed(done - traced, committed - started, traced - committed)


def _hash(operator: int, output: Tensor) -> None:
    compute_tensor_root(output)
