"""StepVerifier against the protocol where edges are few: chunks of folds, accumulators, maxima.

Random instructions of every opcode are `test_campaign.py`'s.
"""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol.instructions import LEGALITY, Kind, Opcode, Source
from protocol.semantics import FOLDS as FOLD_SEMANTICS
from tests.instruction_cases import Case, compute_by_protocol, compute_word, random_example

CASES = 30
FOLDS = [opcode for opcode in Opcode if LEGALITY[opcode].kind is Kind.FOLD]


def test_compute_element__protocol_alone__equals_semantics() -> None:
    met: Counter[str] = Counter()
    for opcode in Opcode:
        rng = random.Random(2000 + opcode)
        for _ in range(CASES):
            example = random_example(rng, opcode)
            element = rng.randrange(example.instruction.size)
            word = compute_word(example, element, compute_by_protocol)
            assert word == example.get_word(element), example.instruction
            met[opcode.name] += 1
            for operand in example.instruction.operands:
                met["negative stride"] += any(stride < 0 for stride in operand.view.strides)
                met["broadcast"] += 0 in operand.view.strides
                met["input"] += operand.source is Source.INPUT
                met["instruction"] += operand.source is Source.INSTRUCTION
            opened = example.build(element).openings
            met["two leaves"] += any(len(opening.leaves) == 2 for opening in opened)
            met["unread"] += any(not opening.leaves for opening in opened)
    assert {opcode.name for opcode in Opcode} <= set(met)
    for name in ("negative stride", "broadcast", "input", "instruction", "two leaves", "unread"):
        assert met[name] > 0, name


@pytest.mark.parametrize("length", [1, 255, 256, 257, 600])
@pytest.mark.parametrize("opcode", FOLDS, ids=lambda opcode: opcode.name)
def test_compute_element__fold_in_chunks__equals_protocol(
    verifier: Any, opcode: Opcode, length: int
) -> None:
    rng = random.Random(opcode * 1000 + length)
    example = random_example(rng, opcode, fold=length)
    element = rng.randrange(example.instruction.size)

    def compute(case: Case) -> bytes:
        return verifier.compute_element(*case.encode())

    assert compute_word(example, element, compute) == example.get_word(element)


@pytest.mark.parametrize("accumulator", [2**62, 2**256 - 2**62, 2**63 - 1, 2**256 - 1, 2**255])
@pytest.mark.parametrize("opcode", FOLDS, ids=lambda opcode: opcode.name)
def test_compute_element__any_accumulator__equals_protocol(
    verifier: Any, opcode: Opcode, accumulator: int
) -> None:
    """Whatever the agreed accumulator is, even where no trace holds it, nothing reverts."""
    example = random_example(random.Random(opcode), opcode, fold=300)
    case = example.build(0, 1, accumulator)
    assert verifier.compute_element(*case.encode()) == compute_by_protocol(case)


@pytest.mark.parametrize("opcode", [Opcode.MAXIMUM, Opcode.ABSMAX], ids=lambda opcode: opcode.name)
@pytest.mark.parametrize(
    "pattern",
    [0, 1, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF],
    ids=hex,
)
@pytest.mark.parametrize("sign", [0, 2**31], ids=["plus", "minus"])
def test_compute_element__one_edge_in_a_fold__equals_protocol(
    verifier: Any, opcode: Opcode, pattern: int, sign: int
) -> None:
    """Every threshold of a maximum by itself: among elements, and as the accumulator."""
    example = random_example(random.Random(opcode), opcode, fold=259)
    lowest = np.full(example.tensors[0].size, 0xFF800000, dtype=np.uint32)
    others = replace(example, tensors=(lowest.view(np.float32),))
    one = lowest.copy()
    position = example.instruction.operands[0].view.offset
    one[position + 257] = pattern | sign
    edge = replace(example, tensors=(one.view(np.float32),))
    for case in (edge.build(0, 1, 0xFF800000), others.build(0, 1, pattern | sign)):
        assert verifier.compute_element(*case.encode()) == compute_by_protocol(case)
    tensor = np.append(lowest[:258], np.uint32(pattern | sign)).view(np.float32)
    whole = FOLD_SEMANTICS[opcode](tensor[np.newaxis]).view(np.uint32)[0]
    word = compute_word(edge, 0, lambda case: verifier.compute_element(*case.encode()))
    assert word == int(whole)
