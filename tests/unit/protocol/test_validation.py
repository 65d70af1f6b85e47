"""The gate: each reason of rejection beside a neighbour that is accepted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

import pytest

from protocol import rejections as no
from protocol.program import Field, Input, Operator, Program, Slot
from protocol.types import (
    ELEMENTS_MAX,
    FIELDS_MAX,
    NAME_LENGTH_MAX,
    REPORTED_MAX,
    ROWS_MAX,
    Dtype,
)
from protocol.validation import validate, validate_task
from protocol.views import View, contiguous
from tests.programs import FLOAT, INTEGER, Draft, make_program, to_pattern


def load(shape: tuple[int, ...], slot: int = 0, dtype: int = FLOAT) -> Operator:
    return Operator("load_state", (), {"slot": slot, "shape": shape, "dtype": dtype})


def build(
    *operators: Operator,
    slots: tuple[Slot, ...] | None = None,
    shape: tuple[int, ...] = (4, 6),
    dtype: Dtype = Dtype.F32,
    **rest: object,
) -> Program:
    """A program of one slot that operator 0 loads and the last one produces."""
    if slots is None:
        slots = (Slot("weight", dtype, shape, len(operators) - 1),)
    settings = {"fields": (), "rows": 1, "reported": {}} | rest
    return Program(slots=slots, operators=operators, **settings)  # type: ignore[arg-type]


def unary(view: View, kind: str = "neg", producer: int = 0, **attributes: int) -> Program:
    """load_state, then an operator on a view of it; both are kept."""
    first = load((4, 6))
    second = Operator(kind, (Input(producer, view),), attributes)
    size = view.shape
    slots = (Slot("weight", Dtype.F32, (4, 6), 0), Slot("other", Dtype.F32, size, 1))
    return build(first, second, slots=slots)


def with_inputs(count: int) -> Program:
    whole = Input(0, contiguous((4, 6)))
    return build(load((4, 6)), Operator("where", (whole,) * count))


def with_names(*names: str) -> Program:
    return build(load((4, 6)), slots=tuple(Slot(name, Dtype.F32, (4, 6), 0) for name in names))


def with_fields(*fields: Field, rows: int = 1) -> Program:
    return build(load((4, 6)), fields=fields, rows=rows)


def with_batch(shape: tuple[int, ...], field: int = 0, dtype: int = INTEGER) -> Program:
    batch = Operator("load_batch", (), {"field": field, "shape": shape, "dtype": dtype})
    fields = (Field("text", Dtype.I32, (5,), 1),)
    slots = (Slot("weight", Dtype.F32, (4, 6), 0),)
    return _reporting(build(load((4, 6)), batch, slots=slots, fields=fields, rows=2))


def _reporting(program: Program) -> Program:
    """Use the last operator's output by folding it to a reported scalar."""
    last = len(program.operators) - 1
    shape = program.microcode[last][-1].shape
    dtype = program.microcode[last][-1].dtype
    operators = list(program.operators)
    view = contiguous(shape)
    if dtype is Dtype.I32:
        operators.append(Operator("to_float", (Input(last, view),)))
        last += 1
    flat = view.reshape((view.size,))
    operators.append(Operator("sum", (Input(last, flat),)))
    return replace(program, operators=tuple(operators), reported={"total": last + 1})


def with_full(value: int, dtype: int) -> Program:
    constant = Operator("full", (), {"value": value, "shape": (), "dtype": dtype})
    return build(constant, shape=(), dtype=Dtype(dtype))


def with_arange(length: int, axis: int) -> Program:
    shape = (1, length)
    item = Operator("arange", (), {"shape": shape, "axis": axis})
    return build(item, shape=shape, dtype=Dtype.I32)


def with_random(key: int) -> Program:
    counter = load((), dtype=INTEGER)
    item = Operator(
        "random", (Input(0, contiguous(())),), {"shape": (3,), "key_0": 1, "key_1": key}
    )
    slots = (Slot("counter", Dtype.I32, (), 0), Slot("bits", Dtype.I32, (3,), 1))
    return build(counter, item, slots=slots)


