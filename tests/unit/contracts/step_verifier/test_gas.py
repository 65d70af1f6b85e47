"""A last step fits: gas per instruction at 2**28 elements, and the size of the code."""

from typing import Any

from protocol.instructions import Opcode
from scripts.bench.last_step import GAS_GOAL, format_table, measure_last_steps

CODE_LIMIT = 24_576  # EIP-170


def test_compute_element__largest_tensors__within_goal(verifier: Any) -> None:
    figures = measure_last_steps(verifier)
    assert set(figures) == set(Opcode)
    print("\n" + format_table(figures))
    for opcode, (small, large) in figures.items():
        assert small.total < large.total < GAS_GOAL, opcode.name


def test_code__deployed__within_limit(verifier: Any) -> None:
    assert len(verifier.bytecode) <= CODE_LIMIT
