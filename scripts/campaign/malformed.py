"""Malformed descriptors, proofs and call data against StepVerifier.

Whatever the worker sends, the contract refuses or gives the one answer that the settled roots
allow. Three ways to be malformed:

- a program whose instruction no validator would let pass, properly committed: contract and
  protocol come to the same word, or refuse with the same reason;
- a proof that does not prove, well encoded: the same, and a word is the honest one;
- call data that is damaged: where eth-abi decodes it, the same as the protocol's on what it
  decodes to; where it does not, a refusal or the honest word (Vyper's decoder reads zeros beyond
  the end of the call data, and so takes more for well-formed).

The context is the game's own and is never damaged; everything after it is the worker's.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from eth_abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import get_abi_input_types

from protocol.descriptor import (
    FieldDescriptor,
    Header,
    Location,
    OperatorDescriptor,
    VerifierError,
    hash_header,
    hash_operator,
)
from protocol.instructions import Instruction, Opcode, Operand, encode_words
from protocol.opening import TensorOpening
from protocol.types import INPUTS_MAX, LEAF_BYTES, PATH_MAX, RANK_MAX, Root
from protocol.views import View
from scripts.bench.element_cases import (
    Case,
    SparseTree,
    build_location,
    encode_instruction,
)
from scripts.campaign.damages import CONTEXT_END, damage_bytes, damage_case, draw_case, malform
from scripts.campaign.elements import Advance, Figures, Mismatch, ignore, split
from scripts.campaign.referee import Outcome, Referee
from tests.instruction_cases import compute_by_protocol

BATCH = 2**6
OPENINGS_MAX = 3  # bounds that the contract declares
LEAVES_MAX = 2
WRONG_OPCODE = 255  # for a descriptor that the protocol's types cannot hold


@dataclass(frozen=True)
class Attempt:
    """One malformed call, and what the protocol says of it."""

    kind: str
    data: bytes
    # What the protocol's verifier makes of it; None where there is nothing it could be asked.
    expected: Outcome | None
    # The only word that the context allows; None for another program than the honest one.
    honest: bytes | None


def compare_malformed(
    referee: Referee,
    cases: int,
    seed: int,
    advance: Advance = ignore,
    figures: Figures | None = None,
) -> Figures:
    """Make malformed calls; raises `Mismatch` at the first outcome that is not expected."""
    figures = Figures() if figures is None else figures
    makers = (draw_program, draw_proof, draw_bytes)
    done = 0
    for count in split(cases, BATCH):
        attempts = [
            makers[number % len(makers)](referee, random.Random(f"{seed} malformed {number}"))
            for number in range(done, done + count)
        ]
        outcomes = referee.call_verifier([attempt.data for attempt in attempts])
        for number, (attempt, outcome) in enumerate(zip(attempts, outcomes), done):
            if reason := find_fault(attempt, outcome):
                maker = makers[number % len(makers)].__name__
                call = f'{maker}(referee, random.Random("{seed} malformed {number}"))'
                raise Mismatch(f"{attempt.kind}: {call}\n  {reason}\n  call 0x{attempt.data.hex()}")
            figures.note(attempt.kind)
            figures.note("accepted" if outcome.word is not None else outcome.reason or "no reason")
        done += count
        figures.seeded += count
        advance(count)
    return figures


def find_fault(attempt: Attempt, outcome: Outcome) -> str:
    """What is wrong with an outcome; nothing if it is right."""
    if attempt.expected is not None and outcome != attempt.expected:
        return f"contract: {outcome}\n  protocol: {attempt.expected}"
    if attempt.honest is not None and outcome.word not in (None, attempt.honest):
        return f"contract accepts {outcome.word!r}, honest is {attempt.honest!r}"
    return ""


def compute_outcome(case: Case) -> Outcome:
    """What the protocol's verifier makes of a case."""
    try:
        return Outcome(compute_by_protocol(case))
    except VerifierError as error:
        return Outcome(None, str(error))


def is_within_bounds(case: Case) -> bool:
    """Whether the contract's decoder can hold the arguments, so that its own code sees them."""
    location = case.location
    paths = [location.operator_path, location.instruction_path, location.field_path]
    for opening in case.openings:
        paths += [opening.root_path, *opening.leaf_paths]
        if max(len(opening.leaves), len(opening.leaf_paths)) > LEAVES_MAX:
            return False
        if any(len(leaf) > LEAF_BYTES for leaf in opening.leaves):
            return False
    return len(case.openings) <= OPENINGS_MAX and all(len(path) <= PATH_MAX for path in paths)


# --- Programs that no validator lets pass ---------------------------------------------------------