def with_matmul(bits: int) -> Program:
    square = Input(0, contiguous((6, 6)))
    attributes = {"bits_a": bits, "bits_b": 15}
    item = Operator("matmul", (square, square), attributes)
    return build(load((6, 6)), item, shape=(6, 6))


def with_embedding(rows: int, table: View) -> Program:
    """A table of four rows of six, seen through a view, indexed by a counter."""
    slots = (
        Slot("table", Dtype.F32, (rows, 6), 0),
        Slot("index", Dtype.I32, (2,), 1),
        Slot("row", Dtype.F32, (2, *table.shape[1:]), 2),
    )
    item = Operator("embedding", (Input(0, table), Input(1, contiguous((2,)))))
    return build(load((rows, 6)), load((2,), 1, INTEGER), item, slots=slots)


def with_arithmetic(kind: str, bound: int, constant: int) -> Program:
    """kind(counter AND bound, constant)."""
    draft = Draft()
    counter = draft.add("load_state", slot=0, shape=(), dtype=INTEGER)
    mask = draft.add("full", value=bound, shape=(), dtype=INTEGER)
    bounded = draft.add("bitwise_and", counter, mask)
    other = draft.add("full", value=constant, shape=(), dtype=INTEGER)
    draft.add(kind, bounded, other)
    return build(*draft.operators, shape=(), dtype=Dtype.I32)


def with_dot(length: int, bits: int) -> Program:
    """A product over `length` elements that nothing would have to hold."""
    draft = Draft()
    one = draft.add("full", value=to_pattern(1), shape=(), dtype=FLOAT)
    row, column = View((1, length), (0, 0)), View((length, 1), (0, 0))
    draft.add("matmul", (one, row), (one, column), bits_a=bits, bits_b=bits)
    return build(*draft.operators, shape=(1, 1))


def with_reported(producer: int) -> Program:
    draft = Draft()
    weight = draft.add("load_state", slot=0, shape=(4, 6), dtype=FLOAT)
    draft.add("sum", (weight, contiguous((24,))))
    slots = (Slot("weight", Dtype.F32, (4, 6), 0), Slot("total", Dtype.F32, (), 1))
    return build(*draft.operators, slots=slots, reported={"loss": producer})


def with_attribute(value: object) -> Program:
    item = Operator("full", (), {"value": 0, "shape": value, "dtype": FLOAT})  # type: ignore[dict-item]
    return build(item, shape=(2,))


@dataclass(frozen=True)
class Case:
    """A rejection: a program, its accepted neighbour, and what the message says."""

    rejection: type[no.InvalidProgram]
    bad: Callable[[], Program]
    good: Callable[[], Program]
    message: str


WHOLE = contiguous((4, 6))
INT_MAX = 2**31 - 1

