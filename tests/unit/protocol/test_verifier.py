"""Openings that an honest party builds of a whole program prove every element of its trace."""

import random
from collections import Counter
from functools import cached_property

import numpy as np

from protocol.execution import (
    Dataset,
    compute_batch,
    compute_state_root,
    execute_microcode,
)
from protocol.instructions import Opcode
from protocol.map_unit import to_word
from protocol.merkle import Tree, compute_tensor_root, compute_tensor_tree, compute_vector_tree
from protocol.program import Field, Input, Operator, Program, Slot
from protocol.semantics import Outside
from protocol.types import CHUNK_LENGTH, Array, Dtype, Root, Seed, StepIndex
from protocol.verifier import Context, build_location, build_openings, compute_element
from protocol.views import contiguous

SEED = Seed(b"s" * 32)
STEP = StepIndex(3)
RECORDS = 40
EMBEDDING, TOKENS, VECTORS, LOGITS = range(4)


def build_program() -> Program:
    """Embedding, a product along 300 elements, softmax, scatter-add and dropout bits."""
    table = Input(EMBEDDING, contiguous((11, 300)))
    tokens = Input(TOKENS, contiguous((8,)))
    vectors = Input(VECTORS, contiguous((8, 300)))
    operators = (
        Operator("load_state", (), {"slot": 0, "shape": (11, 300), "dtype": int(Dtype.F32)}),
        Operator("load_batch", (), {"field": 0, "shape": (2, 4), "dtype": int(Dtype.I32)}),
        Operator("embedding", (table, tokens)),
        Operator(
            "matmul",
            (vectors, Input(EMBEDDING, contiguous((11, 300)).permute((1, 0)))),
            {"bits_a": 15, "bits_b": 15},
        ),
        Operator("softmax", (Input(LOGITS, contiguous((8, 11))),)),
        Operator("index_add", (tokens, vectors), {"rows": 11}),
        Operator("cat", (vectors, table), {"axis": 0}),
        Operator(
            "random",
            (Input(TOKENS, contiguous((8,)).slice(0, 2, 1)),),
            {"shape": (3, 100), "key_0": 7, "key_1": -1},
        ),
    )
    slots = (Slot("table", Dtype.F32, (11, 300), 5), Slot("unused", Dtype.F32, (11, 300), 0))
    return Program(slots, (Field("tokens", Dtype.I32, (4,), 1),), 2, operators)


class Trace:
    """`protocol.verifier.Evidence` of one step, everything computed by the specification."""

    seed, records = SEED, RECORDS

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        tokens = rng.integers(0, 11, RECORDS + 3).astype(np.int32)
        self.program = build_program()
        self.dataset = Dataset((tokens,), RECORDS)
        self.state = (
            rng.normal(size=(11, 300)).astype(np.float32),
            np.zeros((11, 300), np.float32),
        )

    @cached_property
    def outputs(self) -> list[list[Array]]:
        batch = compute_batch(self.program, self.dataset, SEED, STEP)
        outside = Outside(
            tuple(tensor.reshape(-1) for tensor in self.state),
            tuple(tensor.reshape(-1) for tensor in batch),
        )
        outputs: list[list[Array]] = []
        for operator, code in zip(self.program.operators, self.program.microcode):
            inputs = tuple(outputs[item.producer][-1] for item in operator.inputs)
            outputs.append(execute_microcode(code, inputs, outside))
        return outputs

    def tensor(self, step: int, operator: int, instruction: int) -> Array:
        return self.outputs[operator][instruction].reshape(-1)

    def tensor_tree(self, step: int, operator: int, instruction: int) -> Tree:
        return compute_tensor_tree(self.outputs[operator][instruction])

    def operator_tree(self, step: int) -> Tree:
        return compute_vector_tree([compute_tensor_root(o[-1]) for o in self.outputs])

    def instruction_tree(self, step: int, operator: int) -> Tree:
        return compute_vector_tree([compute_tensor_root(o) for o in self.outputs[operator]])

    def state_tensor(self, step: int, slot: int) -> Array:
        return self.state[slot].reshape(-1)

    def state_tensor_tree(self, step: int, slot: int) -> Tree:
        return compute_tensor_tree(self.state[slot])

    def state_tree(self, step: int) -> Tree:
        return compute_vector_tree([compute_tensor_root(tensor) for tensor in self.state])

    def field_tensor(self, field: int) -> Array:
        return self.dataset.fields[field]

    def field_tensor_tree(self, field: int) -> Tree:
        return compute_tensor_tree(self.dataset.fields[field])

    def dataset_tree(self) -> Tree:
        return compute_vector_tree([compute_tensor_root(f) for f in self.dataset.fields])


def compute_word(trace: Trace, operator: int, instruction: int, element: int) -> int:
    """The element, chunk by chunk, from openings alone."""
    program = trace.program
    location = build_location(program, operator, instruction)
    word = bytes(32)
    for chunk in range(-(-location.instruction.fold // CHUNK_LENGTH)):
        context = Context(
            program_root=program.root,
            dataset_root=trace.dataset.root,
            seed=SEED,
            records=RECORDS,
            step=STEP,
            state_root=compute_state_root(trace.state),
            operator_trace_root=Root(trace.operator_tree(STEP).root),
            instruction_trace_root=Root(trace.instruction_tree(STEP, operator).root),
            operator=operator,
            instruction=instruction,
            element=element,
            chunk=chunk,
            accumulator=word,
        )
        openings = build_openings(program, STEP, operator, instruction, element, chunk, trace)
        word = compute_element(context, location, openings)
    return int.from_bytes(word, "big")


def test_build_openings__true_trace__proves_every_instruction() -> None:
    trace, rng = Trace(), random.Random(1)
    met: Counter[Opcode] = Counter()
    for operator, code in enumerate(trace.program.microcode):
        for number, instruction in enumerate(code):
            output = trace.tensor(STEP, operator, number)
            for element in {0, instruction.size - 1, rng.randrange(instruction.size)}:
                value = output[element]
                is_float = instruction.dtype is Dtype.F32
                expected = int(value.view(np.uint32)) if is_float else to_word(int(value))
                assert compute_word(trace, operator, number, element) == expected
            met[instruction.opcode] += 1
    wanted = {
        *(Opcode.LOAD_STATE, Opcode.LOAD_BATCH, Opcode.GATHER, Opcode.CONCAT, Opcode.RANDOM),
        *(Opcode.DOT, Opcode.SUM, Opcode.MAXIMUM, Opcode.ABSMAX, Opcode.MATCH_SUM),
        *(Opcode.QUANTIZE, Opcode.DEQUANTIZE, Opcode.EXP, Opcode.DIV),
    }
    assert wanted <= set(met)
