"""The campaign of `scripts/campaign` in small: contract against protocol for every instruction.

`make test-long` runs it with 100,000 cases of each.
"""

from collections import Counter
from typing import Any

import gmpy2
import pytest

from protocol.instructions import LEGALITY, Kind, Opcode
from protocol.map_unit import UnknownMap, compute_map, to_integer
from scripts.campaign import elements
from scripts.campaign.edges import count_operands, get_edges
from scripts.campaign.elements import Figures, Mismatch, compare_instruction, is_batched
from scripts.campaign.operands import Operands
from scripts.campaign.referee import CallError, Referee
from tests.float_cases import EDGES, to_mpfr

CASES = 1_000
ELEMENTS = 60  # with real openings
SEED = 1
MAPS = [opcode for opcode in Opcode if LEGALITY[opcode].kind is Kind.MAP]
TO_FLOATS = {"zero", "normal", "subnormal", "infinite", "nan"}
TO_INTEGERS = {"zero", "positive", "negative"}
TO_BOOLEANS = {"zero", "positive"}
FLOAT_PAIRS = [*MAPS[:4], Opcode.MAX, Opcode.MIN]
COMPARISONS = [Opcode.LT, Opcode.LE, Opcode.EQ]
BOOLEANS = [*COMPARISONS, Opcode.NOT, Opcode.ILT, Opcode.ILE, Opcode.IEQ]
# Kinds of results that the cases of an instruction must have met; if not named, TO_INTEGERS.
INTERESTING: dict[Opcode, set[str]] = {
    **dict.fromkeys([*FLOAT_PAIRS, Opcode.NEG, Opcode.EXP, Opcode.DEQUANTIZE], TO_FLOATS),
    **dict.fromkeys(BOOLEANS, TO_BOOLEANS),
    **dict.fromkeys([Opcode.SQRT, Opcode.FLOOR, Opcode.LOG], TO_FLOATS - {"subnormal"}),
    **dict.fromkeys([Opcode.TANH, Opcode.ERF], TO_FLOATS - {"infinite"}),
    Opcode.ABS: TO_FLOATS,
    Opcode.I2F: {"zero", "normal"},
    Opcode.MAXIMUM: {"normal", "nan"},
    Opcode.ABSMAX: {"normal", "nan"},
    Opcode.IOTA: TO_BOOLEANS,
    Opcode.RANDOM: {"positive"},
}


@pytest.mark.parametrize("opcode", list(Opcode), ids=lambda opcode: opcode.name)
def test_compare_instruction__edges_and_seeded_cases__no_mismatch(
    referee: Referee, opcode: Opcode
) -> None:
    cases, count = (CASES, ELEMENTS) if is_batched(opcode) else (0, 4 * ELEMENTS)
    figures = compare_instruction(referee, opcode, cases, count, SEED)
    assert (figures.seeded, figures.elements) == (cases, count)
    assert INTERESTING.get(opcode, TO_INTEGERS) <= set(figures.met), figures.met
    if opcode in MAPS:
        assert figures.edges == len(list(get_edges(opcode))) > 0


def test_get_edges__two_floats__all_pairs() -> None:
    for opcode in [*FLOAT_PAIRS, *COMPARISONS]:
        pairs = {case[:2] for case in get_edges(opcode)}
        assert pairs == {(a, b) for a in EDGES for b in EDGES}