CASES = [
    Case(
        no.OperatorCountOutOfRange,
        lambda: build(slots=(Slot("w", Dtype.F32, (4, 6), 0),)),
        lambda: build(load((4, 6))),
        r"0 operators, limits 1 to 65536",
    ),
    Case(
        no.OperatorCountOutOfRange,
        lambda: build(*[load((4, 6))] * 65_537),
        lambda: build(load((4, 6))),
        r"65537 operators",
    ),
    Case(
        no.SlotCountOutOfRange,
        lambda: with_names(),
        lambda: with_names("a"),
        r"0 slots, limits 1 to 65536",
    ),
    Case(
        no.FieldCountOutOfRange,
        lambda: with_fields(*[Field(f"{i}", Dtype.I32, (), 1) for i in range(FIELDS_MAX + 1)]),
        lambda: with_fields(*[Field(f"{i}", Dtype.I32, (), 1) for i in range(FIELDS_MAX)]),
        r"17 fields, limits 0 to 16",
    ),
    Case(
        no.RowsOutOfRange,
        lambda: with_fields(rows=0),
        lambda: with_fields(rows=ROWS_MAX),
        r"0 records per step",
    ),
    Case(
        no.RowsOutOfRange,
        lambda: with_fields(rows=ROWS_MAX + 1),
        lambda: with_fields(rows=1),
        r"1048577 records per step, limits 1 to 1048576",
    ),
    Case(
        no.ReportedCountOutOfRange,
        lambda: replace(with_reported(1), reported={f"{i}": 1 for i in range(REPORTED_MAX + 1)}),
        lambda: replace(with_reported(1), reported={f"{i}": 1 for i in range(REPORTED_MAX)}),
        r"65 reported",
    ),
    Case(
        no.InvalidName,
        lambda: with_names("red\x1b[31m"),
        lambda: with_names("größe.weight"),
        r"'red\\x1b\[31m'",
    ),
    Case(
        no.InvalidName,
        lambda: with_names("a" * (NAME_LENGTH_MAX + 1)),
        lambda: with_names("a" * NAME_LENGTH_MAX),
        r"1 to 256 printable",
    ),
    Case(
        no.InvalidName,
        lambda: with_names("__metadata__"),
        lambda: with_names("metadata"),
        r"reserved",
    ),
    Case(
        no.DuplicateName,
        lambda: with_names("a", "a"),
        lambda: with_names("a", "b"),
        r"'a' is used twice",
    ),
    Case(
        no.InputCountOutOfRange,
        lambda: with_inputs(9),
        lambda: unary(WHOLE),
        r"operator 1: 9 inputs, limit 8",
    ),
    Case(
        no.NotTopological,
        lambda: unary(WHOLE, producer=1),
        lambda: unary(WHOLE, producer=0),
        r"operator 1: input 0: producer 1, expected an operator before 1",
    ),
    Case(
        no.NotTopological,
        lambda: unary(WHOLE, producer=-1),
        lambda: unary(WHOLE, producer=0),
        r"producer -1",
    ),
    Case(
        no.UnknownKind,
        lambda: unary(WHOLE, "call_host"),
        lambda: unary(WHOLE, "abs"),
        r"operator 1 \(call_host\): .*'call_host' does not exist",
    ),
    Case(
        no.InvalidAttribute,
        lambda: with_attribute((2,) * 17),
        lambda: with_attribute((2,)),
        r"attribute shape is a list of 17, limit 16",
    ),
    Case(
        no.InvalidAttribute,
        lambda: with_attribute((True,)),
        lambda: with_attribute((2,)),
        r"attribute shape holds True",
    ),
    Case(
        no.InvalidAttribute,
        lambda: with_attribute(2**63),
        lambda: with_attribute((2,)),
        r"expected integers of 64 bits",
    ),
    Case(
        no.UnfitOperator,
        lambda: with_attribute(2),
        lambda: with_attribute((2,)),
        r"operator 0 \(full\)",
    ),
    Case(
        no.UnfitOperator,
        lambda: with_inputs(2),
        lambda: unary(WHOLE),
        r"where: 2 inputs, expected 3",
    ),
    Case(
        no.UnusedOperator,
        lambda: build(load((4, 6)), load((4, 6))),
        lambda: build(load((4, 6))),
        r"operator 0 \(load_state\): no operator, slot or report uses",
    ),
    Case(
        no.NotAnInteger,
        lambda: unary(View((4, True), (6, 1))),
        lambda: unary(View((4, 1), (6, 1))),
        r"axis 1 has length True",
    ),
    Case(
        no.NotAnInteger,
        lambda: unary(View((4,), (1.0,))),  # type: ignore[arg-type]
        lambda: unary(View((4,), (1,))),
        r"stride of axis 0 is 1.0",
    ),
    Case(
        no.RankTooHigh,
        lambda: unary(View((1,) * 9, (0,) * 9)),
        lambda: unary(View((1,) * 8, (0,) * 8)),
        r"9 axes, limit 8",
    ),
    Case(
        no.LengthOutOfRange,
        lambda: unary(View((4, 0), (6, 1))),
        lambda: unary(View((4, 1), (6, 1))),
        r"axis 1 has length 0, limits 1 to 4294967296",
    ),
    Case(
        no.LengthOutOfRange,
        lambda: unary(View((2**40,), (0,))),
        lambda: unary(View((ELEMENTS_MAX,), (0,))),
        r"axis 0 has length 1099511627776",
    ),
    Case(
        no.TensorTooLarge,
        lambda: unary(View((2**17, 2**16), (0, 0))),
        lambda: unary(View((2**16, 2**16), (0, 0))),
        r"8589934592 elements, limit 4294967296",
    ),
    Case(
        no.TensorTooLarge,
        lambda: with_dot_table(2**16, 2**16),
        lambda: with_dot_table(2**16, 2**15),
        r"instruction 4 \(DOT\): shape \(65536, 65536\) of i64",
    ),
    Case(
        no.MalformedView,
        lambda: unary(View((4, 6), (1,))),
        lambda: unary(View((4, 6), (6, 1))),
        r"1 strides for 2 axes",
    ),
    Case(
        no.StrideOutOfRange,
        lambda: unary(View((4, 1), (6, 2**63))),
        lambda: unary(View((4, 1), (6, ELEMENTS_MAX))),
        r"stride of axis 1 is 9223372036854775808",
    ),
    Case(
        no.StrideOutOfRange,
        lambda: unary(View((4,), (1,), -1)),
        lambda: unary(View((4,), (-1,), 3)),
        r"offset is -1",
    ),
    Case(
        no.ViewOutOfBounds,
        lambda: unary(View((4, 6), (6, 1), 1)),
        lambda: unary(View((4, 5), (6, 1), 1)),
        r"operator 1 \(neg\): input 0: index map reads elements 1 to 24 of a tensor of 24",
    ),
    Case(
        no.ViewOutOfBounds,
        lambda: unary(View((4,), (-1,), 2)),
        lambda: unary(View((4,), (-1,), 3)),
        r"elements -1 to 2",
    ),
    Case(
        no.BitsOutOfRange,
        lambda: with_matmul(1),
        lambda: with_matmul(2),
        r"operator 1 \(matmul\): instruction \d \(QUANTIZE\): bits is 1, limits 2 to 24",
    ),
    Case(
        no.BitsOutOfRange,
        lambda: with_matmul(25),
        lambda: with_matmul(24),
        r"bits is 25",
    ),
    Case(
        no.FoldOutOfRange,
        lambda: with_dot(2**28 + 1, 8),
        lambda: with_dot(2**28, 8),
        r"fold of 268435457, limits 1 to 268435456",
    ),
    Case(
        no.AccumulatorOverflow,
        lambda: with_dot(2**18, 24),
        lambda: with_dot(2**16, 24),
        r"instruction 6 \(DOT\): DOT over 262144 elements can reach \d+, limit 2\*\*62",
    ),
    Case(
        no.AxisOutOfRange,
        lambda: with_arange(3, 2),
        lambda: with_arange(3, 1),
        r"axis 2 of a tensor of 2 axes",
    ),
    Case(
        no.PositionOverflow,
        lambda: with_arange(2**31 + 1, 1),
        lambda: with_arange(2**31, 1),
        r"axis of length 2147483649, limit 2147483648",
    ),
    Case(
        no.KeyOutOfRange,
        lambda: with_random(2**32),
        lambda: with_random(2**32 - 1),
        r"key_1 is 4294967296",
    ),
    Case(
        no.KeyOutOfRange,
        lambda: with_random(-1),
        lambda: with_random(0),
        r"key_1 is -1",
    ),
    Case(
        no.ConstantOutOfRange,
        lambda: with_full(2**31, INTEGER),
        lambda: with_full(-(2**31), INTEGER),
        r"value 2147483648",
    ),
    Case(
        no.ConstantOutOfRange,
        lambda: with_full(-1, FLOAT),
        lambda: with_full(to_pattern(-1.0), FLOAT),
        r"f32 pattern -1",
    ),
    Case(
        no.ConstantOutOfRange,
        lambda: with_full(0x7FC00001, FLOAT),
        lambda: with_full(0x7FC00000, FLOAT),
        r"0x7fc00001 is a NaN other than 0x7fc00000",
    ),
    Case(
        no.UnknownSlot,
        lambda: build(load((4, 6), slot=1)),
        lambda: build(load((4, 6), slot=0)),
        r"slot 1 of 1",
    ),
    Case(
        no.UnknownField,
        lambda: with_batch((2, 5), field=1),
        lambda: with_batch((2, 5), field=0),
        r"field 1 of 1",
    ),
    Case(
        no.LoadMismatch,
        lambda: build(load((6, 4))),
        lambda: build(load((4, 6))),
        r"loads slot 0 \(weight\) as f32 \(6, 4\), it is f32 \(4, 6\)",
    ),
    Case(
        no.LoadMismatch,
        lambda: build(load((4, 6), dtype=INTEGER)),
        lambda: build(load((4, 6))),
        r"as i32",
    ),
    Case(
        no.LoadMismatch,
        lambda: with_batch((3, 5)),
        lambda: with_batch((2, 5)),
        r"loads field 0 \(text\) as i32 \(3, 5\), it is i32 \(2, 5\)",
    ),
    Case(
        no.IntegerOverflow,
        lambda: with_arithmetic("int_add", 2**30, INT_MAX - 2**30 + 1),
        lambda: with_arithmetic("int_add", 2**30, INT_MAX - 2**30),
        r"IADD of \[0, 1073741824\].* can reach \[1073741824, 2147483648\]",
    ),
    Case(
        no.IntegerOverflow,
        lambda: with_arithmetic("int_mul", 2**20, -(2**11) - 1),
        lambda: with_arithmetic("int_mul", 2**20, -(2**11)),
        r"IMUL",
    ),
    Case(
        no.IntegerOverflow,
        lambda: with_arithmetic("int_sub", 1, -INT_MAX),
        lambda: with_arithmetic("int_sub", 0, -INT_MAX),
        r"ISUB",
    ),
    Case(
        no.WideStorage,
        lambda: build(load((4, 6)), dtype=Dtype.I64),
        lambda: build(load((4, 6)), dtype=Dtype.F32),
        r"slot 0 \(weight\): type <Dtype.I64: 3>",
    ),
    Case(
        no.UnknownProducer,
        lambda: build(load((4, 6)), slots=(Slot("w", Dtype.F32, (4, 6), 1),)),
        lambda: build(load((4, 6)), slots=(Slot("w", Dtype.F32, (4, 6), 0),)),
        r"slot 0 \(w\): producer 1 of 1 operators",
    ),
    Case(
        no.UnknownProducer,
        lambda: with_reported(-1),
        lambda: with_reported(1),
        r"reported loss: producer -1",
    ),
    Case(
        no.ProducerMismatch,
        lambda: build(
            load((4, 6)), slots=(*with_names("a").slots, Slot("b", Dtype.I32, (4, 6), 0))
        ),
        lambda: build(
            load((4, 6)), slots=(*with_names("a").slots, Slot("b", Dtype.F32, (4, 6), 0))
        ),
        r"slot 1 \(b\): 24 of i32, but operator 0 \(load_state\) produces 24 of f32",
    ),
    Case(
        no.ProducerMismatch,
        lambda: build(
            load((4, 6)), slots=(*with_names("a").slots, Slot("b", Dtype.F32, (4, 5), 0))
        ),
        lambda: build(load((4, 6)), slots=(*with_names("a").slots, Slot("b", Dtype.F32, (24,), 0))),
        r"slot 1 \(b\): 20 of f32",
    ),
    Case(
        no.FieldStrideOutOfRange,
        lambda: with_fields(Field("x", Dtype.F32, (3,), 0)),
        lambda: with_fields(Field("x", Dtype.F32, (3,), 1)),
        r"field 0 \(x\): stride 0",
    ),
    Case(
        no.RankTooHigh,
        lambda: with_fields(Field("x", Dtype.F32, (1,) * 8, 1)),
        lambda: with_fields(Field("x", Dtype.F32, (1,) * 7, 1)),
        r"field 0 \(x\): 9 axes",
    ),
    Case(
        no.NotScalar,
        lambda: with_reported(0),
        lambda: with_reported(1),
        r"reported loss: operator 0 \(load_state\) produces 24 elements, expected 1",
    ),
    Case(
        no.ViewOutOfBounds,
        lambda: with_embedding(4, View((4, 6), (6, 1), 1)),
        lambda: with_embedding(4, View((3, 6), (6, 1), 1)),
        r"operator 2 \(embedding\): input 0",
    ),
]


