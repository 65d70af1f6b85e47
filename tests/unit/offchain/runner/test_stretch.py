"""A stretch from the state before it has the roots of the whole run."""

from pathlib import Path

import numpy as np
import pytest

from offchain.runner.checkpoints import Checkpoints, compute_run_id
from offchain.runner.speed import Speed, measure_speed
from offchain.runner.step import NotCanonical, StateMismatch, Stepper, to_device
from offchain.runner.stretch import execute_stretch
from offchain.runner.training import train
from protocol.execution import State, compute_state_root
from protocol.types import Root, SegmentIndex, StepIndex
from tests.unit.offchain.runner.programs import (
    EMBEDDING,
    SEED,
    build_dataset,
    build_genesis,
    build_program,
)

SEGMENTS, LENGTH = 4, 3


def build_stepper() -> Stepper:
    return Stepper(build_program(), build_dataset(), SEED)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Root, ...], list[State]]:
    """State roots after the segments of a run, and the states before them."""
    folder: Path = tmp_path_factory.mktemp("run")
    program, dataset, genesis = build_program(), build_dataset(), build_genesis()
    roots = train(program, dataset, genesis, SEED, SEGMENTS, LENGTH, folder).roots
    run_id = compute_run_id(program, dataset.root, compute_state_root(genesis), SEED, LENGTH)
    found = [Checkpoints(folder, program, run_id).read(SegmentIndex(s)) for s in range(SEGMENTS)]
    return roots, [genesis, *(item[0] for item in found if item is not None)]


@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 3), (1, 1), (0, 3)])
def test_execute_stretch__from_the_state_before__ends_as_the_whole_run(whole, first, last):
    roots, states = whole
    steps = (last - first + 1) * LENGTH
    start = StepIndex(first * LENGTH)
    assert execute_stretch(build_stepper(), states[first], start, steps) == roots[last]


def test_execute_stretch__another_step_number__reads_other_batches(whole):
    roots, states = whole
    found = execute_stretch(build_stepper(), states[1], StepIndex(LENGTH + 1), LENGTH)
    assert found != roots[1]


def test_execute_stretch__state_with_nan__goes_on_to_the_end(whole):
    _, states = whole
    state = [array.copy() for array in states[1]]
    state[EMBEDDING][0, 0] = np.float32(np.nan)
    seen: list[int] = []
    execute_stretch(
        build_stepper(), tuple(state), StepIndex(3), 2, lambda done, steps, _: seen.append(done)
    )
    assert seen == [1, 2]


def test_execute_stretch__state_of_something_else__is_refused(whole):
    _, states = whole
    with pytest.raises(StateMismatch):
        execute_stretch(build_stepper(), states[1][:-1], StepIndex(3), 1)
    odd = [array.copy() for array in states[1]]
    odd[EMBEDDING].view(np.uint32)[0, 0] = 0x7FC00001
    with pytest.raises(NotCanonical):
        execute_stretch(build_stepper(), tuple(odd), StepIndex(3), 1)


def test_measure_speed__any_program__takes_time_and_changes_nothing(whole):
    roots, states = whole
    stepper = build_stepper()
    speed = measure_speed(stepper, to_device(stepper.program, states[0], stepper.device))
    assert min(speed.step_seconds, speed.commit_seconds, speed.trace_seconds) > 0
    assert execute_stretch(stepper, states[0], StepIndex(0), LENGTH) == roots[0]


def test_speed__times_of_a_run__follow_from_a_step():
    speed = Speed(step_seconds=2.0, commit_seconds=0.5, trace_seconds=7.0)
    assert speed.compute_run_seconds(3, 4) == 3 * (4 * 2.0 + 0.5)
    assert speed.compute_reexecution_seconds(4) == 4 * 2.5
    # A segment of one step: its trace is what takes longest.
    assert speed.compute_reexecution_seconds(1) == 7.0
