"""The gate for programs from outside.

`validate` accepts a program only if every honest worker can execute it and can defend every
element of it on chain: each descriptor can be encoded, each index map stays inside its source,
each accumulator fits, each tensor's tree is at most PATH_MAX high, whatever the operand values.
It works on descriptors alone, so a program that asks for the impossible costs nothing to refuse.
"""

from protocol import rejections
from protocol.bounds import TENSOR_BYTES_MAX, check_reach, check_shape, check_strides
from protocol.cost import Cost, compute_cost
from protocol.instruction_checks import check_instruction
from protocol.instructions import Instruction, Source
from protocol.program import Field, Input, Operator, Program, Slot
from protocol.ranges import Range, compute_range
from protocol.types import (
    ELEMENTS_MAX,
    FIELDS_MAX,
    INPUTS_MAX,
    INSTRUCTIONS_MAX,
    LIST_LENGTH_MAX,
    NAME_LENGTH_MAX,
    OPERATORS_MAX,
    RECORDS_MAX,
    REPORTED_MAX,
    ROWS_MAX,
    SEGMENT_LENGTH_MAX,
    SEGMENTS_MAX,
    SLOTS_MAX,
    SOURCE_LENGTH_MAX,
    Dtype,
)

RESERVED_NAME = "__metadata__"  # a checkpoint could not hold a tensor of that name


def validate(program: Program) -> Cost:
    """Raise an InvalidProgram that names the place, or return the cost of one step."""
    _check_counts(program)
    _check_names(program)
    for index, slot in enumerate(program.slots):
        _check_slot(index, slot)
    for index, field in enumerate(program.fields):
        _check_field(index, field, program.rows)
    for index, operator in enumerate(program.operators):
        try:
            _check_operator(index, operator)
        except rejections.InvalidProgram as rejection:
            raise rejection.at(f"operator {index}") from None
    _check_microcode(program)
    _check_producers(program)
    _check_reported(program)
    _check_uses(program)
    return compute_cost(program)


def validate_task(program: Program, records: int, segments: int, segment_length: int) -> None:
    """Raise an InvalidTask unless a valid program can run under these terms."""
    if not 1 <= records <= RECORDS_MAX:
        raise rejections.RecordsOutOfRange(f"{records} records, limits 1 to {RECORDS_MAX}")
    if not 1 <= segments <= SEGMENTS_MAX:
        raise rejections.SegmentsOutOfRange(f"{segments} segments, limits 1 to {SEGMENTS_MAX}")
    if not 1 <= segment_length <= SEGMENT_LENGTH_MAX:
        raise rejections.SegmentLengthOutOfRange(
            f"segments of {segment_length} steps, limits 1 to {SEGMENT_LENGTH_MAX}"
        )
    for field in program.fields:
        size_bytes = field.compute_length(records) * field.dtype.size_bytes
        if size_bytes > TENSOR_BYTES_MAX:
            raise rejections.DatasetTooLarge(
                f"field {field.name}: {records} records take {size_bytes} bytes, "
                f"limit {TENSOR_BYTES_MAX}"
            )


# --- Counts and names -----------------------------------------------------------------------------


def _check_count(
    rejection: type[rejections.InvalidProgram], what: str, count: int, low: int, high: int
) -> None:
    if type(count) is not int or not low <= count <= high:
        raise rejection(f"{count} {what}, limits {low} to {high}")


def _check_counts(program: Program) -> None:
    counts = (
        (rejections.OperatorCountOutOfRange, "operators", program.operators, 1, OPERATORS_MAX),
        (rejections.SlotCountOutOfRange, "slots", program.slots, 1, SLOTS_MAX),
        (rejections.FieldCountOutOfRange, "fields", program.fields, 0, FIELDS_MAX),
        (rejections.ReportedCountOutOfRange, "reported", program.reported, 0, REPORTED_MAX),
    )
    for rejection, what, items, low, high in counts:
        _check_count(rejection, what, len(items), low, high)
    _check_count(rejections.RowsOutOfRange, "records per step", program.rows, 1, ROWS_MAX)


def check_name(name: str, limit: int = NAME_LENGTH_MAX) -> None:
    """Raise InvalidName unless the name can be shown and stored."""
    if not name or len(name) > limit or not name.isprintable():
        shown = name if len(name) <= limit else name[:limit] + "..."
        raise rejections.InvalidName(f"name {shown!r}: expected 1 to {limit} printable characters")


def _check_names(program: Program) -> None:
    if any(slot.name == RESERVED_NAME for slot in program.slots):
        raise rejections.InvalidName(f"slot name {RESERVED_NAME!r} is reserved by safetensors")
    for names in ([s.name for s in program.slots], [f.name for f in program.fields]):
        seen: set[str] = set()
        for name in names:
            check_name(name)
            if name in seen:
                raise rejections.DuplicateName(f"name {name!r} is used twice")
            seen.add(name)
    for name in program.reported:
        check_name(name)


# --- Slots and fields -----------------------------------------------------------------------------


def _check_stored(dtype: Dtype, shape: tuple[int, ...]) -> None:
    if dtype not in (Dtype.F32, Dtype.I32):
        raise rejections.WideStorage(f"type {dtype!r}, expected f32 or i32")
    check_shape(shape, dtype)


def _check_slot(index: int, slot: Slot) -> None:
    try:
        _check_stored(slot.dtype, slot.shape)
    except rejections.InvalidProgram as rejection:
        raise rejection.at(f"slot {index} ({slot.name})") from None


