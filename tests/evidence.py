"""A run by the specification, with everything that a dispute may ask about it, and lies in it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from protocol.execution import Dataset, State, compute_batch, compute_state_root
from protocol.fold import compute_fold, compute_initial
from protocol.instructions import LEGALITY, Instruction, Opcode, Source
from protocol.map_unit import to_word
from protocol.merkle import Tree, compute_tensor_tree, compute_vector_tree
from protocol.opening import compute_coordinates, compute_position, decode_word
from protocol.program import Program
from protocol.semantics import Outside, execute
from protocol.types import CHUNK_LENGTH, Array, Root, Seed, StepIndex


@dataclass(frozen=True, eq=False)
class Run:
    """What is to be computed."""

    program: Program
    dataset: Dataset
    genesis: State
    seed: Seed
    segments: int
    segment_length: int

    @property
    def steps(self) -> int:
        return self.segments * self.segment_length


@dataclass(frozen=True)
class Lie:
    """One element of one instruction's output that a worker gets wrong by `bits` (exclusive or).

    Everything after it is computed from the wrong element, so it is the only wrong place. In a
    fold of several chunks the accumulators are wrong from `chunk` on.
    """

    step: int
    operator: int
    instruction: int
    element: int
    bits: int = 1
    chunk: int = 0


# (step, operator, instruction, its output) -> what is passed off as its output
Alteration = Callable[[int, int, int, Array], Array]


def tell(lie: Lie) -> Alteration:
    """The alteration of a single lie."""

    def alter(step: int, operator: int, instruction: int, output: Array) -> Array:
        if (step, operator, instruction) != (lie.step, lie.operator, lie.instruction):
            return output
        wrong = np.array(output)
        flat = wrong.reshape(-1).view(np.uint64 if wrong.itemsize == 8 else np.uint32)
        flat[lie.element] ^= flat.dtype.type(lie.bits)
        return wrong

    return alter


class SpecEvidence:
    """`protocol.strategy.Evidence` over a run that is executed once, by the specification."""

    def __init__(self, run: Run, alter: Alteration | None = None, lie: Lie | None = None):
        self.run, self.program, self.seed = run, run.program, run.seed
        self.records = run.dataset.records
        self.lie = lie
        self._alter = tell(lie) if lie is not None else alter
        self._states: list[State] = [run.genesis]
        self._traces: list[list[list[Array]]] = []  # per step, operator, instruction
        for step in range(run.steps):
            self._execute(StepIndex(step))
        for name in (
            "chunk_tree",
            "instruction_tree",
            "operator_tree",
            "state_tree",
            "step_tree",
            "tensor_tree",
        ):
            setattr(self, name, cache(getattr(self, name)))

    def _execute(self, step: StepIndex) -> None:
        state = self._states[step]
        batch = compute_batch(self.program, self.run.dataset, self.seed, step)
        outside = Outside(tuple(t.reshape(-1) for t in state), tuple(t.reshape(-1) for t in batch))
        trace: list[list[Array]] = []
        for j, microcode in enumerate(self.program.microcode):
            outputs: list[Array] = []
            for m, instruction in enumerate(microcode):
                sources = self._get_sources(instruction, j, trace, outputs)
                output = execute(instruction, sources, outside)
                if self._alter is not None:
                    output = self._alter(step, j, m, output)
                outputs.append(output)
            trace.append(outputs)
        self._traces.append(trace)
        slots = self.program.slots
        self._states.append(tuple(trace[s.producer][-1].reshape(s.shape) for s in slots))

    def _get_sources(
        self,
        instruction: Instruction,
        operator: int,
        trace: list[list[Array]],
        outputs: list[Array],
    ) -> tuple[Array, ...]:
        inputs = self.program.operators[operator].inputs
        return tuple(
            (
                outputs[o.index]
                if o.source is Source.INSTRUCTION
                else trace[inputs[o.index].producer][-1]
            ).reshape(-1)
            for o in instruction.operands
        )

    @cached_property
    def _claim_tree(self) -> Tree:
        length = self.run.segment_length
        return compute_vector_tree(
            [compute_state_root(self._states[(s + 1) * length]) for s in range(self.run.segments)]
        )

    def claim_tree(self) -> Tree:
        return self._claim_tree

    def step_tree(self, segment: int) -> Tree:
        first = segment * self.run.segment_length
        states = self._states[first + 1 : first + 1 + self.run.segment_length]
        return compute_vector_tree([compute_state_root(state) for state in states])

    def state_tree(self, step: int) -> Tree:
        return compute_vector_tree([compute_tensor_tree(t).root for t in self._states[step]])

    def slot_tree(self, step: int) -> Tree:
        return self.state_tree(step + 1)

    def state_tensor(self, step: int, slot: int) -> Array:
        return self._states[step][slot].reshape(-1)

    def state_tensor_tree(self, step: int, slot: int) -> Tree:
        return compute_tensor_tree(self._states[step][slot])

    def operator_tree(self, step: int) -> Tree:
        return compute_vector_tree([compute_tensor_tree(o[-1]).root for o in self._traces[step]])

    def instruction_tree(self, step: int, operator: int) -> Tree:
        outputs = self._traces[step][operator]
        return compute_vector_tree([compute_tensor_tree(o).root for o in outputs])

    def tensor(self, step: int, operator: int, instruction: int) -> Array:
        return self._traces[step][operator][instruction].reshape(-1)

    def tensor_tree(self, step: int, operator: int, instruction: int) -> Tree:
        return compute_tensor_tree(self._traces[step][operator][instruction])

    def chunk_tree(self, step: int, operator: int, instruction: int, element: int) -> Tree:
        words = self.accumulators(step, operator, instruction, element)
        value = self.tensor(step, operator, instruction)[element]
        words[-1] = decode_word(value.tobytes(), self._get(operator, instruction).dtype)
        lie = self.lie
        place = (step, operator, instruction, element)
        if lie is not None and place == (lie.step, lie.operator, lie.instruction, lie.element):
            words[lie.chunk :] = [
                *(word ^ 1 for word in words[lie.chunk : -1]),
                words[-1],
            ]
        return compute_vector_tree([word.to_bytes(32, "big") for word in words])

    def _get(self, operator: int, instruction: int) -> Instruction:
        return self.program.microcode[operator][instruction]

    def accumulators(self, step: int, operator: int, instruction: int, element: int) -> list[int]:
        """True accumulator words of a fold."""
        code = self._get(operator, instruction)
        outputs = self._traces[step][operator][:instruction]
        sources = self._get_sources(code, operator, self._traces[step], outputs)
        coordinates = compute_coordinates(code.shape, element)
        starts = [compute_position(operand, coordinates) for operand in code.operands]
        wanted = 0
        if code.opcode is Opcode.MATCH_SUM:
            wanted = to_word(int(sources[2][starts[2]]))
        words: list[int] = []
        accumulator = compute_initial(code.opcode)
        for chunk in range(0, code.fold, CHUNK_LENGTH):
            end = min(chunk + CHUNK_LENGTH, code.fold)
            data = [b"", b""]
            for number in range(LEGALITY[code.opcode].folded):
                start = starts[number]
                data[number] = sources[number][start + chunk : start + end].tobytes()
            accumulator = compute_fold(code.opcode, accumulator, data[0], data[1], wanted)
            words.append(accumulator)
        return words

    def field_tensor(self, field: int) -> Array:
        return self.run.dataset.fields[field].reshape(-1)

    def field_tensor_tree(self, field: int) -> Tree:
        return compute_tensor_tree(self.field_tensor(field))

    def dataset_tree(self) -> Tree:
        roots = [compute_tensor_tree(field).root for field in self.run.dataset.fields]
        return compute_vector_tree(roots)


def replace_lie(evidence: SpecEvidence, **changes: int) -> SpecEvidence:
    """The same run with another lie."""
    assert evidence.lie is not None
    return SpecEvidence(evidence.run, lie=replace(evidence.lie, **changes))


def compute_genesis_root(run: Run) -> Root:
    return compute_state_root(run.genesis)
