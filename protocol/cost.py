"""What a step of a program costs: the figures that price tasks, bonds and clocks.

They follow from the descriptors alone, so submitter, worker and challenger agree on them. Times
do not: a worker measures how fast its own machine goes through them.
"""

from dataclasses import dataclass

from protocol.instructions import Instruction, Kind, Opcode
from protocol.program import Program
from protocol.types import Dtype, compute_size

# Instructions that move bits and compute nothing.
_MOVES = frozenset(
    {
        Opcode.COPY,
        Opcode.SELECT,
        Opcode.CONST,
        Opcode.IOTA,
        Opcode.GATHER,
        Opcode.CONCAT,
        Opcode.LOAD_STATE,
        Opcode.LOAD_BATCH,
    }
)
# Instructions whose operand or result is a float, whatever the other is.
_FLOATS = frozenset({Opcode.QUANTIZE, Opcode.DEQUANTIZE, Opcode.I2F, Opcode.F2I})
_FLOAT_COMPARISONS = frozenset({Opcode.LT, Opcode.LE, Opcode.EQ})


@dataclass(frozen=True)
class Cost:
    """Per step. An operation is one result of a map, or one term of a fold (two for DOT)."""

    float_operations: int
    integer_operations: int
    read_bytes: int  # every operand read once, at most as often as it has elements
    written_bytes: int  # outputs of all instructions
    state_bytes: int  # of all slots
    batch_bytes: int  # of the rows of all fields
    peak_bytes: int  # upper bound: old state, live outputs, one operator's microcode
    instructions: int

    @property
    def operations(self) -> int:
        """What a submitter declares, and prices follow from."""
        return self.float_operations + self.integer_operations


def is_float_work(instruction: Instruction) -> bool:
    """Whether an instruction's operations count as float operations."""
    opcode = instruction.opcode
    return instruction.dtype is Dtype.F32 or opcode in _FLOATS or opcode in _FLOAT_COMPARISONS


def compute_operations(instruction: Instruction) -> int:
    """Operations of one instruction."""
    if instruction.opcode in _MOVES:
        return 0
    terms = 2 if instruction.opcode is Opcode.DOT else 1
    return instruction.size * instruction.fold * terms


def compute_read_bytes(instruction: Instruction) -> int:
    """Bytes that the operands of one instruction hold, each operand counted once."""
    elements = instruction.size
    if instruction.kind is Kind.FOLD:
        elements *= instruction.fold
    return sum(min(o.size, elements) * o.dtype.size_bytes for o in instruction.operands)


def compute_written_bytes(instruction: Instruction) -> int:
    """Bytes of the output; LOAD_STATE shows the state itself and writes nothing."""
    if instruction.opcode is Opcode.LOAD_STATE:
        return 0
    return instruction.size * instruction.dtype.size_bytes


def _compute_last_uses(program: Program) -> list[int]:
    """Per operator, the last operator that reads its output; the number of operators if a slot
    or a report does.
    """
    last = list(range(len(program.operators)))
    for index, operator in enumerate(program.operators):
        for item in operator.inputs:
            last[item.producer] = index
    for producer in (*(s.producer for s in program.slots), *program.reported.values()):
        last[producer] = len(program.operators)
    return last


def _compute_peak_bytes(program: Program) -> int:
    freed: dict[int, int] = {}
    for producer, last in enumerate(_compute_last_uses(program)):
        output = compute_written_bytes(program.get_output(producer))
        freed[last] = freed.get(last, 0) + output
    live = peak = 0
    for index, instructions in enumerate(program.microcode):
        work = sum(compute_written_bytes(i) for i in instructions)
        peak = max(peak, live + work)
        live += compute_written_bytes(instructions[-1]) - freed.get(index, 0)
    return peak


def compute_cost(program: Program) -> Cost:
    """Cost of one step of a valid program."""
    state_bytes = sum(slot.size * slot.dtype.size_bytes for slot in program.slots)
    instructions = [i for microcode in program.microcode for i in microcode]
    floats = integers = 0
    for instruction in instructions:
        operations = compute_operations(instruction)
        if is_float_work(instruction):
            floats += operations
        else:
            integers += operations
    return Cost(
        float_operations=floats,
        integer_operations=integers,
        read_bytes=sum(map(compute_read_bytes, instructions)),
        written_bytes=sum(map(compute_written_bytes, instructions)),
        state_bytes=state_bytes,
        batch_bytes=sum(
            program.rows * compute_size(f.shape) * f.dtype.size_bytes for f in program.fields
        ),
        peak_bytes=state_bytes + _compute_peak_bytes(program),
        instructions=len(instructions),
    )
