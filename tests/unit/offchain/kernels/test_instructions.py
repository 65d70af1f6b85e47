"""Every instruction: torch equals the specification, bit for bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.kernels import instructions, memory
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
