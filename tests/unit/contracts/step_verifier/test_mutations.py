"""No word of a descriptor changes unnoticed."""

import random
from typing import Any

import boa
import pytest

from protocol.instructions import Opcode
from scripts.campaign.malformed import flatten
from tests.instruction_cases import random_example

# Descriptor words as `abi` types, in the order of the struct.
INSTRUCTION_WORDS = 3 + 8 + 1 + 4 + 3 * (5 + 8)


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
