"""Recorded steps: the bookkeeping changes no bit. (The recorder here executes them again.)"""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from examples.gpt import Config, build
from offchain.capture import Captured, FieldSpec, capture
from offchain.runner.commitments import compute_state_root
from offchain.runner.graphs import WARM_UP_STEPS, StepGraphs
from offchain.runner.step import Stepper, to_device
from protocol.execution import Dataset
from protocol.types import Root, Seed, StepIndex

STEPS = WARM_UP_STEPS + 5


@pytest.fixture(scope="module")
def captured() -> Captured:
    config = Config(vocabulary=19, context=6, layers=1, heads=2, channels=8)
    module, optimizer = build(config)
    record = FieldSpec(torch.int64, (config.context + 1,), 1)
    return capture(module, optimizer, {"tokens": record}, rows=2)


def make_stepper(captured: Captured) -> Stepper:
    tokens = np.random.default_rng(0).integers(0, 19, 100).astype(np.int32)
    return Stepper(captured.program, Dataset((tokens,), 90), Seed(bytes(32)))


def train(captured: Captured, stepper: Stepper) -> tuple[list[Root], list[float]]:
    state = to_device(captured.program, captured.genesis, stepper.device)
    roots, losses = [], []
    for step in range(STEPS):
        state, reported = stepper.run_step(state, StepIndex(step), is_donated=True)
        roots.append(compute_state_root(state))
        losses.append(float(reported["loss"]))
    return roots, losses


def test_execute__recorded_steps__have_the_bits_of_the_plan(captured: Captured) -> None:
    expected = train(captured, make_stepper(captured))
    replayed = []

    def record(work: Callable[[], None]) -> Callable[[], object]:
        return lambda: (replayed.append(1), work())

    stepper = make_stepper(captured)
    stepper.graphs = StepGraphs(stepper.plan, record)
    assert train(captured, stepper) == expected
    assert len(replayed) == STEPS - WARM_UP_STEPS
    # Another run with the same recordings starts from a state that is not their own.
    assert train(captured, stepper) == expected
    assert len(replayed) == 2 * STEPS - WARM_UP_STEPS


def test_execute__recording_fails__steps_are_executed(captured: Captured) -> None:
    def record(work: Callable[[], None]) -> Callable[[], object]:
        raise RuntimeError("operation not permitted when stream is capturing")

    stepper = make_stepper(captured)
    stepper.graphs = StepGraphs(stepper.plan, record)
    assert train(captured, stepper) == train(captured, make_stepper(captured))
    assert stepper.graphs.has_failed


def test_run_step__observed_or_not_donated__is_not_replayed(captured: Captured) -> None:
    def record(work: Callable[[], None]) -> Callable[[], object]:
        raise AssertionError("nothing may be recorded")

    stepper = make_stepper(captured)
    stepper.graphs = StepGraphs(stepper.plan, record)
    state = to_device(captured.program, captured.genesis, stepper.device)
    for step in range(WARM_UP_STEPS + 2):
        stepper.run_step(state, StepIndex(step))
        stepper.run_step(state, StepIndex(step), lambda j, x: None, is_donated=True)
