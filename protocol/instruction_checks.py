"""Checks of one instruction: that the chain can open it and recompute any element of it.

Each check raises one of `protocol.rejections` without a place; the caller knows the place.
"""

from collections.abc import Callable, Sequence

from protocol import rejections
from protocol.bounds import check_reach, check_shape, check_strides
from protocol.instructions import LEGALITY, Instruction, Kind, Opcode, Source
from protocol.program import Program
from protocol.ranges import INT32
from protocol.types import BITS_MAX, BITS_MIN, CANONICAL_NAN, FOLD_MAX, Dtype
from protocol.views import View

_INFINITY = 0x7F800000
_MAGNITUDE = 0x7FFFFFFF


def check_instruction(
    instruction: Instruction,
    earlier: Sequence[Instruction],
    inputs: Sequence[Instruction],
    program: Program,
) -> None:
    """Raise unless the instruction can be executed, opened and proved.

    `earlier` are the instructions before it in the operator, `inputs` those whose outputs are the
    operator's inputs.
    """
    check_shape(instruction.shape, instruction.dtype)
    _check_form(instruction)
    _check_fold(instruction)
    _check_sources(instruction, earlier, inputs)
    check = ATTRIBUTE_CHECKS.get(instruction.opcode)
    if check is not None:
        check(instruction, program)
    for number in range(len(instruction.operands)):
        _check_operand(instruction, number)


def _check_form(instruction: Instruction) -> None:
    legality = LEGALITY[instruction.opcode]
    types = tuple(operand.dtype for operand in instruction.operands)
    if (types, instruction.dtype) not in legality.types:
        names = ", ".join(dtype.name.lower() for dtype in types)
        raise rejections.IllegalTypes(f"no form ({names}) -> {instruction.dtype.name.lower()}")
    if len(instruction.attributes) != len(legality.attributes):
        raise rejections.MalformedInstruction(
            f"{len(instruction.attributes)} attributes, expected {len(legality.attributes)}"
        )
    for name, value in zip(legality.attributes, instruction.attributes):
        if type(value) is not int:
            raise rejections.NotAnInteger(f"attribute {name} is {value!r}")


def _check_fold(instruction: Instruction) -> None:
    limit = FOLD_MAX if instruction.kind is Kind.FOLD else 1
    if type(instruction.fold) is not int or not 1 <= instruction.fold <= limit:
        raise rejections.FoldOutOfRange(f"fold of {instruction.fold}, limits 1 to {limit}")


def _check_sources(
    instruction: Instruction, earlier: Sequence[Instruction], inputs: Sequence[Instruction]
) -> None:
    for number, operand in enumerate(instruction.operands):
        sources = earlier if operand.source is Source.INSTRUCTION else inputs
        if operand.source is Source.NONE or not 0 <= operand.index < len(sources):
            raise rejections.MalformedInstruction(
                f"operand {number} names {operand.source.name.lower()} {operand.index} of "
                f"{len(sources)}"
            )
        source = sources[operand.index]
        if (operand.dtype, operand.size) != (source.dtype, source.size):
            raise rejections.MalformedInstruction(
                f"operand {number} is {operand.size} of {operand.dtype.name.lower()}, its "
                f"source {source.size} of {source.dtype.name.lower()}"
            )


def _check_operand(instruction: Instruction, number: int) -> None:
    operand, opcode = instruction.operands[number], instruction.opcode
    view = operand.view
    if view.shape != instruction.shape:
        raise rejections.MalformedInstruction(
            f"operand {number} has shape {view.shape}, the output {instruction.shape}"
        )
    below = above = 0
    try:
        check_strides(view)
        if number < LEGALITY[opcode].folded:
            above = instruction.fold - 1
        elif opcode is Opcode.GATHER and number == 0:
            stride, limit = instruction.attributes
            reach = stride * (limit - 1)
            below, above = max(-reach, 0), max(reach, 0)
        elif opcode is Opcode.CONCAT:
            view = _compute_part(instruction, number)
        check_reach(view, operand.size, below, above)
    except rejections.InvalidProgram as rejection:
        raise rejection.at(f"operand {number}") from None


def _compute_part(instruction: Instruction, number: int) -> View:
    """What CONCAT really reads of an operand: positions along the axis up to, or from, split."""
    axis, split = instruction.attributes
    length = split if number == 0 else instruction.shape[axis] - split
    return instruction.operands[number].view.slice(axis, 0, length)


# --- Attributes -----------------------------------------------------------------------------------


def _check_bits(name: str, bits: int) -> None:
    if not BITS_MIN <= bits <= BITS_MAX:
        raise rejections.BitsOutOfRange(f"{name} is {bits}, limits {BITS_MIN} to {BITS_MAX}")


