"""One random example of any operator: inputs of odd shapes, strided, with awkward values."""

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from offchain.kernels.reading import to_torch
from protocol.instructions import Instruction, Source
from protocol.operators import REGISTRY, expand
from protocol.operators.microcode import Value
from protocol.types import Array, Dtype
from protocol.views import View

AWKWARD = np.array(
    [0.0, -0.0, 1e-45, -1e-39, 2.0**-120, 3.4e38, -3.4e38, 1 - 2.0**-24, -(1 - 2.0**-24), 1.0],
    dtype=np.float32,
)
INTEGERS = {
    "logical_not": 1,
    "to_float": 1,
    "bitwise_and": 2,
    "bitwise_or": 2,
    "int_add": 2,
    "int_sub": 2,
    "int_mul": 2,
    "int_lt": 2,
    "int_le": 2,
    "int_eq": 2,
}


@dataclass(frozen=True)
class Sample:
    """Microcode and the whole tensors that are its inputs."""

    instructions: tuple[Instruction, ...]
    inputs: tuple[Tensor, ...]


def make_floats(rng: np.random.Generator, size: int, kind: str) -> Array:
    """Values of very different sizes; `kind` adds awkward ones, or infinities and NaN too."""
    scale = np.exp2(rng.integers(-8, 8) + rng.integers(-3, 4, size=size)).astype(np.float32)
    values = (rng.standard_normal(size).astype(np.float32) * scale).astype(np.float32)
    if kind == "plain":
        return values
    chosen = rng.random(size) < 0.2
    values[chosen] = rng.choice(AWKWARD, chosen.sum())
    if kind == "wild":
        chosen = rng.random(size) < 0.03
        wild = np.array([np.inf, -np.inf, np.nan], dtype=np.float32)
        values[chosen] = rng.choice(wild, chosen.sum())
    if rng.random() < 0.3:
        values[: size // 2] = 0
    return values


def make_view(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[View, int]:
    """A random layout of a tensor: axes permuted, gaps, an offset, sometimes an axis repeated."""
    order = rng.permutation(len(shape)) if rng.random() < 0.5 else np.arange(len(shape))
    strides = [0] * len(shape)
    step = int(rng.choice([1, 1, 2]))
    for axis in reversed(order):
        if rng.random() < 0.1:
            continue  # stays 0: one element serves the whole axis
        strides[axis] = step
        step *= shape[axis] + int(rng.choice([0, 0, 1]))
    offset = int(rng.choice([0, 3]))
    view = View(shape, tuple(strides), offset)
    for axis in range(len(shape)):
        if rng.random() < 0.1:
            view = view.flip(axis)
    return view, max(view.compute_bounds()[1], offset) + 1 + int(rng.choice([0, 2]))


def make_sample(kind: str, rng: np.random.Generator, values: str = "awkward") -> Sample:
    """A random example of that operator."""
    shapes, integers, attributes = _choose(kind, rng)
    inputs, tensors = [], []
    for position, shape in enumerate(shapes):
        if kind in ("embedding",) and position == 0:
            view, size = View(shape, (shape[1] + 1, 1), 0), shape[0] * (shape[1] + 1)
        else:
            view, size = make_view(rng, shape)
        if position in integers:
            data = rng.integers(-1, 6, size=size).astype(np.int32)
            dtype = Dtype.I32
        else:
            data, dtype = make_floats(rng, size, values), Dtype.F32
        inputs.append(Value(Source.INPUT, position, dtype, size, view))
        tensors.append(to_torch(data))
    return Sample(tuple(expand(kind, tuple(inputs), attributes)), tuple(tensors))


def _choose(
    kind: str, rng: np.random.Generator
) -> tuple[list[tuple[int, ...]], set[int], dict[str, int | tuple[int, ...]]]:
    """(input shapes, which inputs are integers, attributes)."""

    def length(low: int = 1, high: int = 9) -> int:
        return int(rng.integers(low, high))

    rest = tuple(length(1, 4) for _ in range(length(0, 3)))
    folded = (*rest, int(rng.choice([1, 3, 17, 300])))
    definition = REGISTRY[kind]
    match kind:
        case "matmul":
            m, k, n = length(), int(rng.choice([1, 7, 64, 257])), length()
            batch = tuple(length(1, 4) for _ in range(length(0, 3)))
            other = batch[length(0, len(batch) + 1) :] if batch else ()
            if other and rng.random() < 0.3:
                other = (1, *other[1:])
            bits = int(rng.choice([8, 14, 15, 22])), int(rng.choice([8, 14, 15, 22]))
            shapes = [(*batch, m, k), (*other, k, n)]
            return shapes, set(), {"bits_a": bits[0], "bits_b": bits[1]}
        case "index_add":
            count = length(1, 30)
            return [(count,), (count, length())], {0}, {"rows": 5}
        case "scatter_add":
            return [folded, folded], {0}, {"rows": 5}
        case "embedding":
            return [(5, length()), rest], {1}, {}
        case "gather":
            axis = length(0, 2)
            shape = (length(1, 4), length(1, 4))
            index = (shape[0], 2) if axis else (2, shape[1])
            return [shape, index], {1}, {"axis": axis}
        case "cat":
            return [(2, length(), 3), (2, length(), 3)], set(), {"axis": 1}
        case "full":
            return [], set(), {"value": 0x3F800000, "shape": rest, "dtype": int(Dtype.F32)}
        case "arange":
            return [], set(), {"shape": (*rest, 4), "axis": len(rest)}
        case "random":
            return [(1,)], {0}, {"shape": (*rest, 4), "key_0": 7, "key_1": -9}
        case "load_state":
            return [], set(), {"slot": 0, "shape": (2, 3), "dtype": int(Dtype.F32)}
        case "load_batch":
            return [], set(), {"field": 0, "shape": (2, 3), "dtype": int(Dtype.F32)}
        case "where":
            return [folded, folded[-1:], folded], {0}, {}
        case "rstd":
            return [folded, folded[:-1]], set(), {"epsilon": 0x3727C5AC}
        case "normalize":
            return [folded, folded[:-1], folded[:-1]], set(), {}
        case "layer_norm":
            last = folded[-1:]
            return [folded, folded[:-1], folded[:-1], last, last], set(), {}
        case "layer_norm_backward":
            return [folded, folded, folded[:-1], folded[:-1], folded[-1:]], set(), {}
    assert not definition.attributes, f"no sample for operator {kind}: add one here"
    integers = set(range(INTEGERS.get(kind, 0)))
    if definition.inputs == 2 and "backward" not in kind and rng.random() < 0.5:
        return [folded, folded[-1:]], integers, {}
    return [folded] * definition.inputs, integers, {}


def count_elements(sample: Sample) -> int:
    """Elements of the output."""
    return prod(sample.instructions[-1].shape)


def is_same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same bits."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    wide = torch.int64 if a.dtype is torch.int64 else torch.int32
    return bool(torch.equal(a.contiguous().view(wide), b.contiguous().view(wide)))
