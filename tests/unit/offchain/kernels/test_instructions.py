"""Every instruction: torch equals the specification, bit for bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.kernels import instructions, maps, memory, products
from offchain.kernels.reading import to_torch
from offchain.kernels.settings import numeric_settings
from protocol import semantics
from protocol.instructions import LEGALITY, Opcode
from tests.unit.offchain.kernels.operands import Case, cases_of

CPU = torch.device("cpu")


def run_both(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """(specification, torch) of one case."""
    has_sources = bool(case.instruction.operands)
    outside = semantics.Outside(case.sources, case.sources)
    tensors = tuple(to_torch(s) for s in case.sources)
    expected = semantics.execute(case.instruction, case.sources if has_sources else (), outside)
    with numeric_settings(threads=1):
        result = instructions.execute(
            case.instruction,
            tensors if has_sources else (),
            memory.Outside(tensors, tensors),
            CPU,
        )
    return expected, result.numpy()


@pytest.mark.parametrize("opcode", list(Opcode), ids=lambda opcode: opcode.name)
def test_execute__any_operands_and_index_maps__equals_the_specification(opcode: Opcode) -> None:
    met = {"cases": 0, "elements": 0}

    @settings(max_examples=40)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        case = data.draw(cases_of(opcode))
        expected, result = run_both(case)
        assert result.shape == expected.shape == case.instruction.shape
        assert result.dtype == expected.dtype
        assert result.tobytes() == np.ascontiguousarray(expected).tobytes()
        met["cases"] += 1
        met["elements"] += result.size

    check()
    assert met["cases"] >= 30 and met["elements"] >= 40


def test_opcodes__all__have_a_legality_entry() -> None:
    assert set(LEGALITY) == set(Opcode)


def test_dequantize__wide_accumulators_near_ties__round_once() -> None:
    rng = np.random.default_rng(0)
    size = 20_000
    # 24 significant bits, a tie below them, and a lowest bit that a float64 would drop.
    top = rng.integers(2**23, 2**24, size)
    width = rng.integers(24, 38, size)
    nudge = rng.integers(-1, 2, size)
    accumulator = (top * 2 + 1) * 2**width + nudge
    accumulator *= rng.choice([-1, 1], size)
    assert np.abs(accumulator).max() <= 2**62
    m = np.exp2(rng.integers(-149, 60, size)).astype(np.float32)
    expected = semantics.dequantize(accumulator, m, None, 24, 0)
    result = maps.canonicalize(
        maps.dequantize(to_torch(accumulator), to_torch(m), None, 24, 0)
    ).numpy()
    assert result.tobytes() == expected.tobytes()
    through_float64 = (accumulator.astype(np.float64) * np.exp2(np.log2(m) - 22)).astype(np.float32)
    assert (through_float64 != expected).mean() > 0.05  # the cases do need the sticky bit


def test_dot__operands_of_31_bits__are_split_and_exact() -> None:
    rng = np.random.default_rng(1)
    a = rng.integers(-(2**30), 2**30, (3, 5, 7)).astype(np.int32)
    b = rng.integers(-(2**29), 2**29, (3, 7, 4)).astype(np.int32)
    expected = np.einsum("bmk,bkn->bmn", a.astype(object), b.astype(object)).astype(np.int64)
    largest = (products.compute_largest(to_torch(a)), products.compute_largest(to_torch(b)))
    result = products.matmul(to_torch(a), to_torch(b), *largest)
    assert np.array_equal(result.numpy(), expected)