def _check_quantize(instruction: Instruction, program: Program) -> None:
    _check_bits("bits", instruction.attributes[0])


def _check_dequantize(instruction: Instruction, program: Program) -> None:
    bits_a, bits_b = instruction.attributes
    _check_bits("bits_a", bits_a)
    if len(instruction.operands) == 3:
        _check_bits("bits_b", bits_b)
    elif bits_b != 0:
        raise rejections.BitsOutOfRange(f"bits_b is {bits_b}, expected 0 without a second scale")


def _check_const(instruction: Instruction, program: Program) -> None:
    value = instruction.attributes[0]
    if instruction.dtype is Dtype.I32:
        if not INT32[0] <= value <= INT32[1]:
            raise rejections.ConstantOutOfRange(f"value {value}, limits {INT32[0]} to {INT32[1]}")
    elif not 0 <= value < 2**32:
        raise rejections.ConstantOutOfRange(f"f32 pattern {value}, limits 0 to {2**32 - 1}")
    elif value & _MAGNITUDE > _INFINITY and value != CANONICAL_NAN:
        raise rejections.ConstantOutOfRange(
            f"f32 pattern {value:#010x} is a NaN other than {CANONICAL_NAN:#010x}"
        )


def _check_axis(instruction: Instruction) -> None:
    axis, rank = instruction.attributes[0], len(instruction.shape)
    if not 0 <= axis < rank:
        raise rejections.AxisOutOfRange(f"axis {axis} of a tensor of {rank} axes")


def _check_iota(instruction: Instruction, program: Program) -> None:
    _check_axis(instruction)
    length = instruction.shape[instruction.attributes[0]]
    if length - 1 > INT32[1]:
        raise rejections.PositionOverflow(f"axis of length {length}, limit {INT32[1] + 1}")


def _check_concat(instruction: Instruction, program: Program) -> None:
    _check_axis(instruction)
    axis, split = instruction.attributes
    length = instruction.shape[axis]
    if not 0 < split < length:
        raise rejections.SplitOutOfRange(f"split {split}, limits 1 to {length - 1}")


def _check_gather(instruction: Instruction, program: Program) -> None:
    limit = instruction.attributes[1]
    if not 1 <= limit <= INT32[1] + 1:
        raise rejections.GatherLimitOutOfRange(f"limit {limit}, limits 1 to {INT32[1] + 1}")
    stride, size = instruction.attributes[0], instruction.operands[0].size
    # With one row the stride reaches nothing, but the descriptor holds it too.
    if abs(stride) > size:
        raise rejections.StrideOutOfRange(f"stride {stride}, limits {-size} to {size}")


def _check_random(instruction: Instruction, program: Program) -> None:
    for name, key in zip(("key_0", "key_1"), instruction.attributes):
        if not 0 <= key < 2**32:
            raise rejections.KeyOutOfRange(f"{name} is {key}, limits 0 to {2**32 - 1}")


def _check_load_state(instruction: Instruction, program: Program) -> None:
    slot = instruction.attributes[0]
    if not 0 <= slot < len(program.slots):
        raise rejections.UnknownSlot(f"slot {slot} of {len(program.slots)}")
    item = program.slots[slot]
    _check_load(instruction, f"slot {slot} ({item.name})", item.dtype, item.shape)


def _check_load_batch(instruction: Instruction, program: Program) -> None:
    field = instruction.attributes[0]
    if not 0 <= field < len(program.fields):
        raise rejections.UnknownField(f"field {field} of {len(program.fields)}")
    item = program.fields[field]
    shape = (program.rows, *item.shape)
    _check_load(instruction, f"field {field} ({item.name})", item.dtype, shape)


def _check_load(instruction: Instruction, what: str, dtype: Dtype, shape: tuple[int, ...]) -> None:
    if (instruction.dtype, instruction.shape) != (dtype, shape):
        raise rejections.LoadMismatch(
            f"loads {what} as {instruction.dtype.name.lower()} {instruction.shape}, "
            f"it is {dtype.name.lower()} {shape}"
        )


ATTRIBUTE_CHECKS: dict[Opcode, Callable[[Instruction, Program], None]] = {
    Opcode.QUANTIZE: _check_quantize,
    Opcode.DEQUANTIZE: _check_dequantize,
    Opcode.CONST: _check_const,
    Opcode.IOTA: _check_iota,
    Opcode.CONCAT: _check_concat,
    Opcode.GATHER: _check_gather,
    Opcode.RANDOM: _check_random,
    Opcode.LOAD_STATE: _check_load_state,
    Opcode.LOAD_BATCH: _check_load_batch,
}
