"""Any operator on any inputs: refused with a reason, or executable, encodable and provable."""

import random
from collections import Counter

import numpy as np
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.execution import Dataset, compute_state_root
from protocol.instructions import encode_instruction
from protocol.map_unit import to_word
from protocol.operators import REGISTRY
from protocol.program import Input, Operator, Program, Slot
from protocol.rejections import InvalidProgram
from protocol.types import CHUNK_LENGTH, Dtype, Seed, StepIndex
from protocol.validation import validate
from protocol.verifier import Context, build_location, build_openings, compute_element
from protocol.views import View
from tests.evidence import Run, SpecEvidence
from tests.programs import make_state
from tests.unit.protocol.test_instructions import INSTRUCTION_TYPE, to_abi

SHAPES: list[tuple[Dtype, tuple[int, ...]]] = [
    (Dtype.F32, (4, 6)),
    (Dtype.F32, (6,)),
    (Dtype.F32, ()),
    (Dtype.I32, (4,)),
    (Dtype.I32, ()),
]
NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 6, 8, 15, 24, 25, -1, 2**31, 2**33, 2**63 - 1])
LENGTHS = st.sampled_from([1, 1, 2, 3, 4, 6, 0, -1, 2**33])
STRIDES = st.sampled_from([0, 1, 1, 2, 6, -1, 2**40])


@st.composite
def inputs(draw: st.DrawFn) -> Input:
    """The whole of a tensor, most often; else some index map into it."""
    producer = draw(st.integers(0, len(SHAPES) - 1))
    shape = SHAPES[producer][1]
    kind = draw(st.integers(0, 5))
    whole = View(shape, tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape))))
    if kind <= 3:
        return Input(producer, whole)
    if kind == 4 and shape:
        return Input(producer, whole.permute(tuple(draw(st.permutations(range(len(shape)))))))
    rank = draw(st.integers(0, 8))
    lengths = draw(st.lists(LENGTHS, min_size=rank, max_size=rank))
    strides = draw(st.lists(STRIDES, min_size=rank, max_size=rank))
    return Input(producer, View(tuple(lengths), tuple(strides), draw(st.integers(0, 3))))


@st.composite
def operators(draw: st.DrawFn) -> Operator:
    kind = draw(st.sampled_from(sorted(REGISTRY)))
    definition = REGISTRY[kind]
    items = [draw(inputs()) for _ in range(definition.inputs)]
    values = NUMBERS | st.lists(st.sampled_from([1, 2, 3, 6, 0, 2**33]), max_size=3).map(tuple)
    attributes: dict[str, int | tuple[int, ...]] = {}
    for name in definition.attributes:
        if name == "dtype":
            attributes[name] = draw(st.sampled_from([1, 2, 3, 9]))
        elif name == "shape":
            attributes[name] = draw(st.sampled_from([(4, 6), (2, 3), (), (2**40,), 3]))
        else:
            attributes[name] = draw(values)
    return Operator(kind, tuple(items), attributes)


def make(operator: Operator) -> Program:
    """The operator over loaded slots; its output is a slot of its own, if it has one."""
    loads = [
        Operator("load_state", (), {"slot": i, "shape": shape, "dtype": int(dtype)})
        for i, (dtype, shape) in enumerate(SHAPES)
    ]
    slots = [Slot(f"{i}", dtype, shape, i) for i, (dtype, shape) in enumerate(SHAPES)]
    program = Program(tuple(slots), (), 1, (*loads, operator))
    try:
        output = program.get_output(len(loads))
    except InvalidProgram:
        return program
    new = Slot("output", output.dtype, output.shape, len(loads))
    return Program((*slots, new), (), 1, program.operators)


def prove(evidence: SpecEvidence, operator: int, instruction: int, element: int) -> int:
    """An element's word from openings alone, chunk by chunk, as the chain computes it."""
    program = evidence.program
    location = build_location(program, operator, instruction)
    word = bytes(32)
    for chunk in range(-(-location.instruction.fold // CHUNK_LENGTH)):
        context = Context(
            program_root=program.root,
            dataset_root=evidence.run.dataset.root,
            seed=evidence.seed,
            records=evidence.records,
            step=StepIndex(0),
            state_root=compute_state_root(evidence.run.genesis),
            operator_trace_root=evidence.operator_tree(0).root,
            instruction_trace_root=evidence.instruction_tree(0, operator).root,
            operator=operator,
            instruction=instruction,
            element=element,
            chunk=chunk,
            accumulator=word,
        )
        openings = build_openings(program, 0, operator, instruction, element, chunk, evidence)
        word = compute_element(context, location, openings)
    return int.from_bytes(word, "big")


def test_validate__any_operator__is_refused_or_can_be_executed_and_proved() -> None:
    met: Counter[str] = Counter()
    kinds: set[str] = set()
    rng = random.Random(1)

    @settings(max_examples=1_500)
    @given(operators())
    def check(operator: Operator) -> None:
        program = make(operator)
        try:
            cost = validate(program)
        except InvalidProgram as rejection:
            met[type(rejection).__name__] += 1
            return
        last = len(program.operators) - 1
        for instruction in program.microcode[last]:
            wanted = encode([INSTRUCTION_TYPE], [to_abi(instruction)])
            assert encode_instruction(instruction) == wanted
        if cost.peak_bytes > 2**20 or cost.float_operations > 2**16:
            return
        run = Run(program, Dataset((), 1), make_state(program), Seed(bytes(32)), 1, 1)
        evidence = SpecEvidence(run)
        for number, instruction in enumerate(program.microcode[last]):
            output = evidence.tensor(0, last, number)
            assert output.size == instruction.size
            element = rng.randrange(output.size)
            value = output[element]
            is_float = instruction.dtype is Dtype.F32
            word = int(value.view(np.uint32)) if is_float else to_word(int(value))
            assert prove(evidence, last, number, element) == word
            met["proved"] += 1
        met["executed"] += 1
        kinds.add(operator.kind)

    check()
    assert met["executed"] >= 100 and met["proved"] >= 300 and len(met) >= 8, met
    assert len(kinds) >= 20, kinds
