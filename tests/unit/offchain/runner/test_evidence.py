"""Evidence: every tree equals the specification's; a fault's answers hang together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from offchain.runner.checkpoints import Checkpoints, compute_run_id
from offchain.runner.evidence import Evidence, KernelMismatch
from offchain.runner.strategy import Strategy
from offchain.runner.training import train
from protocol import execution
from protocol.instructions import Kind, Opcode, Source
from protocol.merkle import compute_tensor_root, compute_tensor_tree, compute_vector_tree
from protocol.semantics import Outside
from protocol.types import CHUNK_LENGTH, SegmentIndex, StepIndex
from tests.unit.offchain.runner.programs import (
    EMBEDDING,
    HEAD,
    MOMENTUM,
    SEED,
    build_dataset,
    build_genesis,
    build_program,
)

SEGMENTS, LENGTH = 2, 3
PROGRAM, DATASET = build_program(), build_dataset()


def make_evidence(strategy: Strategy | None = None, **options: object) -> Evidence:
    return Evidence(
        PROGRAM,
        DATASET,
        build_genesis(),
        SEED,
        SEGMENTS,
        LENGTH,
        strategy=strategy,
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def specified() -> tuple[list[execution.State], list[list[np.ndarray]]]:
    """States before each step and after the last, and every step's operator outputs."""
    states, traces = [build_genesis()], []
    for step in range(SEGMENTS * LENGTH):
        batch = execution.compute_batch(PROGRAM, DATASET, SEED, StepIndex(step))
        traces.append(execution.execute_step(PROGRAM, states[-1], batch))
        states.append(execution.compute_next_state(PROGRAM, traces[-1]))
    return states, traces


@pytest.mark.parametrize("cache_bytes", [2**20, 1000, 0])
def test_trees__honest_run__equal_the_specification(specified, cache_bytes: int) -> None:
    states, traces = specified
    evidence = make_evidence(cache_bytes=cache_bytes)
    roots = [execution.compute_state_root(state) for state in states]
    assert evidence.claim_tree().root == compute_vector_tree([roots[3], roots[6]]).root
    assert evidence.step_tree(SegmentIndex(1)).root == compute_vector_tree(roots[4:7]).root
    assert evidence.slot_tree(StepIndex(4)).root == roots[5]
    assert evidence.state_tree(StepIndex(0)).root == roots[0]
    step = StepIndex(4)
    for slot in range(len(PROGRAM.slots)):
        assert np.array_equal(evidence.state_tensor(step, slot), states[4][slot].reshape(-1))
        assert evidence.state_tensor_tree(step, slot).root == compute_tensor_root(states[4][slot])
    expected = compute_vector_tree([compute_tensor_root(output) for output in traces[4]])
    assert evidence.operator_tree(step).root == expected.root
    batch = execution.compute_batch(PROGRAM, DATASET, SEED, step)
    assert np.array_equal(evidence.batch_field(step, 0), batch[0].reshape(-1))
    assert evidence.dataset_tree().root == DATASET.root


