"""Programs and values made to leave an honest worker without a proof."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol import semantics, verifier
from protocol.execution import Dataset, State, compute_state_root
from protocol.map_unit import to_word
from protocol.opening import decode_word
from protocol.program import Program, Slot
from protocol.types import CHUNK_LENGTH, Dtype, StepIndex
from protocol.validation import validate
from protocol.views import View
from tests.disputes import SEED, make_dispute_program
from tests.economy import get_deployer
from tests.evidence import Run, SpecEvidence
from tests.game_table import encode
from tests.programs import FLOAT, INTEGER, Draft, make_dataset, make_state

GAS_LIMIT = 16_777_216  # of one transaction
PATTERNS = [
    *(0x7FC00000, 0x7F800001, 0xFFFFFFFF, 0xFFC00000),  # NaNs, with and without payload
    *(0x7F800000, 0xFF800000, 0, 0x80000000),  # infinities and zeros
    *(1, 0x80000001, 0x007FFFFF, 0x00800000),  # around the smallest
    *(0x7F7FFFFF, 0xFF7FFFFF, 0x3F800000, 0xBF7FFFFF),  # the largest, and ones
]
INTEGERS = [2**31 - 1, -(2**31), -1, 0, 1, 2, 3, -(2**31) + 1]


@pytest.fixture(scope="module")
def referee() -> Any:
    return get_deployer("StepVerifier").deploy(get_deployer("MapUnit").deploy())


def make_hostile(tensors: tuple[Any, ...], shift: int) -> tuple[Any, ...]:
    """The same shapes, full of edge values."""
    hostile = []
    for tensor in tensors:
        values = PATTERNS if tensor.dtype == np.float32 else INTEGERS
        places = (np.arange(tensor.size) * 5 + shift) % len(values)
        kind = np.uint32 if tensor.dtype == np.float32 else np.int32
        filled = np.array(values, dtype=kind)[places].view(tensor.dtype)
        hostile.append(filled.reshape(tensor.shape))
    return tuple(hostile)


def check_proof(referee: Any, evidence: SpecEvidence, step: int, place: tuple[int, ...]) -> int:
    """The chain's word for an element's last chunk must be the worker's; the gas it took."""
    program, (operator, instruction, element) = evidence.program, place
    code = program.microcode[operator][instruction]
    chunk = -(-code.fold // CHUNK_LENGTH) - 1
    before = evidence.accumulators(step, *place)[chunk - 1] if chunk else 0
    context = verifier.Context(
        program_root=program.root,
        dataset_root=evidence.run.dataset.root,
        seed=evidence.seed,
        records=evidence.records,
        step=StepIndex(step),
        state_root=evidence.state_tree(step).root,
        operator_trace_root=evidence.operator_tree(step).root,
        instruction_trace_root=evidence.instruction_tree(step, operator).root,
        operator=operator,
        instruction=instruction,
        element=element,
        chunk=chunk,
        accumulator=before.to_bytes(32, "big"),
    )
    location = verifier.build_location(program, operator, instruction)
    openings = verifier.build_openings(program, step, *place, chunk, evidence)
    word = referee.compute_element(encode(context), encode(location), encode(tuple(openings)))
    value = evidence.tensor(step, operator, instruction)[element]
    wanted = decode_word(value.tobytes(), code.dtype).to_bytes(32, "big")
    assert word == wanted, (code.opcode.name, place)
    gas: int = referee._computation.get_gas_used()
    return gas


def check_step(referee: Any, evidence: SpecEvidence, step: int) -> set[str]:
    """First and last element of every instruction."""
    met = set()
    for operator, microcode in enumerate(evidence.program.microcode):
        for number, code in enumerate(microcode):
            for element in {0, code.size - 1}:
                gas = check_proof(referee, evidence, step, (operator, number, element))
                assert gas < GAS_LIMIT // 10
            met.add(code.opcode.name)
    return met


def test_values__nan_infinity_and_extremes_everywhere__every_instruction_is_proved(
    referee: Any,
) -> None:
    program = make_dispute_program()
    genesis: State = make_hostile(make_state(program), shift=7)
    dataset = make_dataset(program, records=11)
    dataset = replace(dataset, fields=make_hostile(dataset.fields, shift=7))
    evidence = SpecEvidence(Run(program, dataset, genesis, SEED, 1, 2))
    met = check_step(referee, evidence, 0) | check_step(referee, evidence, 1)
    assert {"DOT", "MATCH_SUM", "ABSMAX", "QUANTIZE", "DEQUANTIZE", "GATHER"} <= met


def make_twisted_program() -> Program:
    """Eight axes, strides below zero and of nothing, overlapping windows, offsets at the end."""
    draft = Draft()
    shape = (2, 1, 2, 1, 2, 1, 2, 1)
    table = draft.add("load_state", slot=0, shape=(5, 8), dtype=FLOAT)
    index = draft.add("load_state", slot=1, shape=(16,), dtype=INTEGER)
    counter = draft.add("load_state", slot=2, shape=(1,), dtype=INTEGER)
    # Axes of length 1 have strides that lead nowhere, as large as a descriptor holds them.
    backwards = View(shape, (-16, 2**32, -4, -(2**32), -2, 7, -1, -(2**31)), 39)
    folded = View((2, 2, 2, 2, 1, 1, 1, 4), (8, 8, 4, 1, 2**32, -5, 3, 1), 3)
    negated = draft.add("neg", (table, backwards))
    overlapping = draft.add("sum", (table, folded))
    largest = draft.add("amax", (table, folded))
    upside_down = draft.add("embedding", (table, View((5, 8), (-8, -1), 39)), index)
    joined = draft.add("cat", (table, backwards), (table, View(shape, (0,) * 8, 39)), axis=7)
    positions = draft.add("arange", shape=shape, axis=6)
    flat = (counter, View((), (), 0))
    drawn = draft.add("random", flat, shape=shape, key_0=2**32 - 1, key_1=0)
    kept = [
        *((FLOAT, table, (5, 8)), (INTEGER, index, (16,)), (INTEGER, counter, (1,))),
        *((FLOAT, negated, shape), (FLOAT, overlapping, folded.shape[:-1])),
        *((FLOAT, largest, folded.shape[:-1]), (FLOAT, upside_down, (16, 8))),
        *((FLOAT, joined, (*shape[:-1], 2)), (INTEGER, positions, shape), (INTEGER, drawn, shape)),
    ]
    slots = tuple(Slot(f"{n}", Dtype(d), s, producer) for n, (d, producer, s) in enumerate(kept))
    return Program(slots, (), 1, tuple(draft.operators))


def test_index_maps__eight_axes_and_any_strides__elements_are_proved(referee: Any) -> None:
    program = make_twisted_program()
    validate(program)
    genesis = make_hostile(make_state(program), 3)
    evidence = SpecEvidence(Run(program, Dataset((), 1), genesis, SEED, 1, 2))
    assert compute_state_root(genesis) == evidence.state_tree(0).root
    for operator, microcode in enumerate(program.microcode):
        for number, code in enumerate(microcode):
            for element in {*range(0, code.size, 3), code.size - 1}:
                check_proof(referee, evidence, 1, (operator, number, element))


@pytest.mark.parametrize("bits", [(2, 2), (15, 22), (24, 24), (24, 0)])
def test_dequantize__accumulators_at_the_bound__specification_equals_the_chain(bits: Any) -> None:
    unit = get_deployer("MapUnit").deploy()
    sizes = [2**62, 2**62 - 1, 2**53 + 1, 2**53 - 1, 2**61 + 2**37, 2**61 + 2**37 + 1]
    sizes += [3 * 2**37 + 2**60, 3 * 2**37 + 2**60 - 1, 2**24 + 1, 1]
    accumulators = np.array([*sizes, *(-s for s in sizes)], dtype=np.int64)
    for scale in (0x7F7FFFFF, 0x00000001, 0x3F800000, 0x80000001, 0x007FFFFF):
        m = np.full(accumulators.shape, scale, np.uint32).view(np.float32)
        m_b = m if bits[1] else None
        results = semantics.dequantize(accumulators, m, m_b, *bits).view(np.uint32)
        for accumulator, result in zip(accumulators, results):
            word = to_word(int(accumulator))
            computed = unit.compute_map(28, word, scale, scale if bits[1] else 0, *bits)
            assert computed == int(result), (int(accumulator), scale)
