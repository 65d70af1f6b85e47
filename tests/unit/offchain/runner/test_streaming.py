"""Attention computed part by part: the bits of the whole, and no large tensor."""

import numpy as np
import pytest
import torch

from examples.gpt import Config, build
from offchain.capture import Captured, FieldSpec, capture
from offchain.kernels import chains, llvm
from offchain.runner import streaming
from offchain.runner.commitments import compute_state_root
from offchain.runner.schedule import StreamedStage
from offchain.runner.step import Stepper, to_device
from offchain.runner.streaming import Sizes
from protocol.execution import Dataset
from protocol.types import Root, Seed, StepIndex

pytestmark = pytest.mark.skipif(llvm.LLVM is None, reason="operators stay single without LLVM")
CONFIG = Config(vocabulary=19, context=28, layers=2, heads=2, channels=12)
ROWS, STEPS = 3, 3
SCORES = ROWS * CONFIG.heads * CONFIG.context**2


@pytest.fixture(scope="module")
def captured() -> Captured:
    module, optimizer = build(CONFIG)
    record = FieldSpec(torch.int64, (CONFIG.context + 1,), 1)
    return capture(module, optimizer, {"tokens": record}, rows=ROWS)


def make_stepper(captured: Captured) -> Stepper:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, CONFIG.vocabulary, 200).astype(np.int32)
    return Stepper(captured.program, Dataset((tokens,), 150), Seed(bytes(32)))


def compute_root(captured: Captured, stepper: Stepper, is_donated: bool = False) -> Root:
    state = to_device(captured.program, captured.genesis, stepper.device)
    for step in range(STEPS):
        state, _ = stepper.run_step(state, StepIndex(step), is_donated=is_donated)
    return compute_state_root(state)


@pytest.fixture(scope="module")
def expected(captured: Captured) -> Root:
    stepper = make_stepper(captured)
    assert not any(isinstance(stage, StreamedStage) for stage in stepper.plan.stages)
    return compute_root(captured, stepper)


@pytest.mark.parametrize("part, counts", [(SCORES // 2, (3,)), (SCORES // 4, (3, 2))])
@pytest.mark.parametrize("is_donated", [False, True])
def test_run_step__attention_in_parts__has_the_bits_of_the_whole(
    captured: Captured,
    expected: Root,
    part: int,
    counts: tuple[int, ...],
    is_donated: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(streaming.SIZES, "cpu", Sizes(SCORES, part))
    stepper = make_stepper(captured)
    streams = [s.stream for s in stepper.plan.stages if isinstance(s, StreamedStage)]
    assert [stream.counts for stream in streams] == [counts] * 2 * CONFIG.layers
    # Forwards one output, backwards the gradients of queries, keys and values.
    assert sorted(len(stream.results) for stream in streams) == [1, 1, 3, 3]
    alone = {
        j for s in stepper.plan.stages if not isinstance(s, StreamedStage) for j in s.operators
    }
    held = [captured.program.microcode[j][-1].shape for j in alone]
    assert not [shape for shape in held if shape[-2:] == (CONFIG.context,) * 2 and len(shape) > 2]
    assert compute_root(captured, stepper, is_donated) == expected


def test_find_streams__large_tensor_is_a_result__is_computed_whole(captured: Captured) -> None:
    program = captured.program
    active = range(len(program.operators))

    def compile_nothing(code: object) -> None:
        raise AssertionError("no stream is possible")

    large = {j for j in active if program.microcode[j][-1].size == SCORES}
    assert large
    sizes = Sizes(SCORES, 1)
    assert streaming.find_streams(program, active, large, compile_nothing, sizes) == []  # type: ignore[arg-type]


def test_run_step__donated_state__is_overwritten_and_the_result_the_same(
    captured: Captured, expected: Root
) -> None:
    state = to_device(captured.program, captured.genesis, torch.device("cpu"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chains, "ELEMENTS_MIN", 0)
        stepper = make_stepper(captured)
    places = [tensor.data_ptr() for tensor in state]
    after, _ = stepper.run_step(state, StepIndex(0), is_donated=True)
    same = [tensor.data_ptr() == place for tensor, place in zip(after, places)]
    assert sum(same) > 0.8 * len(same), "most of the state takes the place of the state before"
    assert compute_root(captured, stepper, is_donated=True) == expected


def test_run_step__state_that_is_kept__is_left_alone(captured: Captured) -> None:
    stepper = make_stepper(captured)
    state = to_device(captured.program, captured.genesis, stepper.device)
    copies = [tensor.clone() for tensor in state]
    stepper.run_step(state, StepIndex(0))
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(state, copies))
