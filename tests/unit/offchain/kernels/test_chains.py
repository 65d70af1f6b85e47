"""A chain of maps compiled as one loop equals its instructions one by one, bit for bit."""

from math import prod

import numpy as np
import pytest
import torch
from torch import Tensor

from offchain.kernels import chains, llvm, operators
from offchain.kernels.instructions import execute_microcode
from offchain.kernels.maps import canonicalize
from offchain.kernels.memory import Outside
from offchain.kernels.settings import numeric_settings
from protocol.instructions import LEGALITY, Instruction, Opcode, Operand, Source
from protocol.types import Dtype
from protocol.views import View, contiguous
from tests.unit.offchain.kernels.operands import EDGES_F32, EDGES_I32
from tests.unit.offchain.kernels.samples import is_same

pytestmark = pytest.mark.skipif(llvm.LLVM is None, reason="LLVM is not installed")
CPU = torch.device("cpu")
OUTSIDE = Outside((), ())
SHAPES = [(1,), (67,), (1, 9), (8, 1), (5, 17), (3, 1, 4), (3, 5, 7), (2, 3, 2, 5)]


@pytest.fixture(autouse=True)
def small_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "ELEMENTS_MIN", 0)
    monkeypatch.setattr(chains, "SLICE_ELEMENTS", 8)


def make_tensor(rng: np.random.Generator, dtype: Dtype, size: int) -> Tensor:
    if dtype is Dtype.I32:
        return torch.from_numpy(rng.choice(np.array(EDGES_I32, dtype=np.int32), size))
    edges = np.array(EDGES_F32, dtype=np.uint32).view(np.float32)
    plain = rng.standard_normal(size).astype(np.float32)
    return torch.from_numpy(np.where(rng.random(size) < 0.4, rng.choice(edges, size), plain))


def make_view(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[View, int]:
    """An index map and the size of its source."""
    kind = rng.choice(["dense", "scalar", "row", "column", "odd"])
    if kind == "dense":
        return contiguous(shape), prod(shape)
    dense = contiguous(shape).strides
    if kind == "scalar":
        strides = tuple(0 for _ in shape)
    elif kind == "row":
        strides = tuple(1 if axis == len(shape) - 1 else 0 for axis in range(len(shape)))
    elif kind == "column":
        strides = (*dense[:-1], 0)
    else:
        strides = tuple(int(rng.choice([0, 1, 2, -1])) for _ in shape)
    low = sum(s * (n - 1) for s, n in zip(strides, shape) if s < 0)
    high = sum(s * (n - 1) for s, n in zip(strides, shape) if s > 0)
    offset = int(rng.integers(0, 3)) - low
    return View(shape, strides, offset), offset + high + 1


def make_chain(
    rng: np.random.Generator, opcode: Opcode
) -> tuple[tuple[Instruction, ...], tuple[Tensor, ...]]:
    """Random maps that end in one that reads them; every other may be of any kind."""
    shape = SHAPES[rng.integers(len(SHAPES))]
    instructions: list[Instruction] = []
    inputs: list[Tensor] = []
    unused: list[int] = []
    for number in range(int(rng.integers(2, 7))):
        kind = opcode if number == 0 else Opcode(rng.choice(sorted(chains.SUPPORTED)))
        types, dtype = LEGALITY[kind].types[rng.integers(len(LEGALITY[kind].types))]
        operands = []
        for wanted in types:
            own = [k for k in unused if instructions[k].dtype is wanted]
            own += [k for k in range(number) if instructions[k].dtype is wanted][:1]
            if own and rng.random() < 0.8:
                k = own[0]
                view = contiguous(shape)
                operands.append(Operand(Source.INSTRUCTION, k, wanted, prod(shape), view))
                unused = [u for u in unused if u != k]
            else:
                view, size = make_view(rng, shape)
                inputs.append(make_tensor(rng, wanted, size))
                operands.append(Operand(Source.INPUT, len(inputs) - 1, wanted, size, view))
        instructions.append(Instruction(kind, dtype, shape, tuple(operands)))
        unused.append(number)
    return tuple(instructions), tuple(inputs)


@pytest.mark.parametrize("opcode", sorted(chains.SUPPORTED), ids=lambda opcode: opcode.name)
def test_compile_operator__chain_of_maps__equals_microcode(
    opcode: Opcode, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed: list[bool] = []
    original = chains.CompiledChain.agrees

    def record(self: chains.CompiledChain, sources: list[Tensor], expected: Tensor) -> bool:
        agreed.append(original(self, sources, expected))
        return agreed[-1]

    monkeypatch.setattr(chains.CompiledChain, "agrees", record)
    rng = np.random.default_rng(int(opcode))
    for number in range(14):
        instructions, inputs = make_chain(rng, opcode)
        kernel = operators.compile_operator(instructions, CPU)
        with numeric_settings(threads=1 + number % 2):
            expected = execute_microcode(instructions, inputs, OUTSIDE, CPU)[-1]
            for _ in range(2):  # the first call is the check
                result = kernel(inputs, OUTSIDE)
                result = canonicalize(result) if result.dtype is torch.float32 else result
                assert is_same(result, expected), instructions
    assert len(agreed) >= 5 and all(agreed)


def make_affine(size: int) -> tuple[Instruction, ...]:
    """x * y + y."""
    view = contiguous((size,))
    x, y = (Operand(Source.INPUT, index, Dtype.F32, size, view) for index in range(2))
    product = Operand(Source.INSTRUCTION, 0, Dtype.F32, size, view)
    return (
        Instruction(Opcode.MUL, Dtype.F32, (size,), (x, y)),
        Instruction(Opcode.ADD, Dtype.F32, (size,), (product, y)),
    )


def test_compile_operator__product_and_sum__are_rounded_twice() -> None:
    size = 5000
    x, y = torch.randn(2, size, generator=torch.Generator().manual_seed(0)).unbind()
    kernel = operators.compile_operator(make_affine(size), CPU)
    kernel((x, y), OUTSIDE)
    result = kernel((x, y), OUTSIDE)
    assert is_same(result, x * y + y)
    once = (x.double() * y.double() + y.double()).float()
    assert not is_same(result, once)  # the case does tell contraction


@pytest.mark.parametrize("fault", ["wrong", "raises"])
def test_compile_operator__loop_that_fails_its_check__is_not_used(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def broken(self: chains.CompiledChain, sources: list[Tensor]) -> Tensor:
        calls.append(fault)
        if fault == "raises":
            raise RuntimeError("does not compile")
        return torch.zeros(self.chain.shape)

    monkeypatch.setattr(chains.CompiledChain, "__call__", broken)
    x, y = torch.randn(2, 64).unbind()
    kernel = operators.compile_operator(make_affine(64), CPU)
    for _ in range(3):
        assert is_same(kernel((x, y), OUTSIDE), x * y + y)
    assert len(calls) == 1


def test_find_chain__value_that_others_read__stays_in_memory() -> None:
    first, second = make_affine(64)
    other = Instruction(Opcode.NEG, Dtype.F32, (64,), second.operands[:1])
    for code, users, expected in (
        ((first, second), [{1}, set()], [0, 1]),
        ((first, second, other), [{1, 2}, set(), set()], [1]),
    ):
        found = chains.find_chain(code, 1, users)
        assert found is not None and found[1] == expected
