"""The differential campaign: one instruction, contract against protocol, case by case.

Three voices: the contract, `protocol.map_unit` and `protocol.fold` on words, and
`protocol.semantics` on arrays wherever a validated program can hold the case.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from protocol import semantics
from protocol.fold import compute_fold, compute_folded_dtype, compute_initial
from protocol.instructions import LEGALITY, Kind, Opcode
from protocol.map_unit import compute_map, to_integer, to_word
from protocol.threefry import random24
from protocol.types import Array, Dtype
from scripts.bench.element_cases import Case
from scripts.campaign.edges import get_edges, is_in_domain
from scripts.campaign.operands import Operands, draw_accumulator, draw_chunk
from scripts.campaign.referee import FoldCase, MapCase, Referee
from tests.instruction_cases import compute_by_protocol, compute_word, random_example

BATCH = 2**12  # cases drawn, computed and compared at a time
ELEMENTS_BATCH = 2**6
ELEMENTS_PER_EXAMPLE = 2**2  # tensors cost more to draw than elements to prove
WORD_MASK = 2**32 - 1
Advance = Callable[[int], None]  # told how many cases are done
Step = tuple[str, Case, bytes]  # how to get the case, the case, the protocol's word


def ignore(count: int) -> None:
    """Nobody looks at the progress."""


class Mismatch(Exception):
    """Contract and protocol differ; the message is the reproducer."""


@dataclass
class Figures:
    """What was compared, of one instruction."""

    edges: int = 0
    seeded: int = 0
    elements: int = 0  # through the whole of StepVerifier.compute_element
    met: dict[str, int] = field(default_factory=dict)  # kinds of results, against vacuity

    @property
    def cases(self) -> int:
        """All of them."""
        return self.edges + self.seeded + self.elements

    def note(self, kind: str) -> None:
        """One more result of that kind."""
        self.met[kind] = self.met.get(kind, 0) + 1


def is_batched(opcode: Opcode) -> bool:
    """Whether the arithmetic can be called without openings; what only moves words cannot."""
    return LEGALITY[opcode].kind is not Kind.MEMORY or opcode is Opcode.RANDOM


def compare_instruction(
    referee: Referee,
    opcode: Opcode,
    cases: int,
    elements: int,
    seed: int,
    advance: Advance = ignore,
    figures: Figures | None = None,
) -> Figures:
    """Compare `cases` seeded cases and the edge grid, and `elements` with real openings.

    Raises `Mismatch` at the first difference; `figures` then holds what was right. An instruction
    that only moves words has no other form: its cases are elements as well.
    """
    figures = Figures() if figures is None else figures
    if LEGALITY[opcode].kind is Kind.MAP:
        _compare_maps(referee, opcode, cases, seed, figures, advance)
    elif LEGALITY[opcode].kind is Kind.FOLD:
        _compare_folds(referee, opcode, cases, seed, figures, advance)
    elif opcode is Opcode.RANDOM:
        _compare_draws(referee, cases, seed, figures, advance)
    else:
        elements += cases
    _compare_elements(referee, opcode, elements, seed, figures, advance)
    return figures


# --- Maps ----------------------------------------------------------------------------------------


def _compare_maps(
    referee: Referee, opcode: Opcode, cases: int, seed: int, figures: Figures, advance: Advance
) -> None:
    edges, operands = get_edges(opcode), Operands(opcode, seed)
    while batch := list(islice(edges, BATCH)):
        _compare_map_batch(referee, opcode, batch, figures)
        figures.edges += len(batch)
    for count in split(cases, BATCH):
        _compare_map_batch(referee, opcode, [operands.draw() for _ in range(count)], figures)
        figures.seeded += count
        advance(count)


def _compare_map_batch(
    referee: Referee, opcode: Opcode, cases: list[MapCase], figures: Figures
) -> None:
    words = referee.compute_maps(opcode, cases)
    expected = [compute_map(opcode, *case) for case in cases]
    for case, word, other in zip(cases, words, expected):
        if word != other:
            raise Mismatch(describe(opcode, _describe_map(opcode, case), word, "map_unit", other))
        figures.note(classify(opcode, other))
    inside = [number for number, case in enumerate(cases) if is_in_domain(opcode, case)]
    by_arrays = compute_by_semantics(opcode, [cases[number] for number in inside])
    for number, other in zip(inside, by_arrays):
        # COPY and SELECT of an f32 extend no sign; the lowest 32 bits are what is committed.
        kept = WORD_MASK if opcode in (Opcode.COPY, Opcode.SELECT) else 2**256 - 1
        if (expected[number] ^ other) & kept:
            call = _describe_map(opcode, cases[number])
            raise Mismatch(describe(opcode, call, expected[number], "semantics", other))


def compute_by_semantics(opcode: Opcode, cases: Sequence[MapCase]) -> list[int]:
    """The words that `protocol.semantics` gives, for cases inside its domain."""
    if opcode is Opcode.DEQUANTIZE:
        words = [0] * len(cases)
        for one_scale in (True, False):
            numbers = [n for n, case in enumerate(cases) if (case[4] == 0) is one_scale]
            part = [cases[number] for number in numbers]
            for number, word in zip(numbers, _dequantize(part, one_scale)):
                words[number] = word
        return words
    with np.errstate(all="ignore"):
        if opcode is Opcode.QUANTIZE:
            bits: Array = np.array([case[3] for case in cases], dtype=np.int64)
            x, m = (_get_operand(cases, number, Dtype.F32) for number in (0, 1))
            return _to_words(semantics.quantize(x, m, bits))  # type: ignore[arg-type]
        types, _ = LEGALITY[opcode].types[-1]  # of two forms, that on integers: bits are kept
        read = [_get_operand(cases, number, dtype) for number, dtype in enumerate(types)]
        return _to_words(semantics.MAPS[opcode](*read))


def _dequantize(cases: Sequence[MapCase], one_scale: bool) -> list[int]:
    bits_a, bits_b = (np.array([case[n] for case in cases], dtype=np.int64) for n in (3, 4))
    m_b = None if one_scale else _get_operand(cases, 2, Dtype.F32)
    accumulators, m_a = _get_operand(cases, 0, Dtype.I64), _get_operand(cases, 1, Dtype.F32)
    with np.errstate(all="ignore"):
        return _to_words(semantics.dequantize(accumulators, m_a, m_b, bits_a, bits_b))  # type: ignore[arg-type]


def _get_operand(cases: Sequence[MapCase], number: int, dtype: Dtype) -> Array:
    if dtype is Dtype.I64:
        return np.array([to_integer(case[number]) for case in cases], dtype=np.int64)
    patterns = np.array([case[number] & WORD_MASK for case in cases], dtype=np.uint32)
    return patterns.view(dtype.numpy)


def _to_words(values: Array) -> list[int]:
    if values.dtype == np.float32:
        return [int(pattern) for pattern in values.view(np.uint32)]
    return [to_word(int(value)) for value in values]


# --- Folds and draws -----------------------------------------------------------------------------


def _compare_folds(
    referee: Referee, opcode: Opcode, cases: int, seed: int, figures: Figures, advance: Advance
) -> None:
    rng = random.Random(f"{seed} {opcode.name}")
    generator = np.random.default_rng([int(opcode), seed])
    for count in split(cases, BATCH // 16):
        batch = [draw_fold(rng, generator, opcode) for _ in range(count)]
        words = referee.compute_folds(opcode, batch)
        for case, word in zip(batch, words):
            a, b = case.a[: 4 * case.length], case.b[: 4 * case.length]
            expected = compute_fold(opcode, case.accumulator, a, b, case.wanted)
            if word != expected:
                raise Mismatch(describe(opcode, repr(case), word, "fold", expected))
            if case.accumulator == compute_initial(opcode):
                by_arrays = _fold_by_semantics(opcode, case)
                if word != by_arrays:
                    raise Mismatch(describe(opcode, repr(case), word, "semantics", by_arrays))
            figures.note(classify(opcode, expected))
        figures.seeded += count
        advance(count)


def draw_fold(rng: random.Random, generator: np.random.Generator, opcode: Opcode) -> FoldCase:
    """A chunk of any length; what lies beyond its length must not count."""
    dtype = compute_folded_dtype(opcode)
    a, b = draw_chunk(rng, generator, dtype), draw_chunk(rng, generator, dtype)
    length = rng.choice([256, 256, rng.randrange(1, 257), rng.randrange(1, 10)])
    wanted = int.from_bytes(a[:4], "little", signed=True)
    if opcode is Opcode.MATCH_SUM and rng.getrandbits(1):
        few = generator.integers(-2, 2, 256, dtype=np.int64).astype("<i4")
        a, wanted = few.tobytes(), rng.randrange(-2, 2)
    accumulator = compute_initial(opcode)
    if rng.randrange(4):
        accumulator = draw_accumulator(rng, dtype)
    return FoldCase(accumulator, to_word(wanted), length, a, b)


def _fold_by_semantics(opcode: Opcode, case: FoldCase) -> int:
    kind = np.dtype("<i4") if compute_folded_dtype(opcode) is Dtype.I32 else np.dtype("<f4")
    read: list[Array] = [
        np.frombuffer(data, dtype=kind, count=case.length)[np.newaxis] for data in (case.a, case.b)
    ]
    if opcode is Opcode.MATCH_SUM:
        read.append(np.array([to_integer(case.wanted)], dtype=np.int32))
    # One operand fewer for all folds but DOT and MATCH_SUM.
    read = read[: len(LEGALITY[opcode].types[0][0])]
    with np.errstate(all="ignore"):
        return _to_words(semantics.FOLDS[opcode](*read))[0]


def _compare_draws(
    referee: Referee, cases: int, seed: int, figures: Figures, advance: Advance
) -> None:
    rng = random.Random(f"{seed} RANDOM")
    words = [0, 1, 2**31, 2**32 - 1, 2**32, 2**256 - 1, 2**255]
    for count in split(cases, BATCH):
        batch = [
            tuple(rng.choice([rng.choice(words), rng.getrandbits(32)]) for _ in range(4))
            for _ in range(count)
        ]
        for case, word in zip(batch, referee.compute_random24s(batch)):
            expected = random24(*case)
            if word != expected:
                call = f"threefry.random24{case}"
                raise Mismatch(describe(Opcode.RANDOM, call, word, "threefry", expected))
            figures.note(classify(Opcode.RANDOM, expected))
        figures.seeded += count
        advance(count)


# --- Elements with their openings ----------------------------------------------------------------


def _compare_elements(
    referee: Referee, opcode: Opcode, count: int, seed: int, figures: Figures, advance: Advance
) -> None:
    done = 0
    for part in split(count, ELEMENTS_BATCH):
        steps = [
            step
            for number in range(done, done + part, ELEMENTS_PER_EXAMPLE)
            for step in _draw_steps(
                opcode, seed, number, min(ELEMENTS_PER_EXAMPLE, done + part - number)
            )
        ]
        done += part
        calls = [referee.encode_element(case.encode()) for _, case, _ in steps]
        for (call, _, expected), outcome in zip(steps, referee.call_verifier(calls)):
            if outcome.word != expected:
                got = (
                    outcome.reason if outcome.word is None else int.from_bytes(outcome.word, "big")
                )
                other = int.from_bytes(expected, "big")
                raise Mismatch(describe(opcode, call, got, "verifier", other))
            figures.note(classify(opcode, int.from_bytes(expected, "big")))
        figures.elements += part
        advance(part)


def _draw_steps(opcode: Opcode, seed: int, number: int, count: int) -> list[Step]:
    """The last steps of `count` elements of one instruction, chunk by chunk.

    Raises `Mismatch` where the protocol's verifier and its semantics differ.
    """
    key = f"{seed} {opcode.name} {number}"
    example = random_example(random.Random(key), opcode)
    rng = random.Random(f"{key} elements")
    steps: list[Step] = []
    for _ in range(count):
        element = rng.randrange(example.instruction.size)
        call = f"random_example(random.Random({key!r}), Opcode.{opcode.name}).build({element}"

        def compute(case: Case, call: str = call) -> bytes:
            word = compute_by_protocol(case)
            before = int.from_bytes(case.context.accumulator, "big")
            steps.append((f"{call}, {case.context.chunk}, {before:#x})", case, word))
            return word

        word, expected = compute_word(example, element, compute), example.get_word(element)
        if word != expected:
            raise Mismatch(describe(opcode, f"{call})", word, "semantics", expected, "verifier.py"))
    return steps


# --- Reports -------------------------------------------------------------------------------------


def split(total: int, size: int) -> Iterator[int]:
    """Parts of at most `size` that add up to `total`."""
    for start in range(0, total, size):
        yield min(size, total - start)


def classify(opcode: Opcode, word: int) -> str:
    """The kind of a result."""
    dtypes = {dtype for _, dtype in LEGALITY[opcode].types}
    if dtypes != {Dtype.F32}:
        return "zero" if word == 0 else "negative" if word >> 255 else "positive"
    size = word & 2**31 - 1
    if size > 0x7F800000:
        return "nan"
    if size == 0x7F800000:
        return "infinite"
    return "zero" if size == 0 else "subnormal" if size < 2**23 else "normal"


def _describe_map(opcode: Opcode, case: MapCase) -> str:
    words = ", ".join(hex(word) for word in case[:3])
    return f"compute_map(Opcode.{opcode.name}, {words}, {case[3]}, {case[4]})"


def describe(
    opcode: Opcode,
    call: str,
    word: int | str | None,
    voice: str,
    expected: int,
    subject: str = "contract",
) -> str:
    """A mismatch and how to get it again."""
    got = hex(word) if isinstance(word, int) else f"refused: {word or 'without a reason'}"
    return f"{opcode.name}: {call}\n  {subject}: {got}\n  protocol.{voice}: {expected:#x}"
