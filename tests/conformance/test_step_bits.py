"""One step, the same state root by every executor."""

import torch

from offchain.runner.commitments import compute_state_root
from offchain.runner.sharding import run_sharded_step
from offchain.runner.step import Stepper, to_device
from protocol import execution
from protocol.types import StepIndex
from tests.unit.offchain.runner.programs import (
    SEED,
    build_dataset,
    build_genesis,
    build_program,
)


def test_step__specification_threads_and_shards__give_one_state_root() -> None:
    program, dataset, genesis = build_program(), build_dataset(), build_genesis()
    step = StepIndex(0)
    batch = execution.compute_batch(program, dataset, SEED, step)
    outputs = execution.execute_step(program, genesis, batch)
    roots = {
        "specification": execution.compute_state_root(
            execution.compute_next_state(program, outputs)
        )
    }
    threads_before = torch.get_num_threads()
    for threads in (1, 2):
        stepper = Stepper(program, dataset, SEED, threads=threads)
        state, _ = stepper.run_step(to_device(program, genesis, stepper.device), step)
        roots[f"{threads} threads"] = compute_state_root(state)
    start = to_device(program, genesis, stepper.device)
    state = run_sharded_step(program, start, stepper.compute_batch(step), shards=2)
    roots["two shards"] = compute_state_root(state)
    assert len(set(roots.values())) == 1, roots
    assert torch.get_num_threads() == threads_before
