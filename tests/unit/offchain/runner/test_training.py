"""Training: resume, torn files, divergence."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offchain.runner.checkpoints import Checkpoints, ForeignCheckpoint, compute_run_id
from offchain.runner.step import NotCanonical, StateMismatch
from offchain.runner.training import Diverged, Trained, train
from protocol import execution
from protocol.types import SegmentIndex, StepIndex
from tests.unit.offchain.runner.programs import (
    SEED,
    build_dataset,
    build_genesis,
    build_program,
)

SEGMENTS, LENGTH = 3, 2


class Killed(Exception):
    """Stands for kill -9 in the middle of a step."""


def run(folder: Path, stop_at: int | None = None, **changes: object) -> Trained:
    def progress(done: int, steps: int, reported: object) -> None:
        assert steps == SEGMENTS * LENGTH
        if done == stop_at:
            raise Killed

    arguments = {
        "program": build_program(),
        "dataset": build_dataset(),
        "genesis": build_genesis(),
        "seed": SEED,
        "segments": SEGMENTS,
        "segment_length": LENGTH,
        "progress": progress,
    }
    return train(folder=folder, **{**arguments, **changes})  # type: ignore[arg-type]


def get_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_train__whole_run__claims_what_the_specification_computes(tmp_path: Path) -> None:
    program, dataset, state = build_program(), build_dataset(), build_genesis()
    roots = []
    for step in range(SEGMENTS * LENGTH):
        batch = execution.compute_batch(program, dataset, SEED, StepIndex(step))
        outputs = execution.execute_step(program, state, batch)
        state = execution.compute_next_state(program, outputs)
        if step % LENGTH == LENGTH - 1:
            roots.append(execution.compute_state_root(state))
    trained = run(tmp_path)
    assert list(trained.roots) == roots
    assert all(np.array_equal(a, b) for a, b in zip(trained.state, state))


@pytest.mark.parametrize("stop_at", [1, 2, 3, 5])
def test_train__killed_and_started_again__gives_the_same_claim(
    tmp_path: Path, stop_at: int
) -> None:
    expected = run(tmp_path / "whole").claim
    with pytest.raises(Killed):
        run(tmp_path / "killed", stop_at)
    steps = []
    resumed = run(tmp_path / "killed", progress=lambda done, _, __: steps.append(done))
    assert resumed.claim == expected
    assert steps[0] == (stop_at - 1) // LENGTH * LENGTH + 1


@pytest.mark.parametrize("damage", ["torn", "flipped", "empty", "header", "root"])
def test_train__last_checkpoint_damaged__resumes_before_it(tmp_path: Path, damage: str) -> None:
    expected = run(tmp_path).claim
    path = tmp_path / get_files(tmp_path)[-1]
    data = bytearray(path.read_bytes())
    if damage == "torn":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[-9] ^= 1
    elif damage == "empty":
        data = bytearray()
    elif damage == "root":
        place = data.index(b'"state_root":"') + len(b'"state_root":"')
        data[place] = ord("0") if data[place] != ord("0") else ord("1")
    else:
        data[:8] = b"\xff" * 8
    path.write_bytes(data)
    steps = []
    again = run(tmp_path, progress=lambda done, _, __: steps.append(done))
    assert again.claim == expected
    assert steps == [5, 6]


def test_write__killed_before_the_rename__leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*paths: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", kill)
        with pytest.raises(Killed):
            run(tmp_path)
    assert get_files(tmp_path) == []
    assert run(tmp_path).claim
    assert len(get_files(tmp_path)) == SEGMENTS


def test_train__folder_of_another_run__is_refused_and_kept(tmp_path: Path) -> None:
    run(tmp_path)
    before = [(tmp_path / name).read_bytes() for name in get_files(tmp_path)]
    with pytest.raises(ForeignCheckpoint, match="belongs to another run"):
        run(tmp_path, seed=bytes(32))
    assert before == [(tmp_path / name).read_bytes() for name in get_files(tmp_path)]


def test_train__diverging__names_step_and_operator(tmp_path: Path) -> None:
    program = build_program(rate=1e30)
    with pytest.raises(Diverged) as caught:
        run(tmp_path, program=program, progress=None)
    description = program.describe(caught.value.operator)
    assert f"step {caught.value.step}" in str(caught.value)
    assert description in str(caught.value) and "step.py" in description
    # The specification agrees: no earlier operator of that step makes a NaN.
    state = build_genesis()
    for step in range(caught.value.step + 1):
        batch = execution.compute_batch(program, build_dataset(), SEED, StepIndex(step))
        outputs = execution.execute_step(program, state, batch)
        state = execution.compute_next_state(program, outputs)
    with_nan = [j for j, output in enumerate(outputs) if np.isnan(output).any()]
    assert with_nan[0] == caught.value.operator


def test_train__genesis_of_another_shape__names_the_slot(tmp_path: Path) -> None:
    genesis = list(build_genesis())
    genesis[1] = genesis[1].T
    with pytest.raises(StateMismatch, match="slot 'head'"):
        run(tmp_path, genesis=tuple(genesis))


def test_train__past_nan__claims_what_the_specification_computes(tmp_path: Path) -> None:
    program, state = build_program(rate=1e30), build_genesis()
    state[0][0, 0] = np.nan
    genesis = tuple(np.array(tensor) for tensor in state)
    roots = []
    for step in range(SEGMENTS * LENGTH):
        batch = execution.compute_batch(program, build_dataset(), SEED, StepIndex(step))
        outputs = execution.execute_step(program, state, batch)
        state = execution.compute_next_state(program, outputs)
        if step % LENGTH == LENGTH - 1:
            roots.append(execution.compute_state_root(state))
    changes = {"program": program, "genesis": genesis, "past_nan": True}
    with pytest.raises(Killed):
        run(tmp_path, stop_at=2 * LENGTH + 1, **changes)
    assert list(run(tmp_path, **changes).roots) == roots


def test_train__genesis_with_another_nan__is_refused(tmp_path: Path) -> None:
    genesis = build_genesis()
    genesis[0].view(np.uint32)[0, 0] = 0x7FC00001
    with pytest.raises(NotCanonical, match="slot 'embedding'"):
        run(tmp_path, genesis=genesis)


def test_read__checkpoint_of_another_program_shape__counts_as_missing(tmp_path: Path) -> None:
    program = build_program()
    run(tmp_path)
    state = build_genesis()
    run_id = compute_run_id(
        program, build_dataset().root, execution.compute_state_root(state), SEED, LENGTH
    )
    other = replace(program, slots=program.slots[:1] * 4)
    checkpoints = Checkpoints(tmp_path, program, run_id)
    assert checkpoints.read(SegmentIndex(0)) is not None
    checkpoints.program = other
    assert checkpoints.read(SegmentIndex(0)) is None