def test_compare_instruction__protocol_altered__mismatch_with_its_operands(
    referee: Referee, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the campaign is for: one result that differs, of thousands, ends it."""

    def alter(opcode: int, *case: int) -> int:
        word = compute_map(opcode, *case)
        return word ^ 1 if case[:2] == (0x3F800000, 0x3F7FFFFF) else word

    monkeypatch.setattr(elements, "compute_map", alter)
    with pytest.raises(Mismatch) as caught:
        compare_instruction(referee, Opcode.SUB, 0, 0, SEED)
    assert str(caught.value) == (
        "SUB: compute_map(Opcode.SUB, 0x3f800000, 0x3f7fffff, 0x0, 0, 0)\n"
        "  contract: 0x33800000\n  protocol.map_unit: 0x33800001"
    )


@pytest.mark.parametrize("opcode", [Opcode.DOT, Opcode.RANDOM, Opcode.GATHER])
def test_compare_instruction__other_voices_altered__mismatch(
    referee: Referee, monkeypatch: pytest.MonkeyPatch, opcode: Opcode
) -> None:
    for name in ("compute_fold", "random24"):
        function: Any = getattr(elements, name)
        monkeypatch.setattr(elements, name, lambda *a, function=function: function(*a) ^ 1)
    monkeypatch.setattr(elements, "compute_by_protocol", lambda case: bytes(31) + b"\7")
    with pytest.raises(Mismatch, match=f"^{opcode.name}: "):
        compare_instruction(referee, opcode, 50, 0, SEED)


EXACT: dict[Opcode, Any] = {
    Opcode.ADD: lambda a, b: a + b,
    Opcode.SUB: lambda a, b: a - b,
    Opcode.MUL: lambda a, b: a * b,
    Opcode.DIV: lambda a, b: a / b,
    Opcode.SQRT: gmpy2.sqrt,
    Opcode.EXP: gmpy2.exp,
    Opcode.LOG: gmpy2.log,
    Opcode.TANH: gmpy2.tanh,
    Opcode.ERF: gmpy2.erf,
    Opcode.I2F: lambda a: a,
}


@pytest.mark.parametrize("opcode", list(EXACT), ids=lambda opcode: opcode.name)
def test_operands__drawn__often_next_to_a_tie(opcode: Opcode) -> None:
    """By MPFR: at least one in twenty lies within 2**-10 of a unit of a midpoint."""
    operands, met = Operands(opcode, SEED), Counter[str]()
    drawn = 600
    with gmpy2.context(precision=300):
        for _ in range(drawn):
            case = operands.draw()
            word = compute_map(opcode, *case)
            if word & 0x7F800000 == 0x7F800000:
                met["not finite"] += 1
                continue
            words = case[: count_operands(opcode)]
            read = [
                gmpy2.mpfr(to_integer(a)) if opcode is Opcode.I2F else to_mpfr(a) for a in words
            ]
            unit = gmpy2.mpfr(2) ** (max(word >> 23 & 255, 1) - 150)
            distance = abs(abs(EXACT[opcode](*read) - to_mpfr(word)) / unit - 0.5)
            met["tie"] += distance == 0
            met["near"] += distance < 2**-10
            met["subnormal tie"] += distance == 0 and word & 0x7F800000 == 0
    assert met["near"] > drawn / 20, met
    if opcode in (Opcode.ADD, Opcode.SUB, Opcode.MUL, Opcode.DIV, Opcode.I2F):
        assert met["tie"] > drawn / 100, met
    if opcode in (Opcode.MUL, Opcode.DIV):
        assert met["subnormal tie"] > drawn / 100, met


def test_operands__same_seed__same_cases() -> None:
    for opcode in (Opcode.ADD, Opcode.ERF):
        first, second, other = (Operands(opcode, seed) for seed in (3, 3, 4))
        drawn = [first.draw() for _ in range(20)]
        assert drawn == [second.draw() for _ in range(20)]
        assert drawn != [other.draw() for _ in range(20)]


def test_compute_maps__case_that_reverts__found_among_others(
    referee: Referee, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One revert takes a whole call with it; only the case that it came from is blamed."""
    call = referee._call
    bad = b"\7" * 32

    def refuse(target: str, data: bytes) -> bytes:
        if bad in data:
            raise CallError("eth_call: execution reverted")
        return call(target, data)

    monkeypatch.setattr(referee, "_call", refuse)
    one, two = 0x3F800000, 0x40000000
    cases = [(one, number, 0, 0, 0) for number in range(9)]
    cases[5] = (one, int.from_bytes(bad, "big"), 0, 0, 0)
    cases[8] = (one, one, 0, 0, 0)
    words = referee.compute_maps(Opcode.ADD, cases)
    assert [n for n, word in enumerate(words) if word is None] == [5]
    assert (words[0], words[8]) == (one, two)


def test_compare_instruction__contract_reverts__mismatch(
    referee: Referee, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(referee, "compute_maps", lambda opcode, cases: [None for _ in cases])
    figures = Figures()
    with pytest.raises(
        Mismatch, match="contract: refused: without a reason\n  protocol.map_unit: "
    ):
        compare_instruction(referee, Opcode.NEG, 5, 0, SEED, figures=figures)
    assert figures.cases == 0


def test_compute_maps__unknown_opcode__refused_by_both(referee: Referee) -> None:
    with pytest.raises(UnknownMap, match="map: unknown opcode"):
        compute_map(33, 0, 0, 0, 0, 0)
    assert referee.compute_maps(33, [(0, 0, 0, 0, 0)] * 3) == [None] * 3
