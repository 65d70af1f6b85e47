"""Random instructions with random operands, and what the specification says of them.

Index maps have any strides (zero, negative, overlapping) and offsets, sources are inputs and
earlier instructions, data is rich in edges.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from protocol.descriptor import FieldDescriptor
from protocol.instructions import LEGALITY, Instruction, Kind, Opcode, Operand, Source
from protocol.map_unit import to_word
from protocol.sampler import compute_record
from protocol.semantics import Outside, execute
from protocol.types import CHUNK_LENGTH, Array, Dtype, Seed, Shape, StepIndex
from protocol.verifier import compute_element
from protocol.views import View
from scripts.bench.element_cases import Case, Surroundings, build_case, build_leaves
from tests.float_cases import random_pattern

INTEGERS = [0, 1, -1, 2, 3, 255, 256, 2**24 + 1, 2**31 - 1, -(2**31), -(2**31) + 1]
WIDE = [0, 1, -1, 2**31, -(2**31) - 1, 2**32, 2**53 + 1, 2**62, -(2**62), 2**63 - 1, -(2**63)]
FOLDS_K = [1, 2, 7, 8, 9, 255, 256, 257, 300]


@dataclass(frozen=True)
class Example:
    """An instruction, its operands' tensors, its place, and its output by the specification."""

    instruction: Instruction
    tensors: tuple[Array, ...]  # one per opening
    around: Surroundings
    output: Array

    @property
    def chunks(self) -> int:
        """Chunks of the fold; 1 for everything else."""
        return -(-self.instruction.fold // CHUNK_LENGTH)

    def build(self, element: int, chunk: int = 0, accumulator: int = 0) -> Case:
        """The case of one element."""
        leaves = tuple(build_leaves(tensor) for tensor in self.tensors)
        return build_case(self.instruction, leaves, element, chunk, accumulator, self.around)

    def get_word(self, element: int) -> int:
        """The element by `protocol.semantics`."""
        value = self.output.reshape(-1)[element]
        return int(value.view(np.uint32)) if value.dtype == np.float32 else to_word(int(value))


def compute_word(example: Example, element: int, compute: Callable[[Case], bytes]) -> int:
    """The element, chunk by chunk; `compute` is the protocol's verifier or the contract."""
    accumulator = 0
    for chunk in range(example.chunks):
        case = example.build(element, chunk, accumulator)
        accumulator = int.from_bytes(compute(case), "big")
    return accumulator


def compute_by_protocol(case: Case) -> bytes:
    """`protocol.verifier.compute_element` of a case."""
    return compute_element(case.context, case.location, case.openings)


def random_array(rng: random.Random, dtype: Dtype, size: int) -> Array:
    """Numbers of a type, many of them edges."""
    if dtype is Dtype.F32:
        patterns = [random_pattern(rng) for _ in range(size)]
        return np.array(patterns, dtype=np.uint32).view(np.float32)
    edges, bits = (WIDE, 63) if dtype is Dtype.I64 else (INTEGERS, 31)
    numbers = [
        rng.choice(edges) if rng.random() < 0.3 else rng.getrandbits(bits) - 2 ** (bits - 1)
        for _ in range(size)
    ]
    return np.array(numbers, dtype=dtype.numpy)


def random_shape(rng: random.Random) -> Shape:
    """Rank 0 to 8, few elements."""
    return tuple(rng.choice([1, 1, 2, 3, 5]) for _ in range(rng.choice([0, 1, 2, 2, 3, 3, 4, 8])))


def random_operand(
    rng: random.Random, number: int, dtype: Dtype, shape: Shape, reach: tuple[int, int] = (0, 0)
) -> Operand:
    """An operand whose map stays inside its tensor; `reach` is what is read around each position.

    Its index follows from its number, so that two operands never name the same tensor.
    """
    strides = tuple(rng.choice([0, 1, 1, 2, 5, 40, -1, -2, -30]) for _ in shape)
    low, high = View(shape, strides).compute_bounds()
    offset = rng.choice([0, 1, 100, 250, 511]) - low - reach[0]
    size = offset + high + reach[1] + 1 + rng.choice([0, 1, 200])
    source = rng.choice([Source.INPUT, Source.INSTRUCTION])
    return Operand(source, number, dtype, size, View(shape, strides, offset))


def random_surroundings(rng: random.Random) -> Surroundings:
    """Counts at and around powers of two; the instruction is anywhere after its operands."""
    operators, instructions = rng.choice([9, 16, 17, 100]), rng.choice([4, 5, 8, 9])
    operator = rng.randrange(8, operators)
    return Surroundings(
        operators=operators,
        operator=operator,
        instructions=instructions,
        instruction=rng.randrange(3, instructions),
        producers=tuple(rng.sample(range(operator), rng.randrange(3, 9))),
        slots=rng.choice([1, 2, 3, 100]),
        fields=rng.choice([1, 2, 3]),
        records=rng.choice([1, 2, 1000]),
        step=rng.choice([0, 1, 2**40 - 1]),
        seed=rng.randbytes(32),
    )


def random_example(rng: random.Random, opcode: Opcode, fold: int | None = None) -> Example:
    """An instruction of that opcode; `fold` fixes K of a fold."""
    around = random_surroundings(rng)
    shape = random_shape(rng)
    types, dtype = rng.choice(LEGALITY[opcode].types)
    if LEGALITY[opcode].kind is Kind.MEMORY:
        return MEMORY[opcode](rng, opcode, types, dtype, around)
    length = fold or (rng.choice(FOLDS_K) if LEGALITY[opcode].kind is Kind.FOLD else 1)
    operands = tuple(
        random_operand(rng, n, t, shape, (0, length - 1 if n < LEGALITY[opcode].folded else 0))
        for n, t in enumerate(types)
    )
    attributes: tuple[int, ...] = ()
    if opcode is Opcode.QUANTIZE:
        attributes = (rng.randrange(2, 25),)
    if opcode is Opcode.DEQUANTIZE:
        attributes = (rng.randrange(2, 25), rng.randrange(2, 25) if len(types) == 3 else 0)
    instruction = Instruction(opcode, dtype, shape, operands, length, attributes)
    tensors = [random_array(rng, operand.dtype, operand.size) for operand in operands]
    if opcode is Opcode.DEQUANTIZE:
        tensors[0] = np.clip(tensors[0], -(2**62), 2**62)  # ACCUMULATOR_BITS
    if opcode is Opcode.MATCH_SUM:
        tensors[0], tensors[2] = tensors[0] % 3, tensors[2] % 3
    if opcode in (Opcode.MAXIMUM, Opcode.ABSMAX) and rng.random() < 0.7:
        tensors[0] = np.where(np.isnan(tensors[0]), np.float32(-0.0), tensors[0])
    return finish(instruction, tuple(tensors), around)


def finish(
    instruction: Instruction,
    tensors: tuple[Array, ...],
    around: Surroundings,
    outside: Outside | None = None,
) -> Example:
    """Adds the output by the specification."""
    sources = () if outside else tensors
    output = execute(instruction, sources, outside or Outside((), ()))
    return Example(instruction, tensors, around, output)


# --- Memory instructions -------------------------------------------------------------------------


def _const(rng, opcode, types, dtype, around):  # type: ignore[no-untyped-def]
    value = rng.choice([*INTEGERS, random_pattern(rng)])
    instruction = Instruction(opcode, dtype, random_shape(rng), (), 1, (value,))
    return finish(instruction, (), around)


def _iota(rng, opcode, types, dtype, around):  # type: ignore[no-untyped-def]
    shape = (*random_shape(rng)[:6], 7)
    instruction = Instruction(opcode, dtype, shape, (), 1, (rng.randrange(len(shape)),))
    return finish(instruction, (), around)


def _gather(rng, opcode, types, dtype, around):  # type: ignore[no-untyped-def]
    shape, stride, limit = random_shape(rng), rng.choice([-7, 1, 64, 300]), rng.randrange(1, 7)
    reach = sorted((0, stride * (limit - 1)))
    table = random_operand(rng, 0, types[0], shape, (reach[0], reach[1]))
    index = random_operand(rng, 1, types[1], shape)
    instruction = Instruction(opcode, dtype, shape, (table, index), 1, (stride, limit))
    choices = [*range(-2, limit + 2), -(2**31), 2**31 - 1, *range(limit)]
    indices = np.array([rng.choice(choices) for _ in range(index.size)], dtype=np.int32)
    return finish(instruction, (random_array(rng, types[0], table.size), indices), around)


def _concat(rng, opcode, types, dtype, around):  # type: ignore[no-untyped-def]
    shape = random_shape(rng)[:7]
    axis = rng.randrange(len(shape) + 1)
    split, beyond = rng.randrange(1, 5), rng.randrange(1, 5)
    whole = (*shape[:axis], split + beyond, *shape[axis:])
    operands = []
    for number, length in enumerate((split, beyond)):
        part = (*shape[:axis], length, *shape[axis:])
        operand = random_operand(rng, number, types[number], part)
        operands.append(replace(operand, view=replace(operand.view, shape=whole)))
    instruction = Instruction(opcode, dtype, whole, tuple(operands), 1, (axis, split))
    tensors = tuple(random_array(rng, operand.dtype, operand.size) for operand in operands)
    return finish(instruction, tensors, around)


def _load_state(rng, opcode, types, dtype, around):  # type: ignore[no-untyped-def]
    shape, slot = (*random_shape(rng)[:6], rng.choice([1, 255, 300])), rng.randrange(around.slots)
    instruction = Instruction(opcode, dtype, shape, (), 1, (slot,))
    tensor = random_array(rng, dtype, instruction.size)
    state = tuple(tensor if s == slot else np.zeros(1) for s in range(around.slots))
    return finish(instruction, (tensor,), around, Outside(state, ()))


def _load_batch(rng, opcode, types, dtype, around):  # type: ignore[no-untyped-def]
    number, record = rng.randrange(around.fields), random_shape(rng)[:7]
    size = int(np.prod(record, dtype=int))
    field = FieldDescriptor(dtype, size, rng.choice([1, size, size + 3]))
    around = replace(around, field=field)
    data = random_array(rng, dtype, (around.records - 1) * field.stride + size)
    starts = [
        compute_record(Seed(around.seed), StepIndex(around.step), row, around.records)
        * field.stride
        for row in range(around.rows)
    ]
    batch = np.stack([data[start : start + size] for start in starts])
    instruction = Instruction(opcode, dtype, (around.rows, *record), (), 1, (number,))
    fields = tuple(batch if f == number else np.zeros(1) for f in range(around.fields))
    return finish(instruction, (data,), around, Outside((), fields))


def _random(rng, opcode, types, dtype, around):  # type: ignore[no-untyped-def]
    shape = random_shape(rng)
    operand = random_operand(rng, 0, types[0], shape)
    keys = (rng.getrandbits(33) - 2**32, rng.getrandbits(32))
    instruction = Instruction(opcode, dtype, shape, (operand,), 1, keys)
    return finish(instruction, (random_array(rng, types[0], operand.size),), around)


MEMORY: dict[Opcode, Callable[..., Example]] = {
    Opcode.CONST: _const,
    Opcode.IOTA: _iota,
    Opcode.GATHER: _gather,
    Opcode.CONCAT: _concat,
    Opcode.LOAD_STATE: _load_state,
    Opcode.LOAD_BATCH: _load_batch,
    Opcode.RANDOM: _random,
}
