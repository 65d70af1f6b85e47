"""Small programs for tests, and the states and datasets to run them on."""

import numpy as np

from protocol.execution import Dataset, State
from protocol.instructions import Source
from protocol.operators import expand
from protocol.operators.microcode import Value
from protocol.program import Field, Input, Operator, Program, Slot
from protocol.types import Dtype, Shape
from protocol.views import View, contiguous

FLOAT, INTEGER = int(Dtype.F32), int(Dtype.I32)


def to_pattern(value: float) -> int:
    """The bits of a float32."""
    return int(np.float32(value).view(np.uint32))


class Draft:
    """A growing list of operators; `add` returns the index of the new one."""

    def __init__(self) -> None:
        self.operators: list[Operator] = []
        self._outputs: list[tuple[Dtype, Shape]] = []

    def get_view(self, operator: int) -> View:
        """The whole output of an operator."""
        return contiguous(self._outputs[operator][1])

    def add(
        self,
        kind: str,
        *inputs: int | tuple[int, View],
        source: str = "",
        **attributes: int | tuple[int, ...],
    ) -> int:
        """Append an operator; an input without a view is the whole output."""
        items = tuple(
            Input(*(i if isinstance(i, tuple) else (i, self.get_view(i)))) for i in inputs
        )
        values = []
        for position, item in enumerate(items):
            dtype, shape = self._outputs[item.producer]
            size = contiguous(shape).size
            values.append(Value(Source.INPUT, position, dtype, size, item.view))
        last = expand(kind, tuple(values), attributes)[-1]
        self._outputs.append((last.dtype, last.shape))
        self.operators.append(Operator(kind, items, attributes, source))
        return len(self.operators) - 1


def make_program() -> Program:
    """Linear regression by gradient descent, with a step counter: two slots, two fields."""
    draft = Draft()
    weight = draft.add("load_state", slot=0, shape=(3, 2), dtype=FLOAT)
    counter = draft.add("load_state", slot=1, shape=(), dtype=INTEGER)
    x = draft.add("load_batch", field=0, shape=(4, 3), dtype=FLOAT)
    y = draft.add("load_batch", field=1, shape=(4, 2), dtype=FLOAT)
    bits = {"bits_a": 15, "bits_b": 15}
    prediction = draft.add("matmul", x, weight, source="model.py:7", **bits)
    error = draft.add("sub", prediction, y, source="model.py:8")
    transposed = draft.get_view(x).permute((1, 0))
    gradient = draft.add("matmul", (x, transposed), error, **bits)
    rate = draft.add("full", value=to_pattern(0.125), shape=(), dtype=FLOAT)
    step = draft.add("mul", gradient, rate)
    updated = draft.add("sub", weight, step)
    square = draft.add("mul", error, error)
    loss = draft.add("sum", (square, draft.get_view(square).reshape((8,))))
    mask = draft.add("full", value=2**30 - 1, shape=(), dtype=INTEGER)
    one = draft.add("full", value=1, shape=(), dtype=INTEGER)
    bounded = draft.add("bitwise_and", counter, mask)
    counted = draft.add("int_add", bounded, one)
    return Program(
        slots=(
            Slot("weight", Dtype.F32, (3, 2), updated),
            Slot("counter", Dtype.I32, (), counted),
        ),
        fields=(Field("x", Dtype.F32, (3,), 3), Field("y", Dtype.F32, (2,), 2)),
        rows=4,
        operators=tuple(draft.operators),
        reported={"loss": loss},
    )


def make_state(program: Program, seed: int = 0) -> State:
    """A random state of a program's slots."""
    rng = np.random.default_rng(seed)
    return tuple(_make_tensor(rng, slot.dtype, slot.shape) for slot in program.slots)


def make_dataset(program: Program, records: int, seed: int = 1) -> Dataset:
    """A random dataset of so many records."""
    rng = np.random.default_rng(seed)
    fields = (_make_tensor(rng, f.dtype, (f.compute_length(records),)) for f in program.fields)
    return Dataset(tuple(fields), records)


def _make_tensor(rng: np.random.Generator, dtype: Dtype, shape: Shape) -> np.ndarray:
    if dtype is Dtype.F32:
        return np.asarray(rng.standard_normal(shape), dtype=np.float32)
    return np.asarray(rng.integers(0, 100, shape), dtype=np.int32)
