"""Executing a step by the specification: slow, exact, and the judge of every other executor."""

from dataclasses import dataclass

import numpy as np

from protocol.instructions import Instruction, Source
from protocol.merkle import compute_tensor_root, compute_vector_root
from protocol.program import Program
from protocol.sampler import compute_record
from protocol.semantics import Outside, execute
from protocol.types import Array, Root, Seed, StepIndex

State = tuple[Array, ...]  # per slot, shaped as the slot says


@dataclass(frozen=True)
class Dataset:
    """The committed dataset: one flat tensor per field, all with the same number of records."""

    fields: tuple[Array, ...]
    records: int

    @property
    def root(self) -> Root:
        """Vector root over the fields' tensor roots."""
        return compute_vector_root([compute_tensor_root(f) for f in self.fields])


def compute_batch(
    program: Program, dataset: Dataset, seed: Seed, step: StepIndex
) -> tuple[Array, ...]:
    """The step's rows of every field: [rows, *record shape]."""
    starts = [compute_record(seed, step, row, dataset.records) for row in range(program.rows)]
    return tuple(
        np.stack([data[r * f.stride : r * f.stride + f.size] for r in starts]).reshape(
            program.rows, *f.shape
        )
        for f, data in zip(program.fields, dataset.fields)
    )


def execute_microcode(
    instructions: tuple[Instruction, ...], inputs: tuple[Array, ...], outside: Outside
) -> list[Array]:
    """Output of every instruction of one operator; `inputs` are whole operator outputs."""
    outputs: list[Array] = []
    for instruction in instructions:
        sources = tuple(
            (outputs if operand.source is Source.INSTRUCTION else inputs)[operand.index].reshape(-1)
            for operand in instruction.operands
        )
        outputs.append(execute(instruction, sources, outside))
    return outputs


def execute_step(program: Program, state: State, batch: tuple[Array, ...]) -> list[Array]:
    """Output of every operator of one step, in program order."""
    outside = Outside(
        tuple(tensor.reshape(-1) for tensor in state),
        tuple(tensor.reshape(-1) for tensor in batch),
    )
    outputs: list[Array] = []
    for operator, instructions in zip(program.operators, program.microcode):
        inputs = tuple(outputs[item.producer] for item in operator.inputs)
        outputs.append(execute_microcode(instructions, inputs, outside)[-1])
    return outputs


def compute_next_state(program: Program, outputs: list[Array]) -> State:
    """The state after a step whose operators gave `outputs`."""
    return tuple(outputs[slot.producer].reshape(slot.shape) for slot in program.slots)


def compute_state_root(state: State) -> Root:
    """Vector root over the slots' tensor roots."""
    return compute_vector_root([compute_tensor_root(tensor) for tensor in state])
