"""Static ranges of integer tensors: what a program can prove about its own integers.

A range bounds every element of a tensor, whatever the state and the batch hold. From it follow
that integer arithmetic cannot leave i32 and that accumulators cannot exceed 2**62, so that no
order of additions overflows and no operand value makes an element undefined.
"""

from collections.abc import Sequence

from protocol.instructions import Instruction, Opcode
from protocol.rejections import AccumulatorOverflow, IntegerOverflow
from protocol.types import ACCUMULATOR_BITS, Dtype

Range = tuple[int, int]  # smallest and largest value, both included

INT32: Range = (-(2**31), 2**31 - 1)
BOOLEAN: Range = (0, 1)
RANDOM24: Range = (0, 2**24 - 1)

_COMPARISONS = (
    Opcode.LT,
    Opcode.LE,
    Opcode.EQ,
    Opcode.NOT,
    Opcode.ILT,
    Opcode.ILE,
    Opcode.IEQ,
)


def compute_range(instruction: Instruction, operands: Sequence[Range]) -> Range:
    """Range of an instruction's output; `operands` are the ranges of the tensors it reads.

    The range of a float tensor means nothing and is given as (0, 0). Raises IntegerOverflow and
    AccumulatorOverflow.
    """
    opcode = instruction.opcode
    if instruction.dtype is Dtype.F32:
        return (0, 0)
    if instruction.dtype is Dtype.I64:
        return _compute_accumulator(instruction, operands)
    if opcode in _COMPARISONS:
        return BOOLEAN
    match opcode:
        case Opcode.IADD | Opcode.ISUB | Opcode.IMUL:
            return _compute_arithmetic(opcode, operands[0], operands[1])
        case Opcode.QUANTIZE:
            limit = 2 ** (instruction.attributes[0] - 1) - 1
            return (-limit, limit)
        case Opcode.CONST:
            return (instruction.attributes[0], instruction.attributes[0])
        case Opcode.IOTA:
            return (0, instruction.shape[instruction.attributes[0]] - 1)
        case Opcode.RANDOM:
            return RANDOM24
        case Opcode.AND:
            return _compute_and(operands[0], operands[1])
        case Opcode.OR:
            return _compute_or(operands[0], operands[1])
        case Opcode.SELECT:
            return _join(operands[1], operands[2])
        case Opcode.CONCAT:
            return _join(operands[0], operands[1])
        case Opcode.GATHER:
            return _join(operands[0], (0, 0))  # 0 outside the limit
        case Opcode.COPY:
            return operands[0]
    return INT32  # LOAD_STATE, LOAD_BATCH, F2I


def _join(a: Range, b: Range) -> Range:
    return (min(a[0], b[0]), max(a[1], b[1]))


def _compute_arithmetic(opcode: Opcode, a: Range, b: Range) -> Range:
    if opcode is Opcode.IADD:
        low, high = a[0] + b[0], a[1] + b[1]
    elif opcode is Opcode.ISUB:
        low, high = a[0] - b[1], a[1] - b[0]
    else:
        products = [x * y for x in a for y in b]
        low, high = min(products), max(products)
    if low < INT32[0] or high > INT32[1]:
        raise IntegerOverflow(
            f"{opcode.name} of [{a[0]}, {a[1]}] and [{b[0]}, {b[1]}] can reach [{low}, {high}], "
            f"outside i32 [{INT32[0]}, {INT32[1]}]; bound an operand first (a bitwise AND with a "
            "mask does)"
        )
    return (low, high)


def _compute_envelope(a: Range, b: Range) -> Range:
    """Two's complement numbers of the same width: closed under bitwise operations."""
    bits = max(max(-low - 1, high).bit_length() for low, high in (a, b))
    return (-(2**bits), 2**bits - 1)


def _compute_and(a: Range, b: Range) -> Range:
    bounds = [high for low, high in (a, b) if low >= 0]
    return (0, min(bounds)) if bounds else _compute_envelope(a, b)


def _compute_or(a: Range, b: Range) -> Range:
    low, high = _compute_envelope(a, b)
    if a[0] >= 0 and b[0] >= 0:
        return (max(a[0], b[0]), high)
    return (low, high)


def _compute_size(bounds: Range) -> int:
    return max(-bounds[0], bounds[1])


def _compute_accumulator(instruction: Instruction, operands: Sequence[Range]) -> Range:
    match instruction.opcode:
        case Opcode.DOT:
            term = _compute_size(operands[0]) * _compute_size(operands[1])
        case Opcode.MATCH_SUM:
            term = _compute_size(operands[1])
        case _:
            term = _compute_size(operands[0])
    bound = term * instruction.fold
    if bound > 2**ACCUMULATOR_BITS:
        raise AccumulatorOverflow(
            f"{instruction.opcode.name} over {instruction.fold} elements can reach {bound}, "
            f"limit 2**{ACCUMULATOR_BITS}"
        )
    return (-bound, bound)