def with_dot_table(rows: int, columns: int) -> Program:
    """An outer product: an accumulator of rows x columns, whose i64 tree may be too high."""
    draft = Draft()
    one = draft.add("full", value=to_pattern(1), shape=(), dtype=FLOAT)
    left, right = View((rows, 1), (0, 0)), View((1, columns), (0, 0))
    draft.add("matmul", (one, left), (one, right), bits_a=8, bits_b=8)
    return build(*draft.operators, shape=(rows, columns))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.rejection.__name__}-{c.message[:24]}")
def test_validate__one_reason__is_rejected_and_its_neighbour_is_not(case: Case) -> None:
    with pytest.raises(case.rejection, match=case.message) as caught:
        validate(case.bad())
    assert type(caught.value) is case.rejection
    validate(case.good())


def test_validate__reference_program__counts_its_cost() -> None:
    program = make_program()
    cost = validate(program)
    assert cost.state_bytes == 4 * (6 + 1)
    assert cost.batch_bytes == 4 * 4 * (3 + 2)
    # Two matmuls of 4 x 3 x 2 and the loss's sum of 8; int_add and bitwise_and; 4 comparisons none.
    assert cost.integer_operations == 2 * 2 * 24 + 8 + 2
    assert cost.instructions == sum(len(m) for m in program.microcode)
    largest = max(sum(i.size * i.dtype.size_bytes for i in m) for m in program.microcode)
    assert cost.state_bytes + largest <= cost.peak_bytes
    assert cost.peak_bytes <= cost.state_bytes + cost.written_bytes + 4 * 7


