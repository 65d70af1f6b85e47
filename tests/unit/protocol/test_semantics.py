"""Each instruction on arrays against an exact reference: MPFR, fractions, or Python integers."""

import random
from collections.abc import Callable
from fractions import Fraction
from math import floor

import gmpy2
import numpy as np
import pytest

from protocol import threefry
from protocol.instructions import Instruction, Opcode, Operand, Source
from protocol.semantics import Outside, execute
from protocol.types import CANONICAL_NAN, Dtype
from protocol.views import View, contiguous
from tests.float_cases import EDGES, HARDEST, context, random_pair, random_pattern, to_bits, to_mpfr

NOTHING = Outside((), ())
INT_EDGES = [0, 1, -1, 2, -2, 255, 2**24 + 1, 2**24 + 3, 2**31 - 1, -(2**31), -(2**31) + 1]


def floats(patterns: list[int]) -> np.ndarray:
    return np.array(patterns, dtype=np.uint32).view(np.float32)


def integers(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def run(
    opcode: Opcode,
    dtype: Dtype,
    operands: list[np.ndarray],
    attributes: tuple[int, ...] = (),
    fold: int = 1,
    shape: tuple[int, ...] | None = None,
    views: list[View] | None = None,
) -> np.ndarray:
    """Execute one instruction on whole arrays, which are its inputs."""
    dtypes = {"f": Dtype.F32, "i": Dtype.I32}
    shape = operands[0].shape if shape is None else shape
    made = tuple(
        Operand(
            Source.INPUT,
            number,
            Dtype.I64 if array.dtype == np.int64 else dtypes[array.dtype.kind],
            array.size,
            views[number] if views else contiguous(shape),
        )
        for number, array in enumerate(operands)
    )
    instruction = Instruction(opcode, dtype, shape, made, fold, attributes)
    result = execute(instruction, tuple(array.reshape(-1) for array in operands), NOTHING)
    assert result.dtype == dtype.numpy and result.shape == shape
    return result


def to_patterns(array: np.ndarray) -> list[int]:
    return [int(b) for b in np.ascontiguousarray(array).reshape(-1).view(np.uint32)]


def make_pairs() -> list[tuple[int, int]]:
    rng = random.Random(7)
    return [(a, b) for a in EDGES for b in EDGES[::3]] + [random_pair(rng) for _ in range(3_000)]


def make_patterns() -> list[int]:
    rng = random.Random(11)
    return EDGES + [random_pattern(rng) for _ in range(3_000)]


# --- Float maps -----------------------------------------------------------------------------------

BINARY = {
    Opcode.ADD: gmpy2.add,
    Opcode.SUB: gmpy2.sub,
    Opcode.MUL: gmpy2.mul,
    Opcode.DIV: gmpy2.div,
}
UNARY = {
    Opcode.SQRT: gmpy2.sqrt,
    Opcode.FLOOR: gmpy2.rint_floor,
    Opcode.NEG: lambda x: -x,
    Opcode.ABS: abs,
}
TRANSCENDENTAL = {
    Opcode.EXP: gmpy2.exp,
    Opcode.LOG: gmpy2.log,
    Opcode.TANH: gmpy2.tanh,
    Opcode.ERF: gmpy2.erf,
}


@pytest.mark.parametrize("opcode", BINARY, ids=lambda o: o.name)
def test_execute__binary_float_map__is_mpfrs(opcode: Opcode) -> None:
    pairs = make_pairs()
    found = run(opcode, Dtype.F32, [floats([a for a, _ in pairs]), floats([b for _, b in pairs])])
    with context():
        wanted = [to_bits(BINARY[opcode](to_mpfr(a), to_mpfr(b))) for a, b in pairs]
    assert to_patterns(found) == wanted
    subnormal = sum(0 < w & 0x7FFFFFFF < 0x00800000 for w in wanted)
    assert wanted.count(CANONICAL_NAN) > 10 and subnormal > 10


@pytest.mark.parametrize("opcode", UNARY, ids=lambda o: o.name)
def test_execute__unary_float_map__is_mpfrs(opcode: Opcode) -> None:
    patterns = make_patterns()
    found = run(opcode, Dtype.F32, [floats(patterns)])
    with context():
        wanted = [to_bits(UNARY[opcode](to_mpfr(a))) for a in patterns]
    assert to_patterns(found) == wanted


@pytest.mark.parametrize("opcode", TRANSCENDENTAL, ids=lambda o: o.name)
def test_execute__transcendental_map__is_mpfrs(opcode: Opcode) -> None:
    patterns = [*EDGES, *HARDEST[opcode.name.lower()], *make_patterns()[-300:]]
    found = run(opcode, Dtype.F32, [floats(patterns)])
    with context():
        wanted = [to_bits(TRANSCENDENTAL[opcode](to_mpfr(a))) for a in patterns]
    assert to_patterns(found) == wanted


def compute_key(pattern: int) -> tuple[Fraction, int]:
    """Orders numbers by value, then -0 below +0; infinities as 2**200."""
    magnitude = pattern & 0x7FFFFFFF
    sign = -1 if pattern >> 31 else 1
    if magnitude == 0x7F800000:
        return Fraction(sign * 2**200), sign
    return Fraction(float(floats([pattern])[0])), sign


def is_nan(pattern: int) -> bool:
    return pattern & 0x7FFFFFFF > 0x7F800000


@pytest.mark.parametrize(
    ("opcode", "choose"), [(Opcode.MAX, max), (Opcode.MIN, min)], ids=["MAX", "MIN"]
)
def test_execute__max_min__order_zeros_and_pass_nan(
    opcode: Opcode, choose: Callable[..., int]
) -> None:
    pairs = make_pairs()
    found = run(opcode, Dtype.F32, [floats([a for a, _ in pairs]), floats([b for _, b in pairs])])
    wanted = [
        CANONICAL_NAN if is_nan(a) or is_nan(b) else choose(a, b, key=compute_key) for a, b in pairs
    ]
    assert to_patterns(found) == wanted


@pytest.mark.parametrize(
    ("opcode", "compare"),
    [
        (Opcode.LT, lambda a, b: a < b),
        (Opcode.LE, lambda a, b: a <= b),
        (Opcode.EQ, lambda a, b: a == b),
    ],
    ids=["LT", "LE", "EQ"],
)
def test_execute__comparison__is_false_for_nan(
    opcode: Opcode, compare: Callable[[Fraction, Fraction], bool]
) -> None:
    pairs = make_pairs()
    found = run(opcode, Dtype.I32, [floats([a for a, _ in pairs]), floats([b for _, b in pairs])])
    wanted = [
        int(not (is_nan(a) or is_nan(b)) and compare(compute_key(a)[0], compute_key(b)[0]))
        for a, b in pairs
    ]
    assert found.tolist() == wanted
    assert 0 < sum(wanted) < len(wanted)


# --- Integer maps ---------------------------------------------------------------------------------


def wrap(number: int) -> int:
    return (number + 2**31) % 2**32 - 2**31


@pytest.mark.parametrize(
    ("opcode", "function"),
    [
        (Opcode.AND, lambda a, b: a & b),
        (Opcode.OR, lambda a, b: a | b),
        (Opcode.IADD, lambda a, b: wrap(a + b)),
        (Opcode.ISUB, lambda a, b: wrap(a - b)),
        (Opcode.IMUL, lambda a, b: wrap(a * b)),
        (Opcode.ILT, lambda a, b: int(a < b)),
        (Opcode.ILE, lambda a, b: int(a <= b)),
        (Opcode.IEQ, lambda a, b: int(a == b)),
    ],
    ids=lambda v: v.name if isinstance(v, Opcode) else "",
)
def test_execute__integer_map__is_pythons(
    opcode: Opcode, function: Callable[[int, int], int]
) -> None:
    pairs = [(a, b) for a in INT_EDGES for b in INT_EDGES]
    found = run(
        opcode, Dtype.I32, [integers([a for a, _ in pairs]), integers([b for _, b in pairs])]
    )
    assert found.tolist() == [function(a, b) for a, b in pairs]


def test_execute__not_and_copy__keep_their_meaning() -> None:
    values = integers(INT_EDGES)
    assert run(Opcode.NOT, Dtype.I32, [values]).tolist() == [int(v == 0) for v in INT_EDGES]
    assert run(Opcode.COPY, Dtype.I32, [values]).tolist() == INT_EDGES
    assert to_patterns(run(Opcode.COPY, Dtype.F32, [floats(EDGES)])) == EDGES


@pytest.mark.parametrize("dtype", [Dtype.F32, Dtype.I32])
def test_execute__select__keeps_bits(dtype: Dtype) -> None:
    condition = integers([0, 1, -1, 2])
    x, y = floats([1, 2, 0x7FC00000, 4]), floats([0x80000000, 6, 7, 8])
    if dtype is Dtype.I32:
        x, y = x.view(np.int32), y.view(np.int32)
    found = run(Opcode.SELECT, dtype, [condition, x, y])
    assert to_patterns(found) == [0x80000000, 2, 0x7FC00000, 4]


def test_execute__int_to_float__rounds_ties_to_even() -> None:
    found = run(Opcode.I2F, Dtype.F32, [integers(INT_EDGES)])
    with context():
        wanted = [to_bits(gmpy2.mpfr(v)) for v in INT_EDGES]
    assert to_patterns(found) == wanted


def test_execute__float_to_int__truncates_and_saturates() -> None:
    patterns = make_patterns()
    wanted = []
    for pattern in patterns:
        if is_nan(pattern):
            wanted.append(0)
            continue
        value = compute_key(pattern)[0]
        whole = floor(abs(value)) * (1 if value > 0 else -1)
        wanted.append(min(max(whole, -(2**31)), 2**31 - 1))
    assert run(Opcode.F2I, Dtype.I32, [floats(patterns)]).tolist() == wanted
    assert {0, 2**31 - 1, -(2**31)} <= set(wanted)


# --- Quantisation ---------------------------------------------------------------------------------


def compute_exponent(value: Fraction) -> int:
    """e with 2**(e-1) <= |value| < 2**e, by its definition."""
    size, e = abs(value), 0
    while size >= Fraction(2) ** e:
        e += 1
    while size < Fraction(2) ** (e - 1):
        e -= 1
    return e


def quantize(x: int, m: int, bits: int) -> int:
    if is_nan(m) or m & 0x7FFFFFFF in (0, 0x7F800000) or is_nan(x):
        return 0
    limit = 2 ** (bits - 1) - 1
    if x & 0x7FFFFFFF == 0x7F800000:
        return -limit if x >> 31 else limit
    scale = Fraction(2) ** (bits - 1 - compute_exponent(compute_key(m)[0]))
    return min(max(round(compute_key(x)[0] * scale), -limit), limit)  # round: ties to even


@pytest.mark.parametrize("bits", [2, 8, 14, 15, 22, 24])
def test_execute__quantize__rounds_ties_to_even_and_stays_symmetric(bits: int) -> None:
    rng = random.Random(bits)
    half = [0x3F000000 | k << 15 for k in range(256)]  # many ties where bits is small
    pairs = [(x, 0x3F800000) for x in half] + [(x, m) for x in EDGES for m in EDGES[::4]]
    for _ in range(1_000):
        x, m = random_pair(rng)
        pairs.append((x, m))
    wanted = [quantize(x, m, bits) for x, m in pairs]
    x, m = floats([x for x, _ in pairs]), floats([m for _, m in pairs])
    assert run(Opcode.QUANTIZE, Dtype.I32, [x, m], (bits,)).tolist() == wanted
    limit = 2 ** (bits - 1) - 1
    assert max(wanted) == limit and min(wanted) == -limit


def test_execute__quantize__tie_goes_to_the_even_neighbour() -> None:
    """Eight bits of m = 1 put e at 1: one unit is 2**-6."""
    x = np.array([0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5], dtype=np.float32) * np.float32(2**-6)
    found = run(Opcode.QUANTIZE, Dtype.I32, [x, np.ones_like(x)], (8,))
    assert found.tolist() == [0, 2, 2, 4, 0, -2, -2]


def dequantize(accumulator: int, scales: list[tuple[int, int]]) -> int:
    if any(is_nan(m) or m & 0x7FFFFFFF == 0x7F800000 for m, _ in scales):
        return CANONICAL_NAN
    if accumulator == 0 or any(m & 0x7FFFFFFF == 0 for m, _ in scales):
        return 0
    exponent = sum(compute_exponent(compute_key(m)[0]) - (bits - 1) for m, bits in scales)
    with gmpy2.context(precision=64, emin=-1000, emax=1000):
        exact = gmpy2.mpfr(accumulator) * gmpy2.exp2(exponent)
    with context():
        return to_bits(gmpy2.mpfr(exact))  # the only rounding


def make_accumulators(rng: random.Random) -> list[int]:
    """Up to 62 bits: random, ties at bit 24 of any width, and ties broken only by the last bit."""
    chosen = [0, 1, -1, 2**62, -(2**62), 2**53, 2**53 + 1, 2**53 - 1, -(2**53) - 1]
    for width in range(26, 63):
        top = (1 << (width - 1)) + (rng.getrandbits(23) << (width - 24))
        tie = top + (1 << (width - 25))
        chosen += [tie, tie + 1, tie - 1, -tie, -tie - 1, 2 * tie if width < 61 else tie]
    chosen += [rng.randrange(-(2**b), 2**b) for b in range(1, 63) for _ in range(8)]
    return chosen


@pytest.mark.parametrize("forms", [1, 2])
def test_execute__dequantize__rounds_once_for_any_accumulator(forms: int) -> None:
    rng = random.Random(forms)
    rows = []
    for accumulator in make_accumulators(rng):
        for _ in range(3):
            m = [rng.choice([*EDGES, 0x3F800000, 0x00000003, 0x3F812345]) for _ in range(2)]
            if rng.random() < 0.6:  # ordinary scales, and ones whose results are subnormal
                m = [rng.randrange(1, 250) << 23 | rng.getrandbits(23) for _ in range(2)]
            rows.append((accumulator, m[0], m[1]))
    bits = (15, 22)
    wanted = [dequantize(a, [(m_a, bits[0]), (m_b, bits[1])][:forms]) for a, m_a, m_b in rows]
    operands = [
        np.array([a for a, _, _ in rows], dtype=np.int64),
        floats([m for _, m, _ in rows]),
        floats([m for _, _, m in rows]),
    ]
    attributes = bits if forms == 2 else (bits[0], 0)
    found = run(Opcode.DEQUANTIZE, Dtype.F32, operands[: forms + 1], attributes)
    assert to_patterns(found) == wanted
    subnormal = sum(0 < w & 0x7FFFFFFF < 0x00800000 for w in wanted)
    assert subnormal > 10 and wanted.count(CANONICAL_NAN) > 10


# --- Folds ----------------------------------------------------------------------------------------


def windows(count: int, fold: int) -> View:
    """One window of `fold` neighbours after another."""
    return View((count,), (fold,))


def test_execute__integer_folds__are_exact() -> None:
    rng = random.Random(3)
    count, fold = 20, 37
    a = [rng.choice([*INT_EDGES, rng.randrange(-(2**23), 2**23)]) for _ in range(count * fold)]
    b = [rng.randrange(-(2**23), 2**23) for _ in range(count * fold)]
    parts = [slice(i * fold, (i + 1) * fold) for i in range(count)]
    view, shape = windows(count, fold), (count,)
    total = run(Opcode.SUM, Dtype.I64, [integers(a)], (), fold, shape, [view])
    assert total.tolist() == [sum(a[p]) for p in parts]
    product = run(Opcode.DOT, Dtype.I64, [integers(a), integers(b)], (), fold, shape, [view, view])
    assert product.tolist() == [sum(x * y for x, y in zip(a[p], b[p])) for p in parts]
    wanted = [a[p][0] for p in parts]
    matched = run(
        Opcode.MATCH_SUM,
        Dtype.I64,
        [integers(a), integers(b), integers(wanted)],
        (),
        fold,
        shape,
        [view, view, contiguous(shape)],
    )
    assert matched.tolist() == [
        sum(y for x, y in zip(a[p], b[p]) if x == w) for p, w in zip(parts, wanted)
    ]


def test_execute__dot_at_the_limit__does_not_overflow() -> None:
    fold = 2**16
    largest = integers([2**23 - 1] * fold)
    view = windows(1, fold)
    found = run(Opcode.DOT, Dtype.I64, [largest, largest], (), fold, (1,), [view, view])
    assert found.tolist() == [fold * (2**23 - 1) ** 2]
    assert fold * (2**23 - 1) ** 2 <= 2**62


def test_execute__float_folds__order_zeros_and_pass_nan() -> None:
    rng = random.Random(5)
    count, fold = 300, 5
    patterns = [rng.choice([*EDGES, random_pattern(rng)]) for _ in range(count * fold)]
    parts = [patterns[i * fold : (i + 1) * fold] for i in range(count)]
    read = {"fold": fold, "shape": (count,), "views": [windows(count, fold)]}
    largest = run(Opcode.MAXIMUM, Dtype.F32, [floats(patterns)], (), **read)
    assert to_patterns(largest) == [
        CANONICAL_NAN if any(map(is_nan, p)) else max(p, key=compute_key) for p in parts
    ]
    sizes = run(Opcode.ABSMAX, Dtype.F32, [floats(patterns)], (), **read)
    assert to_patterns(sizes) == [
        CANONICAL_NAN if any(map(is_nan, p)) else max(b & 0x7FFFFFFF for b in p) for p in parts
    ]
    assert 10 < to_patterns(largest).count(CANONICAL_NAN) < count - 10


# --- Memory ---------------------------------------------------------------------------------------


def test_execute__const_and_iota__follow_their_attributes() -> None:
    constant = run(Opcode.CONST, Dtype.F32, [], (0xBF800000,), shape=(2, 3))
    assert constant.tolist() == [[-1.0] * 3] * 2
    assert run(Opcode.CONST, Dtype.I32, [], (-5,), shape=()).tolist() == -5
    assert run(Opcode.IOTA, Dtype.I32, [], (0,), shape=(2, 3)).tolist() == [[0] * 3, [1] * 3]
    assert run(Opcode.IOTA, Dtype.I32, [], (1,), shape=(2, 3)).tolist() == [[0, 1, 2]] * 2


def test_execute__gather__reads_zero_outside_the_limit() -> None:
    table = floats(list(range(100, 112)))  # four rows of three
    index = integers([0, 3, 4, -1, 2**31 - 1, -(2**31)])
    row = View((6, 3), (0, 1))
    spread = View((6, 3), (1, 0))
    found = run(Opcode.GATHER, Dtype.F32, [table, index], (3, 4), 1, (6, 3), [row, spread])
    zero = [0, 0, 0]
    wanted = [[100, 101, 102], [109, 110, 111], zero, zero, zero, zero]
    assert to_patterns(found) == sum(wanted, [])


def test_execute__gather_backwards__subtracts_its_stride() -> None:
    table, index = integers(list(range(12))), integers([0, 1, 2, 3])
    views = [View((4,), (0,), 11), contiguous((4,))]
    found = run(Opcode.GATHER, Dtype.I32, [table, index], (-3, 4), 1, (4,), views)
    assert found.tolist() == [11, 8, 5, 2]


def test_execute__concat__counts_the_second_from_the_split() -> None:
    low, high = integers(list(range(6))), integers(list(range(10, 16)))
    views = [View((2, 5), (3, 1)), View((2, 5), (0, 1), 1)]
    found = run(Opcode.CONCAT, Dtype.I32, [low, high], (1, 3), 1, (2, 5), views)
    assert found.tolist() == [[0, 1, 2, 11, 12], [3, 4, 5, 11, 12]]


def test_execute__random__is_threefry_by_position_and_counter() -> None:
    counter = integers([-1])
    found = run(
        Opcode.RANDOM, Dtype.I32, [counter], (2**32 - 1, 5), 1, (2, 3), [View((2, 3), (0, 0))]
    )
    wanted = [
        threefry.threefry2x32((2**32 - 1, 5), (position, 2**32 - 1))[0] >> 8
        for position in range(6)
    ]
    assert found.reshape(-1).tolist() == wanted
    assert all(0 <= w < 2**24 for w in wanted) and len(set(wanted)) == 6


def test_execute__loads__show_state_and_batch() -> None:
    state, batch = floats([1, 2, 3, 4]), integers([5, 6])
    outside = Outside((state,), (batch,))
    loaded = execute(Instruction(Opcode.LOAD_STATE, Dtype.F32, (2, 2), (), 1, (0,)), (), outside)
    assert to_patterns(loaded) == [1, 2, 3, 4] and loaded.shape == (2, 2)
    rows = execute(Instruction(Opcode.LOAD_BATCH, Dtype.I32, (1, 2), (), 1, (0,)), (), outside)
    assert rows.tolist() == [[5, 6]]


def test_execute__strided_operands__are_read_through_their_maps() -> None:
    x = floats(EDGES[:12])
    flipped = View((3, 4), (-4, -1), 11)
    found = run(Opcode.COPY, Dtype.F32, [x], (), 1, (3, 4), [flipped])
    assert to_patterns(found) == EDGES[:12][::-1]


def test_opcodes__all__are_met_in_this_file() -> None:
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    assert [o.name for o in Opcode if f"Opcode.{o.name}" not in text] == []