def test_instructions__every_operator__equal_the_specification(specified) -> None:
    states, traces = specified
    evidence, step = make_evidence(), StepIndex(2)
    batch = execution.compute_batch(PROGRAM, DATASET, SEED, step)
    outside = Outside(
        tuple(t.reshape(-1) for t in states[step]), tuple(t.reshape(-1) for t in batch)
    )
    chunked = 0
    for j, code in enumerate(PROGRAM.microcode):
        inputs = tuple(traces[step][item.producer] for item in PROGRAM.operators[j].inputs)
        outputs = execution.execute_microcode(code, inputs, outside)
        expected = compute_vector_tree([compute_tensor_root(output) for output in outputs])
        assert evidence.instruction_tree(step, j).root == expected.root
        for m, (instruction, output) in enumerate(zip(code, outputs)):
            assert evidence.tensor(step, j, m).tobytes() == output.tobytes()
            assert evidence.tensor_tree(step, j, m).root == compute_tensor_tree(output).root
            if instruction.kind is Kind.FOLD:
                element = output.size - 1
                values = evidence.accumulators(step, j, m, element)
                assert len(values) == -(-instruction.fold // CHUNK_LENGTH)
                if len(values) > 1:
                    chunked += 1
                    folded = execution.execute_microcode(
                        (*code[:m], _shorten(instruction, CHUNK_LENGTH)), inputs, outside
                    )[-1].reshape(-1)[element : element + 1]
                    word = folded.view(np.uint32)[0] if folded.itemsize == 4 else folded[0]
                    assert values[0] == int(word)
                leaf = values[-1] % 2**256
                tree = evidence.chunk_tree(step, j, m, element)
                assert tree.get_node(0, len(values) - 1) == leaf.to_bytes(32, "big")
    assert chunked >= 3  # ABSMAX, DOT and MATCH_SUM over the positions


def _shorten(instruction, length: int):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(instruction, fold=length)


class FlippedBit(Strategy):
    """The head's producer is off by one bit in step 4."""

    def get_altered(self, step: StepIndex) -> frozenset[int]:
        return frozenset({PROGRAM.slots[HEAD].producer} if step == 4 else ())

    def alter(self, step, operator, instruction, output, state):  # type: ignore[no-untyped-def]
        words = output.clone().view(torch.int32)
        words.view(-1)[5] ^= 1
        return words.view(torch.float32)


class Stale(Strategy):
    """The momentum is never updated from step 1 on."""

    def get_altered(self, step: StepIndex) -> frozenset[int]:
        return frozenset({PROGRAM.slots[MOMENTUM].producer} if step >= 1 else ())

    def alter(self, step, operator, instruction, output, state):  # type: ignore[no-untyped-def]
        return state[MOMENTUM]


class OtherBatch(Strategy):
    """Step 2 trains on the rows of step 0."""

    def compute_batch(self, batches, step):  # type: ignore[no-untyped-def]
        return batches.compute(StepIndex(0) if step == 2 else step)


class WrongAccumulator(Strategy):
    """One DOT element is wrong, from its first chunk on."""

    def __init__(self) -> None:
        self.operator = next(
            j
            for j, code in enumerate(PROGRAM.microcode)
            if any(i.opcode is Opcode.DOT and i.fold > CHUNK_LENGTH for i in code)
        )
        code = PROGRAM.microcode[self.operator]
        self.instruction = next(m for m, i in enumerate(code) if i.opcode is Opcode.DOT)

    def get_altered(self, step: StepIndex) -> frozenset[int]:
        return frozenset({self.operator} if step == 3 else ())

    def alter(self, step, operator, instruction, output, state):  # type: ignore[no-untyped-def]
        if instruction != self.instruction:
            return output
        wrong = output.clone()
        wrong.view(-1)[2] += 10**6
        return wrong

    def alter_accumulators(self, step, operator, instruction, element, accumulators):  # type: ignore[no-untyped-def]
        return [value + 10**6 for value in accumulators]


@pytest.mark.parametrize("strategy", [FlippedBit(), Stale(), OtherBatch(), WrongAccumulator()])
def test_fault__each_kind__is_consistent_at_every_level(strategy: Strategy) -> None:
    honest, liar = make_evidence(), make_evidence(strategy)
    first = next(s for s in range(6) if honest.slot_tree(s).root != liar.slot_tree(s).root)
    step = StepIndex(first)
    assert liar.claim_tree().root != honest.claim_tree().root
    for slot, description in enumerate(PROGRAM.slots):
        root = liar.slot_tree(step).get_node(0, slot)
        assert liar.operator_tree(step).get_node(0, description.producer) == root
    operator = next(
        j
        for j in range(len(PROGRAM.operators))
        if honest.operator_tree(step).get_node(0, j) != liar.operator_tree(step).get_node(0, j)
    )
    code = PROGRAM.microcode[operator]
    trees = [e.instruction_tree(step, operator) for e in (honest, liar)]
    assert trees[1].get_node(0, len(code) - 1) == liar.operator_tree(step).get_node(0, operator)
    instruction = next(
        m for m in range(len(code)) if trees[0].get_node(0, m) != trees[1].get_node(0, m)
    )
    for operand in code[instruction].operands:
        if operand.source is Source.INSTRUCTION:
            assert trees[0].get_node(0, operand.index) == trees[1].get_node(0, operand.index)
    tensors = [e.tensor(step, operator, instruction) for e in (honest, liar)]
    element = int(np.flatnonzero(tensors[0] != tensors[1])[0])
    if isinstance(strategy, WrongAccumulator):
        values = liar.accumulators(step, operator, instruction, element)
        assert len(values) == 2
        assert values[-1] == int(tensors[1][element])
        assert values[0] != honest.accumulators(step, operator, instruction, element)[0]


def test_evidence__with_checkpoints__reads_them_and_survives_damage(tmp_path: Path) -> None:
    genesis = build_genesis()
    trained = train(PROGRAM, DATASET, genesis, SEED, SEGMENTS, LENGTH, tmp_path)
    run_id = compute_run_id(
        PROGRAM, DATASET.root, execution.compute_state_root(genesis), SEED, LENGTH
    )
    checkpoints = Checkpoints(tmp_path, PROGRAM, run_id)
    evidence = make_evidence(checkpoints=checkpoints)
    assert evidence.claim_tree().root == trained.claim
    checkpoints.get_path(SegmentIndex(0)).write_bytes(b"torn")
    evidence = make_evidence(checkpoints=checkpoints)
    assert evidence.claim_tree().root == trained.claim
    assert evidence.slot_tree(StepIndex(5)).root == trained.roots[-1]


@pytest.mark.parametrize("cache_bytes", [2**20, 0])
def test_evidence__questions_of_a_dispute__execute_a_segment_twice_at_most(
    cache_bytes: int, tmp_path: Path
) -> None:
    segments, length, step = 2, 6, StepIndex(9)
    genesis = build_genesis()
    train(PROGRAM, DATASET, genesis, SEED, segments, length, tmp_path)
    run_id = compute_run_id(
        PROGRAM, DATASET.root, execution.compute_state_root(genesis), SEED, length
    )
    checkpoints = Checkpoints(tmp_path, PROGRAM, run_id)
    evidence = Evidence(
        PROGRAM, DATASET, genesis, SEED, segments, length, checkpoints, cache_bytes=cache_bytes
    )
    executed = 0
    run_step = evidence.stepper.run_step

    def count(*arguments, **options):  # type: ignore[no-untyped-def]
        nonlocal executed
        executed += 1
        return run_step(*arguments, **options)

    evidence.stepper.run_step = count  # type: ignore[method-assign]
    roots = evidence.step_tree(SegmentIndex(1))
    assert executed == length
    evidence.slot_tree(step)
    evidence.operator_tree(step)
    operator = PROGRAM.slots[HEAD].producer
    for part in range(len(PROGRAM.microcode[operator])):
        evidence.instruction_tree(step, operator)
        evidence.tensor_tree(step, operator, part)
    for slot in range(len(PROGRAM.slots)):
        evidence.state_tensor_tree(step, slot)
    assert length < executed <= 2 * length + 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence.stepper, "run_step", run_step)
        fresh = Evidence(PROGRAM, DATASET, genesis, SEED, segments, length)
        expected = [fresh.state_tree(StepIndex(s)).root for s in range(length + 1, 2 * length + 1)]
        assert roots.root == compute_vector_tree(expected).root


def test_evidence__kernel_that_differs_from_its_microcode__is_reported() -> None:
    evidence = make_evidence()
    operator = PROGRAM.slots[EMBEDDING].producer
    stages = evidence.stepper.plan.kernels
    original = stages[operator]
    stages[operator] = lambda inputs, outside: original(inputs, outside) + 1
    with pytest.raises(KernelMismatch, match=f"operator {operator}"):
        evidence.instruction_tree(StepIndex(0), operator)
