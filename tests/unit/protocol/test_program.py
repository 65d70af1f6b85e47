"""Programs: roots, descriptors and one step by the specification."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from eth_abi import encode

from protocol.execution import (
    compute_batch,
    compute_next_state,
    compute_state_root,
    execute_step,
)
from protocol.instructions import encode_instruction
from protocol.merkle import compute_root_from_path, compute_tensor_root, compute_vector_root
from protocol.program import Program, encode_field, encode_slot
from protocol.rejections import InstructionCountOutOfRange, UnfitOperator, UnknownKind
from protocol.types import INSTRUCTIONS_TOTAL_MAX, Seed, StepIndex
from tests.programs import Draft, make_dataset, make_program, make_state

HEADER_TYPE = "(uint32,uint32,bytes32,uint32,bytes32,uint32,bytes32,uint32)"


def hash_all(encodings: list[bytes]) -> bytes:
    return compute_vector_root([sha256(e).digest() for e in encodings])


def test_root__small_program__is_the_hash_of_the_documented_encodings() -> None:
    program = make_program()
    operators = []
    for operator, microcode in zip(program.operators, program.microcode):
        producers = [item.producer for item in operator.inputs]
        padded = producers + [0] * (8 - len(producers))
        root = hash_all([encode_instruction(i) for i in microcode])
        value = (root, len(microcode), len(producers), padded)
        operators.append(encode(["(bytes32,uint32,uint8,uint32[8])"], [value]))
    slots = [
        encode(["(uint8,uint64,uint32)"], [(s.dtype, s.size, s.producer)]) for s in program.slots
    ]
    fields = [
        encode(["(uint8,uint64,uint64)"], [(f.dtype, f.size, f.stride)]) for f in program.fields
    ]
    header = (
        *(1, program.rows),
        *(hash_all(operators), len(operators)),
        *(hash_all(slots), len(slots)),
        *(hash_all(fields), len(fields)),
    )
    assert program.header == encode([HEADER_TYPE], [header])
    assert program.root == sha256(program.header).digest()
    assert [encode_slot(s) for s in program.slots] == slots
    assert [encode_field(f) for f in program.fields] == fields


def test_root__names_and_notes_changed__stays_and_anything_else_does_not() -> None:
    program = make_program()
    noted = tuple(replace(o, source="elsewhere") for o in program.operators)
    named = tuple(replace(s, name=s.name + "2") for s in program.slots)
    assert replace(program, operators=noted, slots=named, reported={}).root == program.root
    assert replace(program, rows=5).root != program.root
    swapped = (replace(program.slots[0], producer=0), program.slots[1])
    assert replace(program, slots=swapped).root != program.root
    strided = (replace(program.fields[0], stride=4), program.fields[1])
    assert replace(program, fields=strided).root != program.root


def test_trees__every_operator_and_instruction__open_with_two_paths() -> None:
    program = make_program()
    for j, microcode in enumerate(program.microcode):
        leaf = sha256(program.encode_operator(j)).digest()
        path = program.operator_tree.get_path(j)
        assert compute_root_from_path(leaf, j, path) == program.operator_tree.root
        for m, instruction in enumerate(microcode):
            leaf = sha256(encode_instruction(instruction)).digest()
            tree = program.instruction_trees[j]
            assert compute_root_from_path(leaf, m, tree.get_path(m)) == tree.root


def test_root__no_dataset__has_the_empty_vector() -> None:
    draft = Draft()
    draft.add("full", value=0, shape=(2,), dtype=1)
    program = Program((), (), 1, tuple(draft.operators))
    assert program.field_tree.root == bytes(32)
    assert len(program.root) == 32


def test_microcode__operator_that_does_not_exist__is_named_with_its_place() -> None:
    program = make_program()
    bad = replace(program.operators[4], kind="trust_me")
    operators = (*program.operators[:4], bad, *program.operators[5:])
    with pytest.raises(UnknownKind, match=r"operator 4 \(trust_me, model.py:7\).*'trust_me'"):
        _ = replace(program, operators=operators).microcode


def test_microcode__attribute_missing__is_named_with_its_place() -> None:
    program = make_program()
    bad = replace(program.operators[4], attributes={"bits_a": 15})
    operators = (*program.operators[:4], bad, *program.operators[5:])
    with pytest.raises(UnfitOperator, match=r"operator 4 \(matmul, model.py:7\)"):
        _ = replace(program, operators=operators).microcode


def test_microcode__too_many_instructions__stops_at_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    total = sum(len(m) for m in make_program().microcode)
    assert total <= INSTRUCTIONS_TOTAL_MAX
    monkeypatch.setattr("protocol.program.INSTRUCTIONS_TOTAL_MAX", total)
    assert make_program().microcode
    monkeypatch.setattr("protocol.program.INSTRUCTIONS_TOTAL_MAX", total - 1)
    with pytest.raises(InstructionCountOutOfRange, match=f"{total} instructions"):
        _ = make_program().microcode


def test_execute_step__regression__loss_falls_and_state_root_follows() -> None:
    program = make_program()
    state, dataset = make_state(program), make_dataset(program, records=4)
    state = (state[0], np.array(41, dtype=np.int32))
    losses = []
    for step in range(6):
        batch = compute_batch(program, dataset, Seed(bytes(32)), StepIndex(step))
        assert [b.shape for b in batch] == [(4, 3), (4, 2)]
        outputs = execute_step(program, state, batch)
        losses.append(float(outputs[program.reported["loss"]]))
        state = compute_next_state(program, outputs)
    assert min(losses[1:]) < losses[0]
    assert state[1] == 47
    assert compute_state_root(state) == compute_vector_root(
        [compute_tensor_root(tensor) for tensor in state]
    )


def test_execute_step__regression__is_near_float64() -> None:
    program = make_program()
    state, dataset = make_state(program), make_dataset(program, records=9)
    x, y = compute_batch(program, dataset, Seed(bytes(32)), StepIndex(0))
    updated, _ = compute_next_state(program, execute_step(program, state, (x, y)))
    error = x.astype(float) @ state[0] - y
    wanted = state[0] - 0.125 * (x.T.astype(float) @ error)
    assert np.abs(updated - wanted).max() < 1e-3
