"""One step, the same state root by every executor."""

import numpy as np
import pytest
import torch

from examples.gpt import Config, build
from offchain.capture import FieldSpec, capture
from offchain.runner.commitments import compute_state_root
from offchain.runner.sharding import run_sharded_step
from offchain.runner.step import Stepper, to_device
from protocol import execution
from protocol.execution import Dataset, State
from protocol.program import Program
from protocol.types import StepIndex
from tests.unit.offchain.runner import programs

Task = tuple[Program, Dataset, State]


def build_by_hand() -> Task:
    return programs.build_program(), programs.build_dataset(), programs.build_genesis()


def build_gpt() -> Task:
    config = Config(vocabulary=19, context=6, layers=1, heads=2, channels=8)
    module, optimizer = build(config)
    record = FieldSpec(torch.int64, (config.context + 1,), 1)
    captured = capture(module, optimizer, {"tokens": record}, rows=2)
    tokens = np.random.default_rng(0).integers(0, config.vocabulary, 100).astype(np.int32)
    return captured.program, Dataset((tokens,), records=90), captured.genesis


@pytest.mark.parametrize("build_task", [build_by_hand, build_gpt])
def test_step__specification_threads_and_shards__give_one_state_root(build_task) -> None:
    program, dataset, genesis = build_task()
    step = StepIndex(0)
    batch = execution.compute_batch(program, dataset, programs.SEED, step)
    outputs = execution.execute_step(program, genesis, batch)
    after = execution.compute_next_state(program, outputs)
    roots = {"specification": execution.compute_state_root(after)}
    threads_before = torch.get_num_threads()
    for threads in (1, 2):
        stepper = Stepper(program, dataset, programs.SEED, threads=threads)
        state, _ = stepper.run_step(to_device(program, genesis, stepper.device), step)
        roots[f"{threads} threads"] = compute_state_root(state)
    start = to_device(program, genesis, stepper.device)
    state = run_sharded_step(program, start, stepper.compute_batch(step), shards=2)
    roots["two shards"] = compute_state_root(state)
    assert len(set(roots.values())) == 1, roots
    assert roots["specification"] != execution.compute_state_root(genesis)
    assert torch.get_num_threads() == threads_before