def test_validate__bigger_batch__costs_more() -> None:
    small, large = validate(with_dot(10, 15)), validate(with_dot(1_000, 15))
    assert large.integer_operations == 100 * small.integer_operations
    assert large.peak_bytes > small.peak_bytes


def test_validate__hostile_sizes__are_refused_without_being_allocated() -> None:
    """2**40 elements, a million axes, ten million operators: each in less than a second."""
    wide = unary(View((2**40,) * 8, (0,) * 8))
    deep = unary(View((1,) * 10**6, (0,) * 10**6))
    many = build(*[load((4, 6))] * 10**7)
    for program in (wide, deep, many):
        started = perf_counter()
        with pytest.raises(no.InvalidProgram):
            validate(program)
        assert perf_counter() - started < 5  # generous: what is refused would take hours


def test_validate__every_rejection_of_a_program__has_a_case() -> None:
    """Those of files are in test_program_file, those of instructions in test_instruction_checks."""
    elsewhere = {
        no.MalformedInstruction,
        no.IllegalTypes,
        no.SplitOutOfRange,
        no.GatherLimitOutOfRange,
        no.WideOutput,
        no.InstructionCountOutOfRange,
    }
    declared = {
        item
        for item in vars(no).values()
        if isinstance(item, type)
        and issubclass(item, no.InvalidProgram)
        and not issubclass(item, no.MalformedFile)
        and item is not no.InvalidProgram
    }
    assert declared - elsewhere == {case.rejection for case in CASES}


