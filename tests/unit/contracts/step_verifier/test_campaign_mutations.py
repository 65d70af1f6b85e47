"""The campaign finds faults: each is planted in the contracts, and must end it with a mismatch."""

import shutil
from pathlib import Path

import pytest

from protocol.instructions import Opcode
from scripts.campaign.elements import Mismatch, compare_instruction
from scripts.campaign.malformed import compare_malformed
from scripts.campaign.referee import Referee
from tests.economy import CONTRACTS

CASES = 20_000
ELEMENTS = 400
MALFORMED_CASES = 12_000

FLOAT32, ELEMENTARY = "modules/float32.vy", "modules/elementary.vy"
FOLD, THREEFRY, VERIFIER = "modules/fold.vy", "modules/threefry.vy", "StepVerifier.vy"
# What is planted: file, text, what takes its place, and the instruction that shows it.
FAULTS = [
    (FLOAT32, "if quotient & 1 == 1 or", "if quotient & 1 == 0 or", Opcode.MUL),  # ties to odd
    (FLOAT32, "        doubled |= 1\n", "        doubled |= 0\n", Opcode.SQRT),  # inexact roots
    (FLOAT32, "return a & b & SIGN", "return 0", Opcode.SUB),  # a zero's sign
    (FLOAT32, "return a & b  #", "return a | b  #", Opcode.MAX),
    (FLOAT32, "whole: uint256 = INT32_MAX + 1", "whole: uint256 = INT32_MAX", Opcode.F2I),
    (FLOAT32, "max(places, -31)", "max(places, -20)", Opcode.QUANTIZE),
    (FLOAT32, "(1 << precision) - 1", "(1 << precision)", Opcode.QUANTIZE),
    (FLOAT32, "max(unsafe_sub(leading, PRECISION - 1),", "max(-148,", Opcode.DEQUANTIZE),
    # Series a few terms short: only arguments whose results lie next to a midpoint show it.
    (ELEMENTARY, "EXP_TERMS: constant(uint256) = 26", "EXP_TERMS: constant(uint256) = 14", "EXP"),
    (ELEMENTARY, "EXP_TERMS: constant(uint256) = 26", "EXP_TERMS: constant(uint256) = 14", "TANH"),
    (
        ELEMENTARY,
        "ATANH_TERMS: constant(uint256) = 23",
        "ATANH_TERMS: constant(uint256) = 5",
        "LOG",
    ),
    (ELEMENTARY, "ERF_TERMS: constant(uint256) = 112", "ERF_TERMS: constant(uint256) = 54", "ERF"),
    (FOLD, "return (number << 192) >> 192", "return (number << 191) >> 191", Opcode.DOT),
    (FOLD, "unsafe_sub(-1, INFINITY)", "unsafe_sub(-9, INFINITY)", Opcode.MAXIMUM),
    (FOLD, "        mask = MAGNITUDES\n", "        mask = MAGNITUDES >> 32\n", Opcode.ABSMAX),
    (FOLD, "if x >> 224 == wanted:", "if x >> 225 == wanted >> 1:", Opcode.MATCH_SUM),
    (THREEFRY, "if round_index & 3 == 3:", "if round_index & 7 == 3:", Opcode.RANDOM),
    (VERIFIER, "(index >= convert(", "(index > convert(", Opcode.GATHER),
    (VERIFIER, "if coordinate >= split:", "if coordinate > split:", Opcode.CONCAT),
    (VERIFIER, "element % size)", "element % stride)", Opcode.LOAD_BATCH),
    (VERIFIER, "return opening.extend_sign(value)", "return value & (2**32 - 1)", Opcode.CONST),
]
HOLES = [
    ("modules/descriptor.vy", "and ((1 << height) >> 1 < count)", ""),
    ("modules/descriptor.vy", 'assert index < count, "verifier: index out of range"', "pass"),
    ("modules/opening.vy", 'assert root == opening.root, "verifier: wrong leaf"', "pass"),
    ("modules/opening.vy", 'assert position >= 0, "verifier: position out of bounds"', "pass"),
    ("modules/opening.vy", 'assert rest == 0, "verifier: element out of bounds"', "pass"),
    ("modules/opening.vy", 'assert found, "verifier: wrong tensor"', "pass"),
    (VERIFIER, 'assert index < place.operator, "verifier: operand is not earlier"', "pass"),
    (VERIFIER, 'assert size != 0, "verifier: empty record"', "pass"),
    (VERIFIER, 'assert operand.source == SOURCE_INPUT, "verifier: unknown source"', "pass"),
    (VERIFIER, 'assert context.chunk == 0, "verifier: chunk out of range"', "pass"),
]


def plant(folder: Path, file: str, text: str, other: str) -> Path:
    """A copy of the contracts with one text replaced."""
    contracts = folder / "contracts"
    shutil.copytree(CONTRACTS, contracts)
    source = (contracts / file).read_text()
    assert text in source, f"{file}: {text!r} is gone; plant another fault"
    (contracts / file).write_text(source.replace(text, other, 1))
    return contracts


@pytest.mark.long
@pytest.mark.parametrize(("file", "text", "other", "shown_by"), FAULTS)
def test_compare_instruction__planted_fault__mismatch(
    tmp_path: Path, file: str, text: str, other: str, shown_by: Opcode | str
) -> None:
    opcode = Opcode[shown_by] if isinstance(shown_by, str) else shown_by
    with Referee(plant(tmp_path, file, text, other)) as referee:
        with pytest.raises(Mismatch, match=f"^{opcode.name}: "):
            compare_instruction(referee, opcode, CASES, ELEMENTS, seed=1)


@pytest.mark.long
@pytest.mark.parametrize(("file", "text", "other"), HOLES)
def test_compare_malformed__planted_hole__mismatch(
    tmp_path: Path, file: str, text: str, other: str
) -> None:
    with Referee(plant(tmp_path, file, text, other)) as referee:
        with pytest.raises(Mismatch, match="contract"):
            compare_malformed(referee, MALFORMED_CASES, seed=1)
