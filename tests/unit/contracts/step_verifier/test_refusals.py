"""What the verifier refuses, contract and protocol with the same reason."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boa
import pytest

from protocol.descriptor import FieldDescriptor, hash_header
from protocol.instructions import Instruction, Opcode, Operand, Source
from protocol.opening import TensorOpening
from protocol.types import Dtype, Root
from protocol.verifier import VerifierError
from protocol.views import View
from scripts.bench.element_cases import Case, Surroundings, build_location
from tests.instruction_cases import (
    Example,
    compute_by_protocol,
    finish,
    random_array,
    random_example,
)

AROUND = Surroundings(operators=9, operator=8, instructions=5, instruction=4, producers=(3, 1, 2))
F32, I32 = Dtype.F32, Dtype.I32


def operand(source: Source, index: int, dtype: Dtype, size: int = 3000) -> Operand:
    return Operand(source, index, dtype, size, View((4, 5), (300, 2), 7))


def example(opcode: Opcode, dtype: Dtype, out: Dtype, fold: int = 1, count: int = 2) -> Example:
    rng = random.Random(0)
    operands = (
        operand(Source.INPUT, 1, dtype),
        operand(Source.INSTRUCTION, 2, dtype),
        operand(Source.INPUT, 0, dtype),
    )[:count]
    instruction = Instruction(opcode, out, (4, 5), operands, fold)
    return finish(instruction, tuple(random_array(rng, dtype, 3000) for _ in operands), AROUND)


ADD = example(Opcode.ADD, F32, F32)
DOT = example(Opcode.DOT, I32, Dtype.I64, fold=600)
MEMORY = {
    opcode: random_example(random.Random(1), opcode)
    for opcode in (Opcode.LOAD_STATE, Opcode.LOAD_BATCH, Opcode.IOTA)
}


def recommit(case: Case, instruction: Instruction, around: Surroundings = AROUND) -> Case:
    """The same openings under a program that holds another instruction."""
    location = build_location(instruction, around)
    root = Root(hash_header(location.header))
    return replace(case, location=location, context=replace(case.context, program_root=root))


def alter(case: Case, **changes: Any) -> Case:
    return replace(case, context=replace(case.context, **changes))


def alter_operand(number: int, **changes: Any) -> Callable[[Case], Case]:
    def change(case: Case) -> Case:
        operands = list(case.location.instruction.operands)
        operands[number] = replace(operands[number], **changes)
        return recommit(case, replace(case.location.instruction, operands=tuple(operands)))

    return change


def alter_instruction(around: Surroundings = AROUND, **changes: Any) -> Callable[[Case], Case]:
    return lambda case: recommit(case, replace(case.location.instruction, **changes), around)


def alter_location(**changes: Any) -> Callable[[Case], Case]:
    return lambda case: replace(case, location=replace(case.location, **changes))


def alter_opening(
    number: int, change: Callable[[TensorOpening], dict[str, Any]]
) -> Callable[[Case], Case]:
    def altered(case: Case) -> Case:
        openings = list(case.openings)
        openings[number] = replace(openings[number], **change(openings[number]))
        return replace(case, openings=tuple(openings))

    return altered


def flip(data: bytes) -> Any:
    return data[:-1] + bytes([data[-1] ^ 1])


def assert_refused(verifier: Any, case: Case, reason: str) -> None:
    with pytest.raises(VerifierError, match=f"^verifier: {reason}$"):
        compute_by_protocol(case)
    with boa.reverts(f"verifier: {reason}"):
        verifier.compute_element(*case.encode())


LOCATION = {
    "another program": (lambda c: alter(c, program_root=bytes(32)), "wrong header"),
    "altered header": (
        lambda c: alter_location(header=replace(c.location.header, rows=9))(c),
        "wrong header",
    ),
    "another operator": (lambda c: alter(c, operator=7), "wrong operator"),
    "operator of the padding": (lambda c: alter(c, operator=9), "index out of range"),
    "operator beyond the tree": (lambda c: alter(c, operator=8 + 16), "index out of range"),
    "another instruction": (lambda c: alter(c, instruction=3), "wrong instruction"),
    "instruction of the padding": (lambda c: alter(c, instruction=5), "index out of range"),
    "altered operator": (
        lambda c: alter_location(operator=replace(c.location.operator, inputs=2))(c),
        "wrong operator",
    ),
    "altered instruction": (
        lambda c: alter_location(instruction=replace(c.location.instruction, fold=2))(c),
        "wrong instruction",
    ),
    "short operator path": (
        lambda c: alter_location(operator_path=c.location.operator_path[1:])(c),
        "wrong path length",
    ),
    "long operator path": (
        lambda c: alter_location(operator_path=(*c.location.operator_path, bytes(32)))(c),
        "wrong path length",
    ),
    "wrong instruction path": (
        lambda c: alter_location(instruction_path=c.location.instruction_path[::-1])(c),
        "wrong instruction",
    ),
}

OPENINGS = {
    "too few": (lambda c: replace(c, openings=c.openings[:1]), "wrong number of openings"),
    "too many": (
        lambda c: replace(c, openings=(*c.openings, c.openings[0])),
        "wrong number of openings",
    ),
    "exchanged": (lambda c: replace(c, openings=c.openings[::-1]), "wrong path length"),
    "another root": (alter_opening(0, lambda o: {"root": flip(o.root)}), "wrong tensor"),
    "root path": (
        alter_opening(1, lambda o: {"root_path": (o.root_path[0], *o.root_path[:-1])}),
        "wrong tensor",
    ),
    "short root path": (
        alter_opening(1, lambda o: {"root_path": o.root_path[:-1]}),
        "wrong path length",
    ),
    "long root path": (
        alter_opening(0, lambda o: {"root_path": (*o.root_path, o.root)}),
        "wrong path length",
    ),
    "another element": (lambda c: alter(c, element=0), "wrong leaf"),
    "altered leaf": (
        alter_opening(0, lambda o: {"leaves": tuple(flip(leaf) for leaf in o.leaves)}),
        "wrong leaf",
    ),
    "short leaf": (
        alter_opening(0, lambda o: {"leaves": tuple(leaf[:-1] for leaf in o.leaves)}),
        "wrong leaf length",
    ),
    "no leaf": (
        alter_opening(0, lambda o: {"leaves": (), "leaf_paths": ()}),
        "wrong number of leaves",
    ),
    "a leaf too many": (
        alter_opening(0, lambda o: {"leaves": o.leaves * 2, "leaf_paths": o.leaf_paths * 2}),
        "wrong number of leaves",
    ),
    "no leaf path": (alter_opening(0, lambda o: {"leaf_paths": ()}), "wrong number of leaves"),
    "short leaf path": (
        alter_opening(0, lambda o: {"leaf_paths": tuple(p[:-1] for p in o.leaf_paths)}),
        "wrong path length",
    ),
    "long leaf path": (
        alter_opening(0, lambda o: {"leaf_paths": tuple((*p, o.root) for p in o.leaf_paths)}),
        "wrong path length",
    ),
    "state of another step": (lambda c: alter(c, operator_trace_root=bytes(32)), "wrong tensor"),
}

PROGRAMS = {
    "element beyond the shape": (lambda c: alter(c, element=20), "element out of bounds"),
    "empty axis": (alter_instruction(shape=(4, 0)), "element out of bounds"),
    "chunk of a map": (lambda c: alter(c, chunk=1), "chunk out of range"),
    "opcode 0": (alter_instruction(opcode=0), "unknown opcode"),
    "opcode between maps and folds": (alter_instruction(opcode=33), "unknown opcode"),
    "opcode beyond the folds": (alter_instruction(opcode=45), "unknown opcode"),
    "opcode beyond the set": (alter_instruction(opcode=57), "unknown opcode"),
    "reads itself": (alter_operand(1, index=4), "operand is not earlier"),
    "reads its own operator": (
        alter_instruction(around=replace(AROUND, producers=(3, 8, 2))),
        "operand is not earlier",
    ),
    "reads a later operator": (
        alter_instruction(around=replace(AROUND, producers=(3, 100, 2))),
        "operand is not earlier",
    ),
    "input beyond the inputs": (alter_operand(0, index=3), "input out of range"),
    "input beyond all places": (alter_operand(0, index=2**32 - 1), "input out of range"),
    "unknown source": (alter_operand(0, source=3), "unknown source"),
    "dtype 0": (alter_operand(0, dtype=0), "unknown dtype"),
    "dtype 4": (alter_operand(0, dtype=4), "unknown dtype"),
    "wider dtype": (alter_operand(0, dtype=Dtype.I64), "wrong path length"),
    "position below": (
        alter_operand(0, view=View((4, 5), (300, 2), -(2**63))),
        "position out of bounds",
    ),
    "position beyond": (
        alter_operand(0, view=View((4, 5), (2**63 - 1, 2), 7)),
        "position out of bounds",
    ),
    "position just beyond": (alter_operand(0, size=911), "position out of bounds"),
    "empty tensor": (alter_operand(0, size=0), "position out of bounds"),
    "larger tensor": (alter_operand(0, size=2**20), "wrong path length"),
    "position along a negative axis": (
        alter_instruction(opcode=Opcode.IOTA, attributes=(-1,)),
        "axis out of range",
    ),
    "concat along no axis": (
        alter_instruction(opcode=Opcode.CONCAT, attributes=(2, 1)),
        "axis out of range",
    ),
    "dot of floats": (alter_instruction(opcode=Opcode.DOT), "wrong dtype"),
    "fold of three operands with two": (
        alter_instruction(opcode=Opcode.MATCH_SUM),
        "operand is missing",
    ),
    "fold of nothing": (alter_instruction(opcode=Opcode.DOT, fold=0), "chunk out of range"),
}

FOLDS = {
    "chunk beyond the fold": (lambda c: alter(c, chunk=3), "chunk out of range"),
    "largest chunk": (lambda c: alter(c, chunk=2**64 - 1), "chunk out of range"),
    "maximum of integers": (alter_instruction(opcode=Opcode.MAXIMUM), "wrong dtype"),
    "fold past the end": (alter_operand(0, size=1000), "position out of bounds"),
    "one leaf of two": (
        alter_opening(0, lambda o: {"leaves": o.leaves[:1], "leaf_paths": o.leaf_paths[:1]}),
        "wrong number of leaves",
    ),
    "leaves exchanged": (
        alter_opening(0, lambda o: {"leaves": o.leaves[::-1]}),
        "wrong leaf",
    ),
    "second leaf altered": (
        alter_opening(0, lambda o: {"leaves": (o.leaves[0], flip(o.leaves[1]))}),
        "wrong leaf",
    ),
}


@pytest.mark.parametrize("name", LOCATION)
def test_compute_element__wrong_location__refused(verifier: Any, name: str) -> None:
    change, reason = LOCATION[name]
    case = change(ADD.build(17))
    assert_refused(verifier, case, reason)
    context, location, _ = case.encode()
    with boa.reverts(f"verifier: {reason}"):
        verifier.check_location(context[0], context[8], context[9], location)


def test_check_location__right_location__accepted(verifier: Any) -> None:
    context, location, _ = ADD.build(17).encode()
    verifier.check_location(context[0], context[8], context[9], location)


@pytest.mark.parametrize("name", OPENINGS)
def test_compute_element__wrong_opening__refused(verifier: Any, name: str) -> None:
    change, reason = OPENINGS[name]
    assert_refused(verifier, change(ADD.build(17)), reason)


@pytest.mark.parametrize("name", PROGRAMS)
def test_compute_element__malformed_program__refused(verifier: Any, name: str) -> None:
    change, reason = PROGRAMS[name]
    assert_refused(verifier, change(ADD.build(17)), reason)


@pytest.mark.parametrize("name", FOLDS)
def test_compute_element__wrong_fold__refused(verifier: Any, name: str) -> None:
    change, reason = FOLDS[name]
    case = DOT.build(17, 1)
    assert len(case.openings[0].leaves) == 2
    assert_refused(verifier, change(case), reason)


def test_compute_element__long_leaf__refused(verifier: Any) -> None:
    """The contract's decoder refuses it, before there is anybody to give a reason."""
    longer = alter_opening(0, lambda o: {"leaves": tuple(leaf + b"\0" for leaf in o.leaves)})
    case = longer(ADD.build(17))
    with pytest.raises(VerifierError, match="^verifier: wrong leaf length$"):
        compute_by_protocol(case)
    with boa.reverts():
        verifier.compute_element(*case.encode())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"attributes": (-1,)}, "index out of range"),
        ({"attributes": (2**63 - 1,)}, "index out of range"),
        ({"shape": (2**16, 2**16, 2)}, "tensor too large"),
        ({"shape": (2**64 - 1,) * 8}, "tensor too large"),
        ({"dtype": 7}, "unknown dtype"),
    ],
)
def test_compute_element__malformed_load_state__refused(
    verifier: Any, change: dict[str, Any], reason: str
) -> None:
    loaded = MEMORY[Opcode.LOAD_STATE]
    instruction = replace(loaded.instruction, **change)
    assert_refused(verifier, recommit(loaded.build(0), instruction, loaded.around), reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": Dtype.I64}, "wrong dtype"),
        ({"size": 0}, "empty record"),
        ({"stride": 2**64 - 1}, "wrong path length"),
    ],
)
def test_compute_element__malformed_field__refused(
    verifier: Any, change: dict[str, Any], reason: str
) -> None:
    loaded = MEMORY[Opcode.LOAD_BATCH]
    around = replace(loaded.around, field=replace(loaded.around.field, **change))
    case = recommit(loaded.build(0), loaded.instruction, around)
    assert_refused(verifier, alter(case, records=2), reason)


def test_compute_element__wrong_field__refused(verifier: Any) -> None:
    case = MEMORY[Opcode.LOAD_BATCH].build(0)
    assert_refused(verifier, alter_location(field=FieldDescriptor(1, 2, 3))(case), "wrong field")
    long_path = (*case.location.field_path, Root(bytes(32)))
    assert_refused(verifier, alter_location(field_path=long_path)(case), "wrong path length")
    assert_refused(verifier, alter(case, records=0), "no records")
    assert_refused(verifier, alter(case, dataset_root=bytes(32)), "wrong tensor")


def test_deploy__no_map_unit__refused() -> None:
    with boa.reverts("verifier: map unit has no code"):
        boa.load("contracts/StepVerifier.vy", boa.env.generate_address())