TASK = {"records": 10, "segments": 4, "segment_length": 8}


@pytest.mark.parametrize(
    ("rejection", "bad", "good"),
    [
        (no.RecordsOutOfRange, {"records": 0}, {"records": 1}),
        (no.RecordsOutOfRange, {"records": 2**40 + 1}, {"records": 2**20}),
        (no.SegmentsOutOfRange, {"segments": 0}, {"segments": 1}),
        (no.SegmentsOutOfRange, {"segments": 2**20 + 1}, {"segments": 2**20}),
        (no.SegmentLengthOutOfRange, {"segment_length": 0}, {"segment_length": 1}),
        (no.SegmentLengthOutOfRange, {"segment_length": 2**20 + 1}, {"segment_length": 2**20}),
        # Field x: records of 3, one after another; 2**32 elements are the limit.
        (no.DatasetTooLarge, {"records": 2**32 // 3 + 1}, {"records": 2**32 // 3}),
    ],
)
def test_validate_task__out_of_range__is_rejected_and_its_neighbour_is_not(
    rejection: type[no.InvalidTask], bad: dict[str, int], good: dict[str, int]
) -> None:
    with pytest.raises(rejection):
        validate_task(make_program(), **(TASK | bad))
    validate_task(make_program(), **(TASK | good))