def draw_program(referee: Referee, rng: random.Random) -> Attempt:
    """Openings of a well-formed instruction under a program that holds a malformed one."""
    example, case = draw_case(rng)
    if rng.randrange(8) == 0:
        return _draw_rank(referee, rng, case)
    around = example.around
    if case.location.instruction.opcode is Opcode.LOAD_BATCH and rng.getrandbits(1):
        sizes = [0, 1, around.field.size + 1, 2**64 - 1]
        field = FieldDescriptor(rng.randrange(5), rng.choice(sizes), rng.choice(sizes))
        around = replace(around, field=field, records=rng.choice([0, 1, 2**64 - 1]))
    instruction = malform(rng, example.instruction)
    if rng.randrange(4) == 0:  # inputs that come from this operator, from later ones, from none
        places = [0, around.operator - 1, around.operator, around.operator + 1, 2**32 - 1]
        producers = tuple(rng.choice(places) for _ in range(rng.randrange(INPUTS_MAX + 1)))
        around, instruction = replace(around, producers=producers), example.instruction
    location = build_location(instruction, around)
    element = 2**64 - 1 if rng.randrange(8) == 0 else case.context.element
    root = Root(hash_header(location.header))
    context = replace(case.context, program_root=root, element=element, records=around.records)
    malformed = replace(case, location=location, context=context)
    data = referee.encode_element(malformed.encode())
    return Attempt("program", data, compute_outcome(malformed), None)


def _draw_rank(referee: Referee, rng: random.Random, case: Case) -> Attempt:
    """A rank above the limit: a descriptor that the protocol's types cannot hold."""
    words = list(encode_instruction(case.location.instruction))
    words[2] = rng.choice([9, 10, 128, 255])
    recommitted = recommit(case, sha256(encode_words(flatten(words))).digest())
    context, location, openings = recommitted.encode()
    location = (*location[:3], tuple(words), *location[4:])
    data = referee.encode_element((context, location, openings))
    return Attempt("rank", data, Outcome(None, "verifier: rank out of range"), None)


def flatten(value: Any) -> list[Any]:
    """The words of a nested struct."""
    if isinstance(value, list | tuple):
        return [word for item in value for word in flatten(item)]
    return [value]


def recommit(case: Case, leaf: bytes) -> Case:
    """The case in a program that has the descriptor with this hash in the instruction's place."""
    around, location = case.context, case.location
    tree = SparseTree({around.instruction: leaf}, len(location.instruction_path))
    operator = replace(location.operator, instructions_root=tree.root)
    above = SparseTree({around.operator: hash_operator(operator)}, len(location.operator_path))
    header = replace(location.header, operators_root=above.root)
    return replace(
        case,
        context=replace(around, program_root=Root(hash_header(header))),
        location=replace(
            location,
            header=header,
            operator=operator,
            operator_path=above.get_path(around.operator),
            instruction_path=tree.get_path(around.instruction),
        ),
    )


# --- Proofs that do not prove ---------------------------------------------------------------------


def draw_proof(referee: Referee, rng: random.Random) -> Attempt:
    """One thing, or two, in a location or its openings are not what was committed."""
    _, case = draw_case(rng)
    honest = compute_by_protocol(case)
    damaged = case
    for _ in range(rng.choice([1, 1, 2])):
        damaged = damage_case(rng, damaged)
    expected = compute_outcome(damaged) if is_within_bounds(damaged) else Outcome(None)
    data = referee.encode_element(damaged.encode())
    return Attempt("proof", data, expected, honest)


# --- Damaged call data ----------------------------------------------------------------------------


def draw_bytes(referee: Referee, rng: random.Random) -> Attempt:
    """Everything after the context is damaged as bytes."""
    _, case = draw_case(rng)
    data = referee.encode_element(case.encode())
    head, tail = data[:CONTEXT_END], data[CONTEXT_END:]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        tail = damage_bytes(rng, tail)
    damaged = head + tail
    expected = _compute_decoded(referee, case, damaged)
    return Attempt("bytes", damaged, expected, compute_by_protocol(case))


def _compute_decoded(referee: Referee, case: Case, data: bytes) -> Outcome | None:
    """The protocol's outcome for what the call data says; None where eth-abi decodes nothing."""
    types = get_abi_input_types(referee.verifier_functions["compute_element"])
    try:
        _, location, openings = decode(types, data[4:], strict=False)
    except (DecodingError, OverflowError, ValueError, MemoryError):
        return None
    decoded = Case(case.context, _to_location(location), _to_openings(openings))
    return compute_outcome(decoded) if is_within_bounds(decoded) else None


def _to_location(words: Sequence[Any]) -> Location:
    header, operator, operator_path, instruction, instruction_path, field, field_path = words
    return Location(
        Header(*header),
        OperatorDescriptor(*operator),
        operator_path,
        _to_instruction(instruction),
        instruction_path,
        FieldDescriptor(*field),
        field_path,
    )


def _to_openings(items: Sequence[Any]) -> tuple[TensorOpening, ...]:
    return tuple(TensorOpening(*item) for item in items)


def _to_instruction(words: Sequence[Any]) -> Instruction:
    """The protocol's instruction; one with another hash where its types cannot hold this one."""
    opcode, dtype, rank, shape, fold, attributes, items = words
    shape = tuple(shape[:rank])
    present = [item for item in items if any(flatten(item))]
    operands = tuple(
        Operand(source, index, kind, size, View(shape, tuple(strides[:rank]), offset))
        for source, index, kind, size, offset, strides in present
    )
    instruction = Instruction(opcode, dtype, shape, operands, fold, tuple(attributes))
    if rank <= RANK_MAX and flatten(encode_instruction(instruction)) == flatten(words):
        return instruction
    wrong: Any = WRONG_OPCODE
    return replace(instruction, opcode=wrong, shape=shape[:RANK_MAX])
