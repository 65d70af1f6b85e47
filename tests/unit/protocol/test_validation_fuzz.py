"""Any operator on any inputs: refused with a reason, or executable and encodable."""

from collections import Counter

import numpy as np
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.execution import execute_step
from protocol.instructions import encode_instruction
from protocol.operators import REGISTRY
from protocol.program import Input, Operator, Program, Slot
from protocol.rejections import InvalidProgram
from protocol.types import Dtype
from protocol.validation import validate
from protocol.views import View
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


def test_validate__any_operator__is_refused_or_can_be_executed_and_encoded() -> None:
    met: Counter[str] = Counter()
    kinds: set[str] = set()

    @settings(max_examples=1_500)
    @given(operators())
    def check(operator: Operator) -> None:
        program = make(operator)
        try:
            cost = validate(program)
        except InvalidProgram as rejection:
            met[type(rejection).__name__] += 1
            return
        for instruction in program.microcode[-1]:
            wanted = encode([INSTRUCTION_TYPE], [to_abi(instruction)])
            assert encode_instruction(instruction) == wanted
        if cost.peak_bytes > 2**20 or cost.float_operations > 2**16:
            return
        output = execute_step(program, make_state(program), ())[-1]
        assert output.shape == program.microcode[-1][-1].shape
        met["executed"] += 1
        kinds.add(operator.kind)

    check()
    assert met["executed"] >= 100 and len(met) >= 8, met
    assert len(kinds) >= 20, kinds
