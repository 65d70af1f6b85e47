"""Operators that are computed as one give what they give one by one."""

import numpy as np
import pytest
import torch

from examples.gpt import Config, build
from offchain.capture import FieldSpec, capture
from offchain.kernels import chains, llvm
from offchain.runner.commitments import compute_state_root
from offchain.runner.grouping import INSTRUCTIONS_MAX, Group, compute_groups
from offchain.runner.step import Stepper, to_device
from protocol.execution import Dataset
from protocol.instructions import Instruction, Opcode, Operand, Source
from protocol.types import Dtype, Seed, StepIndex
from protocol.views import contiguous

SIZE = 8


def make_map(opcode: Opcode, *producers: int) -> Group:
    """An operator of one map over the outputs of others."""
    operands = tuple(
        Operand(Source.INPUT, index, Dtype.F32, SIZE, contiguous((SIZE,)))
        for index in range(len(producers))
    )
    return Group((Instruction(opcode, Dtype.F32, (SIZE,), operands),), producers)


def test_compute_groups__maps_in_a_row__become_one() -> None:
    single = {
        2: make_map(Opcode.MUL, 0, 1),
        3: make_map(Opcode.SQRT, 2),
        4: make_map(Opcode.DIV, 1, 3),
    }
    groups = compute_groups([2, 3, 4], single, {4})
    assert list(groups) == [4]
    assert [i.opcode for i in groups[4].code] == [Opcode.MUL, Opcode.SQRT, Opcode.DIV]
    assert groups[4].producers == (0, 1)
    sources = [[(o.source, o.index) for o in i.operands] for i in groups[4].code]
    assert sources == [
        [(Source.INPUT, 0), (Source.INPUT, 1)],
        [(Source.INSTRUCTION, 0)],
        [(Source.INPUT, 1), (Source.INSTRUCTION, 1)],
    ]


def test_compute_groups__output_that_is_kept_or_read_twice_or_no_map__stays_alone() -> None:
    single = {
        1: make_map(Opcode.NEG, 0),
        2: make_map(Opcode.ABS, 1),
        3: make_map(Opcode.ADD, 1, 2),
        4: make_map(Opcode.QUANTIZE, 3),
        5: make_map(Opcode.NEG, 4),
    }
    assert list(compute_groups([1, 2, 3, 4, 5], single, {5})) == [1, 3, 4, 5]
    assert list(compute_groups([1, 2, 3, 4, 5], single, {2, 5})) == [1, 2, 3, 4, 5]


def test_compute_groups__long_row__is_cut() -> None:
    count = 2 * INSTRUCTIONS_MAX + 3
    single = {j: make_map(Opcode.NEG, j - 1) for j in range(1, count)}
    groups = compute_groups(range(1, count), single, {count - 1})
    sizes = [len(group.code) for group in groups.values()]
    assert max(sizes) == INSTRUCTIONS_MAX and sum(sizes) == count - 1


def test_compute_groups__operator_that_takes_maps_in__is_joined_with_them() -> None:
    single = {
        1: make_map(Opcode.NEG, 0),
        2: make_map(Opcode.QUANTIZE, 1),  # stands for an operator that is no chain
    }
    assert list(compute_groups([1, 2], single, {2})) == [1, 2]
    asked: list[list[Opcode]] = []

    def has_kernel(code: tuple[Instruction, ...]) -> bool:
        asked.append([i.opcode for i in code])
        return len(code) == 1 or accepts

    accepts = False
    assert list(compute_groups([1, 2], single, {2}, has_kernel)) == [1, 2]
    accepts = True
    groups = compute_groups([1, 2], single, {2}, has_kernel)
    assert [i.opcode for i in groups[2].code] == [Opcode.NEG, Opcode.QUANTIZE]
    assert list(groups) == [2] and groups[2].producers == (0,)
    assert [Opcode.NEG, Opcode.QUANTIZE] in asked


@pytest.mark.skipif(llvm.LLVM is None, reason="LLVM is not installed")
@pytest.mark.parametrize("least", [0, chains.ELEMENTS_MIN])
def test_run_step__grouped__equals_operators_one_by_one(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "ELEMENTS_MIN", least)
    config = Config(vocabulary=19, context=6, layers=1, heads=2, channels=8)
    module, optimizer = build(config)
    record = FieldSpec(torch.int64, (config.context + 1,), 1)
    captured = capture(module, optimizer, {"tokens": record}, rows=2)
    tokens = np.random.default_rng(0).integers(0, config.vocabulary, 100).astype(np.int32)
    dataset = Dataset((tokens,), records=90)
    stepper = Stepper(captured.program, dataset, Seed(bytes(32)))
    assert len(stepper.plan.stages) < 0.7 * len(captured.program.operators)
    grouped = watched = to_device(captured.program, captured.genesis, stepper.device)
    for step in map(StepIndex, range(3)):
        grouped, losses = stepper.run_step(grouped, step)
        watched, expected = stepper.run_step(watched, step, observe=lambda j, output: None)
        assert compute_state_root(grouped) == compute_state_root(watched)
        assert {n: v.item() for n, v in losses.items()} == {
            n: v.item() for n, v in expected.items()
        }
