"""A lie changes what it says it changes, and nothing before it."""

import pytest
import torch

from offchain.agents.faults import UnknownSlot, build_lies, flip_bit, get_slot
from offchain.runner.evidence import Evidence
from protocol.merkle import Tree
from tests.small_run import (
    LIE_STEP,
    MOMENT,
    PARAMETER,
    SEGMENT_LENGTH,
    SEGMENTS,
    build_small_dataset,
    capture_small_gpt,
)

LIES = {lie.name: lie for lie in build_lies(LIE_STEP, PARAMETER, MOMENT, "matmul")}
SEED = bytes(range(32))


def build_evidence(name: str | None) -> Evidence:
    captured = capture_small_gpt()
    strategy = LIES[name].build(captured.program) if name is not None else None
    return Evidence(
        captured.program,
        build_small_dataset(),
        captured.genesis,
        SEED,
        SEGMENTS,
        SEGMENT_LENGTH,
        strategy=strategy,
    )


def get_leaves(tree: Tree) -> list[bytes]:
    return [tree.get_node(0, leaf) for leaf in range(tree.count)]


@pytest.fixture(scope="module")
def truth() -> Evidence:
    return build_evidence(None)


@pytest.mark.parametrize("name", LIES)
def test_lie__run__differs_from_its_step_on(truth: Evidence, name: str):
    liar = build_evidence(name)
    same = [
        liar.state_tree(step).root == truth.state_tree(step).root
        for step in range(SEGMENTS * SEGMENT_LENGTH + 1)
    ]
    assert same == [step <= LIE_STEP for step in range(len(same))]


@pytest.mark.parametrize("name", LIES)
def test_lie__step__trace_is_consistent_with_the_state(name: str):
    liar = build_evidence(name)
    trace, state = liar.operator_tree(LIE_STEP), liar.slot_tree(LIE_STEP)
    for number, slot in enumerate(liar.program.slots):
        assert trace.get_node(0, slot.producer) == state.get_node(0, number)


def test_bit__state__differs_in_one_slot(truth: Evidence):
    mine, theirs = (get_leaves(e.slot_tree(LIE_STEP)) for e in (truth, build_evidence("bit")))
    differing = [n for n, (a, b) in enumerate(zip(mine, theirs)) if a != b]
    assert differing == [get_slot(truth.program, PARAMETER)]


def test_stale__moment__keeps_its_value():
    liar = build_evidence("stale")
    slot = get_slot(liar.program, MOMENT)
    before, after = liar.state_tree(LIE_STEP), liar.slot_tree(LIE_STEP)
    assert before.get_node(0, slot) == after.get_node(0, slot)


def test_skip__state__is_the_one_before():
    liar = build_evidence("skip")
    assert liar.state_tree(LIE_STEP).root == liar.slot_tree(LIE_STEP).root


def test_flip_bit__any_bit__turns_that_bit_over():
    tensor = torch.zeros(2, 3)
    for bit in (0, 22, 31):
        flipped = flip_bit(tensor, 4, bit).view(torch.int32).reshape(-1).tolist()
        assert [value & 0xFFFFFFFF for value in flipped] == [0, 0, 0, 0, 1 << bit, 0]
    assert not tensor.any()


def test_get_slot__unknown_name__names_it():
    with pytest.raises(UnknownSlot, match="slot 'wte': the program has none of that name"):
        get_slot(capture_small_gpt().program, "wte")
