"""Checks of single instructions that no registered operator can be made to expand to."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from protocol import rejections as no
from protocol.instruction_checks import check_instruction
from protocol.instructions import Instruction, Opcode, Operand, Source
from protocol.operators import REGISTRY, Definition
from protocol.operators.microcode import Microcode, Value
from protocol.program import Program, Slot
from protocol.types import Dtype
from protocol.validation import validate
from protocol.views import View, contiguous
from tests.programs import make_program

TABLE = Instruction(Opcode.LOAD_STATE, Dtype.F32, (4, 6), attributes=(0,))
INDEX = Instruction(Opcode.IOTA, Dtype.I32, (6,), attributes=(0,))
INPUTS = (TABLE, INDEX)


def operand(number: int, view: View, **changes: object) -> Operand:
    """Reads input `number`."""
    source = INPUTS[number]
    made = Operand(Source.INPUT, number, source.dtype, source.size, view)
    return replace(made, **changes)  # type: ignore[arg-type]


def copy(**changes: object) -> Instruction:
    made = Instruction(Opcode.COPY, Dtype.F32, (4, 6), (operand(0, contiguous((4, 6))),))
    return replace(made, **changes)  # type: ignore[arg-type]


def gather(stride: int, limit: int, start: int = 0) -> Instruction:
    """Row `index` of the table, column by column."""
    row = View((6,), (1,), start)
    operands = (operand(0, row), operand(1, contiguous((6,))))
    return Instruction(Opcode.GATHER, Dtype.F32, (6,), operands, attributes=(stride, limit))


def concat(axis: int, split: int, rows: int = 8, start: int = 0) -> Instruction:
    """The table above itself."""
    view = View((rows, 6), (6, 1), start)
    operands = (operand(0, view), operand(0, view))
    return Instruction(Opcode.CONCAT, Dtype.F32, (rows, 6), operands, attributes=(axis, split))


def total(fold: int, start: int = 0, stride: int = 1) -> Instruction:
    """Sums of neighbouring elements of the index."""
    read = operand(1, View((2,), (stride,), start))
    return Instruction(Opcode.SUM, Dtype.I64, (2,), (read,), fold)


def dequantize(bits_b: int, scales: int = 1) -> Instruction:
    accumulator = operand(1, contiguous((6,)), dtype=Dtype.I64)
    scale = operand(0, View((6,), (1,)))
    operands = (accumulator, *[scale] * scales)
    return Instruction(Opcode.DEQUANTIZE, Dtype.F32, (6,), operands, attributes=(24, bits_b))


CASES: list[tuple[type[no.InvalidProgram], Instruction, Instruction, str]] = [
    (
        no.IllegalTypes,
        copy(dtype=Dtype.I32),
        copy(),
        r"no form \(f32\) -> i32",
    ),
    (
        no.MalformedInstruction,
        copy(attributes=(1,)),
        copy(),
        "1 attributes, expected 0",
    ),
    (no.NotAnInteger, gather(True, 1), gather(1, 1), "attribute stride is True"),
    (no.FoldOutOfRange, copy(fold=2), copy(fold=1), "fold of 2, limits 1 to 1"),
    (no.FoldOutOfRange, total(0), total(1), "fold of 0"),
    (
        no.MalformedInstruction,
        copy(operands=(operand(0, contiguous((4, 6)), index=2),)),
        copy(),
        "operand 0 names input 2 of 2",
    ),
    (
        no.MalformedInstruction,
        copy(operands=(operand(0, contiguous((4, 6)), source=Source.INSTRUCTION),)),
        copy(),
        "names instruction 0 of 0",
    ),
    (
        no.MalformedInstruction,
        copy(operands=(operand(0, contiguous((4, 6)), source=Source.NONE),)),
        copy(),
        "names none 0",
    ),
    (
        no.MalformedInstruction,
        copy(operands=(operand(0, contiguous((4, 6)), size=25),)),
        copy(),
        "operand 0 is 25 of f32, its source 24 of f32",
    ),
    (
        no.MalformedInstruction,
        copy(operands=(operand(0, contiguous((6, 4))),)),
        copy(),
        r"operand 0 has shape \(6, 4\), the output \(4, 6\)",
    ),
    # A fold reads fold - 1 elements beyond its index map: 0 to 3 and 2 to 5 of six.
    (no.ViewOutOfBounds, total(4, 0, 3), total(3, 0, 3), "elements 0 to 6 of a tensor of 6"),
    (no.ViewOutOfBounds, total(3, 1, 3), total(2, 1, 3), "elements 1 to 6"),
    (no.GatherLimitOutOfRange, gather(6, 0), gather(6, 1), "limit 0, limits 1 to"),
    (no.GatherLimitOutOfRange, gather(0, 2**31 + 1), gather(0, 2**31), "limit 2147483649"),
    (no.ViewOutOfBounds, gather(6, 5), gather(6, 4), "elements 0 to 29 of a tensor of 24"),
    (no.ViewOutOfBounds, gather(-6, 4, 12), gather(-6, 3, 12), "elements -6 to 17"),
    (no.StrideOutOfRange, gather(2**62, 1), gather(24, 1), "stride 4611686018427387904"),
    (no.StrideOutOfRange, gather(2**62, 2**31), gather(0, 2**31), "stride"),
    (no.AxisOutOfRange, concat(2, 4), concat(0, 4), "axis 2 of a tensor of 2 axes"),
    (no.AxisOutOfRange, concat(-1, 4), concat(1, 4, rows=4), "axis -1"),
    (no.SplitOutOfRange, concat(0, 0, rows=4), concat(0, 1, rows=4), "split 0, limits 1 to 3"),
    (no.SplitOutOfRange, concat(0, 4, rows=4), concat(0, 3, rows=4), "split 4"),
    (no.ViewOutOfBounds, concat(0, 5), concat(0, 4), "operand 0: index map reads elements 0 to 29"),
    (no.ViewOutOfBounds, concat(0, 3), concat(0, 4), "operand 1: index map reads elements 0 to 29"),
    (no.BitsOutOfRange, dequantize(24), dequantize(0), "bits_b is 24, expected 0"),
    (no.BitsOutOfRange, dequantize(0, 2), dequantize(2, 2), "bits_b is 0, limits 2 to 24"),
]


@pytest.mark.parametrize(("rejection", "bad", "good", "message"), CASES)
def test_check_instruction__one_reason__is_rejected_and_its_neighbour_is_not(
    rejection: type[no.InvalidProgram], bad: Instruction, good: Instruction, message: str
) -> None:
    program = make_program()
    for instruction, refused in ((bad, True), (good, False)):
        # DEQUANTIZE reads an accumulator, which no operator outputs.
        wide = replace(INDEX, dtype=Dtype.I64)
        inputs = (TABLE, wide if instruction.opcode is Opcode.DEQUANTIZE else INDEX)
        if refused:
            with pytest.raises(rejection, match=message):
                check_instruction(instruction, (), inputs, program)
        else:
            check_instruction(instruction, (), inputs, program)


def _register(monkeypatch: pytest.MonkeyPatch, expansion: Callable[[Microcode], Value]) -> Program:
    """A program of one operator of a kind of its own."""
    definition = Definition("odd", 0, (), lambda code, values, attributes: expansion(code))
    monkeypatch.setitem(REGISTRY, "odd", definition)
    program = make_program()
    constant = replace(program.operators[0], kind="odd", attributes={}, inputs=())
    return Program((Slot("w", Dtype.F32, (), 0),), (), 1, (constant,))


def test_validate__accumulator_as_output__is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    def narrow(code: Microcode) -> Value:
        return code.total(code.float_constant(1.0).unsqueeze(-1))

    def wide(code: Microcode) -> Value:
        integers, _ = code.quantized(code.float_constant(1.0).unsqueeze(-1), 24)
        return code._fold(Opcode.SUM, (), integers)

    validate(_register(monkeypatch, narrow))
    REGISTRY.pop("odd")
    with pytest.raises(no.WideOutput, match=r"operator 0 \(odd\): the output is an i64"):
        validate(_register(monkeypatch, wide))


def test_validate__too_many_instructions__are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    def emit(count: int) -> Callable[[Microcode], Value]:
        return lambda code: [code.float_constant(1.0) for _ in range(count)][-1]

    validate(_register(monkeypatch, emit(64)))
    REGISTRY.pop("odd")
    with pytest.raises(no.InstructionCountOutOfRange, match="65 instructions, limit 64"):
        validate(_register(monkeypatch, emit(65)))
