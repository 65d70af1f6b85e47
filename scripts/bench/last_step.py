"""Gas of a dispute's last step, per instruction: small tensors, and the largest by construction.

`python -m scripts.bench.last_step` prints the table.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from protocol.descriptor import FieldDescriptor
from protocol.instructions import LEGALITY, Instruction, Kind, Opcode, Operand, Source
from protocol.types import CHUNK_LENGTH, Dtype, Shape
from protocol.verifier import compute_element
from protocol.views import View
from scripts.bench.element_cases import Case, Leaves, Surroundings, build_case
from scripts.bench.goals import note

TRANSACTION_GAS = 21_000
GAS_GOAL = 500_000  # of one last step, the transaction included
SMALL: Shape = (4, 8)
LARGE: Shape = (2**14, 2**14)  # = 2**28 elements
FOLD = 600  # its chunk 1 is a whole one, with an accumulator before it
AROUND_SMALL = Surroundings(
    operators=16, operator=15, instructions=4, instruction=3, producers=(5, 8, 7)
)
AROUND_LARGE = Surroundings(instructions=64, instruction=63, slots=2**12, fields=4)


@dataclass(frozen=True)
class Figure:
    """What one last step costs."""

    execution: int  # gas of compute_element
    calldata: int  # gas of its arguments' bytes: 4 per zero, 16 per other

    @property
    def total(self) -> int:
        """As a transaction of its own."""
        return TRANSACTION_GAS + self.calldata + self.execution


def get_random_leaf(number: int) -> Leaves:
    """Leaves of arbitrary bytes for opening `number`."""

    def get_leaf(leaf: int) -> bytes:
        blocks = (sha256(b"%d/%d/%d" % (number, leaf, block)).digest() for block in range(32))
        return b"".join(blocks)

    return get_leaf


def get_constant_leaf(value: int) -> Leaves:
    """Leaves whose 4-byte elements are all the same integer."""
    return lambda leaf: value.to_bytes(4, "little") * 256


def build_worst_case(opcode: Opcode, shape: Shape, around: Surroundings) -> Case:
    """The last step of an opcode: every opening needed, a fold's chunk over two leaves."""
    legality = LEGALITY[opcode]
    types, dtype = max(legality.types, key=lambda form: len(form[0]))
    fold = FOLD if legality.kind is Kind.FOLD else 1
    # A fold reads beyond the position of its map: the last rows leave it room.
    strides = (shape[1], 1)
    size = shape[0] * shape[1] + (fold if shape == SMALL else 0)
    operands = tuple(
        Operand(Source.INPUT, number, kind, size, View(shape, strides, 0))
        for number, kind in enumerate(types)
    )
    tensors = [get_random_leaf(number) for number in range(3)]
    attributes: tuple[int, ...] = (15, 15) if opcode is Opcode.DEQUANTIZE else (1, 2)
    if opcode is Opcode.QUANTIZE:
        attributes = (15,)
    if legality.kind is Kind.MAP and dtype is Dtype.F32 and types[0] is Dtype.F32:
        # About 1.3: no operation is over early, as with infinities or results that underflow.
        tensors = [get_constant_leaf(0x3FA9B249 + number) for number in range(3)]
    if opcode is Opcode.GATHER:
        attributes, tensors[1] = (1, 2), get_constant_leaf(1)
    if opcode is Opcode.MATCH_SUM:  # every index matches
        tensors[0] = tensors[2] = get_constant_leaf(3)
    if opcode in (Opcode.MAXIMUM, Opcode.ABSMAX):
        tensors[0] = get_constant_leaf(0x3F800000)
    if opcode is Opcode.LOAD_BATCH:
        rows = shape[0]
        field = FieldDescriptor(dtype, shape[1], shape[1])
        around = replace(around, field=field, records=rows, rows=rows)
    instruction = Instruction(opcode, dtype, shape, operands, fold, attributes)
    chunk = 1 if legality.kind is Kind.FOLD else 0
    # Position 77 of a leaf: a chunk of 256 elements then ends in the next one.
    element = shape[0] // 2 * shape[1] + (77 if shape == LARGE else 5)
    assert fold == 1 or fold >= 2 * CHUNK_LENGTH
    return build_case(instruction, tuple(tensors), element, chunk, 3, around)


def measure(verifier: Any, case: Case) -> Figure:
    """Gas of one call, and a check of its result. `verifier` is a titanoboa contract."""
    arguments = case.encode()
    word = verifier.compute_element(*arguments)
    assert word == compute_element(case.context, case.location, case.openings)
    execution = verifier._computation.get_gas_used()
    data = verifier.compute_element.prepare_calldata(*arguments)
    zeros = data.count(0)
    return Figure(execution, 4 * zeros + 16 * (len(data) - zeros))


def measure_last_steps(verifier: Any) -> dict[Opcode, tuple[Figure, Figure]]:
    """Per opcode, at small size and at 2**28 elements of 2**12 operators."""
    return {
        opcode: (
            measure(verifier, build_worst_case(opcode, SMALL, AROUND_SMALL)),
            measure(verifier, build_worst_case(opcode, LARGE, AROUND_LARGE)),
        )
        for opcode in Opcode
    }


def format_table(figures: dict[Opcode, tuple[Figure, Figure]]) -> str:
    """A Markdown table."""
    lines = [
        "| instruction | small | as a transaction | 2^28 elements | as a transaction |",
        "|---|---:|---:|---:|---:|",
    ]
    for opcode, (small, large) in figures.items():
        lines.append(
            f"| {opcode.name} | {small.execution:,} | {small.total:,} "
            f"| {large.execution:,} | {large.total:,} |"
        )
    return "\n".join(lines)


def deploy() -> Any:
    """A verifier in titanoboa's own chain."""
    import boa

    map_unit = boa.load("contracts/MapUnit.vy")
    return boa.load("contracts/StepVerifier.vy", map_unit.address)


def measure_table(device: str) -> str:
    """Markdown."""
    figures = measure_last_steps(deploy())
    worst = max(large.total for _, large in figures.values())
    note("last step of a dispute, gas", worst, 500_000)
    return format_table(figures)


if __name__ == "__main__":
    print(measure_table("cpu"))