def _check_field(index: int, field: Field, rows: int) -> None:
    try:
        _check_stored(field.dtype, field.shape)
        check_shape((rows, *field.shape), field.dtype)
        if type(field.stride) is not int or not 1 <= field.stride <= ELEMENTS_MAX:
            raise rejections.FieldStrideOutOfRange(
                f"stride {field.stride}, limits 1 to {ELEMENTS_MAX}"
            )
    except rejections.InvalidProgram as rejection:
        raise rejection.at(f"field {index} ({field.name})") from None


# --- Operators ------------------------------------------------------------------------------------


def _check_operator(index: int, operator: Operator) -> None:
    """What can be checked without knowing any operator's output."""
    check_name(operator.kind)
    if operator.source:
        check_name(operator.source, SOURCE_LENGTH_MAX)
    _check_attributes(operator)
    if len(operator.inputs) > INPUTS_MAX:
        raise rejections.InputCountOutOfRange(f"{len(operator.inputs)} inputs, limit {INPUTS_MAX}")
    for position, item in enumerate(operator.inputs):
        try:
            _check_input(index, item)
        except rejections.InvalidProgram as rejection:
            raise rejection.at(f"input {position}") from None


def _check_attributes(operator: Operator) -> None:
    if len(operator.attributes) > LIST_LENGTH_MAX:
        raise rejections.InvalidAttribute(
            f"{len(operator.attributes)} attributes, limit {LIST_LENGTH_MAX}"
        )
    for name, value in operator.attributes.items():
        check_name(name)
        values = value if type(value) is tuple else (value,)
        if len(values) > LIST_LENGTH_MAX:
            raise rejections.InvalidAttribute(
                f"attribute {name} is a list of {len(values)}, limit {LIST_LENGTH_MAX}"
            )
        for number in values:
            if type(number) is not int or not -(2**63) <= number < 2**63:
                raise rejections.InvalidAttribute(
                    f"attribute {name} holds {number!r}, expected integers of 64 bits"
                )


def _check_input(index: int, item: Input) -> None:
    if type(item.producer) is not int:
        raise rejections.NotAnInteger(f"producer {item.producer!r}")
    if not 0 <= item.producer < index:
        raise rejections.NotTopological(
            f"producer {item.producer}, expected an operator before {index}"
        )
    check_shape(item.view.shape, Dtype.F32)
    check_strides(item.view)


def _check_microcode(program: Program) -> None:
    outputs: list[Instruction] = []
    output_ranges: list[Range] = []
    for index, microcode in enumerate(program.microcode):
        operator = program.operators[index]
        try:
            _check_inputs(operator, outputs)
            inputs = [outputs[item.producer] for item in operator.inputs]
            input_ranges = [output_ranges[item.producer] for item in operator.inputs]
            ranges = _check_instructions(program, microcode, inputs, input_ranges)
        except rejections.InvalidProgram as rejection:
            raise rejection.at(program.describe(index)) from None
        outputs.append(microcode[-1])
        output_ranges.append(ranges[-1])


def _check_inputs(operator: Operator, outputs: list[Instruction]) -> None:
    for position, item in enumerate(operator.inputs):
        try:
            check_reach(item.view, outputs[item.producer].size)
        except rejections.InvalidProgram as rejection:
            raise rejection.at(f"input {position}") from None


def _check_instructions(
    program: Program,
    microcode: tuple[Instruction, ...],
    inputs: list[Instruction],
    input_ranges: list[Range],
) -> list[Range]:
    """Ranges of the instructions' outputs."""
    if len(microcode) > INSTRUCTIONS_MAX:
        raise rejections.InstructionCountOutOfRange(
            f"{len(microcode)} instructions, limit {INSTRUCTIONS_MAX}"
        )
    ranges: list[Range] = []
    for number, instruction in enumerate(microcode):
        try:
            check_instruction(instruction, microcode[:number], inputs, program)
            operand_ranges = [
                (ranges if o.source is Source.INSTRUCTION else input_ranges)[o.index]
                for o in instruction.operands
            ]
            ranges.append(compute_range(instruction, operand_ranges))
        except rejections.InvalidProgram as rejection:
            raise rejection.at(f"instruction {number} ({instruction.opcode.name})") from None
    if microcode[-1].dtype is Dtype.I64:
        raise rejections.WideOutput("the output is an i64 accumulator")
    return ranges


# --- Slots' producers, reports, uses --------------------------------------------------------------


def _check_producer(program: Program, producer: int, what: str) -> Instruction:
    if type(producer) is not int or not 0 <= producer < len(program.operators):
        raise rejections.UnknownProducer(
            f"{what}: producer {producer!r} of {len(program.operators)} operators"
        )
    return program.get_output(producer)


def _check_producers(program: Program) -> None:
    for index, slot in enumerate(program.slots):
        what = f"slot {index} ({slot.name})"
        output = _check_producer(program, slot.producer, what)
        if (output.dtype, output.size) != (slot.dtype, slot.size):
            raise rejections.ProducerMismatch(
                f"{what}: {slot.size} of {slot.dtype.name.lower()}, but "
                f"{program.describe(slot.producer)} produces {output.size} of "
                f"{output.dtype.name.lower()}"
            )


def _check_reported(program: Program) -> None:
    for name, producer in program.reported.items():
        output = _check_producer(program, producer, f"reported {name}")
        if output.size != 1:
            raise rejections.NotScalar(
                f"reported {name}: {program.describe(producer)} produces {output.size} "
                "elements, expected 1"
            )


def _check_uses(program: Program) -> None:
    used = {item.producer for operator in program.operators for item in operator.inputs}
    used.update(slot.producer for slot in program.slots)
    used.update(program.reported.values())
    for index in range(len(program.operators)):
        if index not in used:
            raise rejections.UnusedOperator(
                f"{program.describe(index)}: no operator, slot or report uses its output"
            )
