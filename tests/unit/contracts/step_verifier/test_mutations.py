"""No word of a descriptor changes unnoticed; no program makes contract and protocol differ."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import boa
import pytest

from protocol.descriptor import hash_header, hash_instruction, hash_operator
from protocol.instructions import Instruction, Opcode, encode_words
from protocol.types import Root
from protocol.verifier import VerifierError
from protocol.views import View
from scripts.bench.element_cases import Case, SparseTree, build_location
from tests.instruction_cases import Example, compute_by_protocol, random_example

FUZZ_CASES = 150
# Descriptor words as `abi` types, in the order of the struct.
INSTRUCTION_WORDS = 3 + 8 + 1 + 4 + 3 * (5 + 8)


def flatten(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [word for item in value for word in flatten(item)]
    return [value]


def alter_word(value: Any, number: int) -> Any:
    """A copy of a nested struct whose word `number` is another one of the same type."""
    counter = iter(range(10**6))

    def visit(item: Any) -> Any:
        if isinstance(item, list | tuple):
            return [visit(inner) for inner in item]
        if next(counter) != number:
            return item
        if isinstance(item, bytes):
            return item[:-1] + bytes([item[-1] ^ 1])
        return item - 1 if item > 0 else item + 1

    return visit(value)


@pytest.mark.parametrize(
    ("part", "reason"), [(0, "wrong header"), (1, "wrong operator"), (3, "wrong instruction")]
)
def test_check_location__any_word_altered__refused(verifier: Any, part: int, reason: str) -> None:
    example = random_example(random.Random(5), Opcode.SELECT)
    context, location, _ = example.build(0).encode()
    arguments = (context[0], context[8], context[9])
    verifier.check_location(*arguments, location)
    words = len(flatten(location[part]))
    assert words == {0: 8, 1: 11, 3: INSTRUCTION_WORDS}[part]
    for number in range(words):
        altered = list(location)
        altered[part] = alter_word(location[part], number)
        assert flatten(altered[part]) != flatten(location[part])
        with boa.reverts(f"verifier: {reason}"):
            verifier.check_location(*arguments, altered)


def test_compute_element__rank_beyond_eight__refused(verifier: Any) -> None:
    """Such a descriptor is not one that the protocol's types can hold."""
    case = random_example(random.Random(6), Opcode.CONST).build(0)
    context, location, openings = case.encode()
    instruction = list(location[3])
    instruction[2] = 9
    leaf = sha256(encode_words(flatten(instruction))).digest()
    around = case.context
    tree = SparseTree({around.instruction: leaf}, len(case.location.instruction_path))
    operator = replace(case.location.operator, instructions_root=tree.root)
    above = SparseTree({around.operator: hash_operator(operator)}, len(case.location.operator_path))
    header = replace(case.location.header, operators_root=above.root)
    altered = replace(
        case,
        context=replace(around, program_root=Root(hash_header(header))),
        location=replace(
            case.location,
            header=header,
            operator=operator,
            operator_path=above.get_path(around.operator),
            instruction_path=tree.get_path(around.instruction),
        ),
    )
    context, location, openings = altered.encode()
    location = (*location[:3], tuple(instruction), *location[4:])
    with boa.reverts("verifier: rank out of range"):
        verifier.compute_element(context, location, openings)


def malform(rng: random.Random, instruction: Instruction) -> Instruction:
    """One or two fields of a descriptor are whatever fits their type."""
    opcode: Any = rng.choice([*range(60), 255])
    changes: list[dict[str, Any]] = [
        {"opcode": opcode},
        {"dtype": rng.randrange(5)},
        {"shape": tuple(rng.choice([0, 1, 3, 2**64 - 1]) for _ in instruction.shape)},
        {"fold": rng.choice([0, 1, 256, 257, 2**64 - 1])},
        {"attributes": tuple(rng.choice([-(2**63), -1, 0, 2, 2**63 - 1]) for _ in range(4))},
        {"operands": instruction.operands[: rng.randrange(4)]},
    ]
    for number, operand in enumerate(instruction.operands):
        strides = tuple(rng.choice([0, 1, -1, 2**63 - 1, -(2**63)]) for _ in operand.view.strides)
        for change in (
            {"source": rng.randrange(4)},
            {"index": rng.choice([0, 1, 7, 8, 2**32 - 1])},
            {"dtype": rng.randrange(5)},
            {"size": rng.choice([0, 1, operand.size + 1, 2**64 - 1])},
            {"view": View(operand.view.shape, strides, rng.choice([0, -(2**63), 2**63 - 1]))},
        ):
            operands = list(instruction.operands)
            operands[number] = replace(operand, **change)  # type: ignore[arg-type]
            changes.append({"operands": tuple(operands)})
    return replace(instruction, **rng.choice(changes))


def generate(rng: random.Random) -> Iterator[tuple[Example, Case]]:
    """Openings of a well-formed instruction under a program that holds a malformed one."""
    while True:
        example = random_example(rng, rng.choice(list(Opcode)))
        element = rng.randrange(example.instruction.size)
        case = example.build(element, rng.randrange(example.chunks))
        instruction = malform(rng, example.instruction)
        location = build_location(instruction, example.around)
        if hash_instruction(instruction) == hash_instruction(example.instruction):
            continue
        root = Root(hash_header(location.header))
        context = replace(case.context, program_root=root, element=rng.choice([element, 2**64 - 1]))
        yield example, replace(case, location=location, context=context)


def test_compute_element__malformed_program__same_outcome(verifier: Any) -> None:
    cases = generate(random.Random(7))
    outcomes: Counter[str] = Counter()
    for _ in range(FUZZ_CASES):
        _, case = next(cases)
        try:
            word = compute_by_protocol(case)
        except VerifierError as error:
            outcomes[str(error)] += 1
            with boa.reverts(str(error)):
                verifier.compute_element(*case.encode())
        else:
            outcomes["accepted"] += 1
            assert verifier.compute_element(*case.encode()) == word
    assert len(outcomes) >= 10, outcomes
