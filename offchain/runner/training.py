"""Training: steps, segments, commitments, checkpoints, and what happens when it diverges."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import torch

from offchain.runner.checkpoints import Checkpoints, compute_run_id
from offchain.runner.commitments import compute_state_root, to_committed
from offchain.runner.group import Group
from offchain.runner.plan import Observer, Tensors
from offchain.runner.step import Stepper, to_device
from offchain.runner.strategy import Strategy
from protocol.execution import Dataset, State
from protocol.merkle import compute_vector_root
from protocol.program import Program
from protocol.types import Root, Seed, SegmentIndex, StepIndex

Reported = Mapping[str, float]
Progress = Callable[[int, int, Reported], None]  # steps done, steps in all, reported scalars


class Diverged(ArithmeticError):
    """Training produced NaN."""

    def __init__(self, step: StepIndex, operator: int, description: str):
        super().__init__(f"training diverged: NaN first appears in step {step}, {description}")
        self.step, self.operator = step, operator


@dataclass(frozen=True)
class Trained:
    """A finished run: what a worker claims, and the state it ended with."""

    roots: tuple[Root, ...]  # state roots at the ends of segments
    state: State

    @property
    def claim(self) -> Root:
        """The vector root over the segment-end state roots."""
        return compute_vector_root(self.roots)


def train(
    program: Program,
    dataset: Dataset,
    genesis: State,
    seed: Seed,
    segments: int,
    segment_length: int,
    folder: Path,
    *,
    device: str = "cpu",
    strategy: Strategy | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    past_nan: bool = False,
    group: Group | None = None,
) -> Trained:
    """Run all segments, resuming after the last good checkpoint in `folder`.

    `past_nan` is for who checks a run: its roots exist whether or not it was worth running.
    With a group all its processes call this; the first one alone reads and writes the folder.
    Raises Diverged unless `past_nan`; ForeignCheckpoint if the folder is another run's;
    StateMismatch, NotCanonical or DatasetMismatch if genesis or dataset do not fit the program;
    UnevenBatch or RanksDisagree where there are processes that do not fit it or each other.
    """
    stepper = Stepper(program, dataset, seed, device, strategy, threads, group)
    state = to_device(program, genesis, stepper.device)
    genesis_root = compute_state_root(state)
    run_id = compute_run_id(program, dataset.root, genesis_root, seed, segment_length)
    checkpoints = None
    roots: list[Root] = []
    if group is not None:
        group.check_same("run", run_id)
    if group is None or group.is_first:
        checkpoints = Checkpoints(folder, program, run_id)
        roots, resumed = _resume(checkpoints, segments)
        if resumed is not None:
            state = to_device(program, resumed, stepper.device)
    if group is not None:
        roots = [Root(root) for root in group.share_digests(roots)]
        state = tuple(group.share(tensor) for tensor in state)
    for segment in range(len(roots), segments):
        # The state before the segment is overwritten where it can be had again.
        start, first = None if group is None else state, segment * segment_length
        for step in range(first, first + segment_length):
            state, reported = stepper.run_step(
                state, StepIndex(step), is_donated=start is None or step > first
            )
            if progress is not None or group is not None:
                scalars = {name: float(value) for name, value in reported.items()}
                if progress is not None:
                    progress(step + 1, segments * segment_length, scalars)
                if not past_nan and any(isnan(value) for value in scalars.values()):
                    break
        if not past_nan and _has_nan((*state, *reported.values())):
            if start is None:
                assert checkpoints is not None
                start = _read_start(checkpoints, stepper, genesis, segment)
            raise _locate_divergence(stepper, start, first, segment_length)
        roots.append(compute_state_root(state))
        if group is not None:
            group.check_same(f"state after segment {segment}", roots[-1])
        if checkpoints is not None:
            checkpoints.write(SegmentIndex(segment), state, roots[-1])
    return Trained(tuple(roots), tuple(to_committed(tensor) for tensor in state))


def _resume(checkpoints: Checkpoints, segments: int) -> tuple[list[Root], State | None]:
    """Roots of the finished segments, and the state after them if there are any."""
    roots: list[Root] = []
    for segment in range(segments):
        root = checkpoints.read_root(SegmentIndex(segment))
        if root is None:
            break
        roots.append(root)
    while roots:
        found = checkpoints.read(SegmentIndex(len(roots) - 1))
        if found is not None:
            return roots, found[0]
        roots.pop()
    return roots, None


def _read_start(
    checkpoints: Checkpoints, stepper: Stepper, genesis: State, segment: int
) -> Tensors:
    """The state before a segment, from the checkpoint that the segment before it left."""
    state = genesis
    if segment > 0:
        found = checkpoints.read(SegmentIndex(segment - 1))
        assert found is not None, "it was written a segment ago"
        state = found[0]
    return to_device(stepper.program, state, stepper.device)


def _has_nan(tensors: Tensors) -> bool:
    return any(t.dtype is torch.float32 and bool(t.isnan().any()) for t in tensors)


def _watch_nan(seen: list[bool]) -> Observer:
    return lambda operator, output: seen.append(_has_nan((output,)))


def _locate_divergence(stepper: Stepper, state: Tensors, first: int, count: int) -> Diverged:
    """Repeat a segment, watching every operator; its last state or report holds a NaN."""
    program = stepper.program
    for step in range(first, first + count):
        has_nan: list[bool] = []
        state, reported = stepper.run_step(state, StepIndex(step), _watch_nan(has_nan))
        if _has_nan((*state, *reported.values())):
            break
    operator = next(
        j
        for j, item in enumerate(program.operators)
        if has_nan[j] and not any(has_nan[i.producer] for i in item.inputs)
    )
    return Diverged(StepIndex(step), operator, program.describe(operator))
