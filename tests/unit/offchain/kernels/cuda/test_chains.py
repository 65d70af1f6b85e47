"""Chains of maps in Triton give the bits of the instructions one by one."""

from math import prod

import numpy as np
import pytest
import torch

from offchain.kernels.chains import SUPPORTED, Chain, Step
from offchain.kernels.cuda.chains import TritonChain
from offchain.kernels.instructions import execute
from offchain.kernels.maps import canonicalize
from offchain.kernels.memory import Outside
from protocol.instructions import Instruction, Opcode, Operand, Source
from protocol.types import Dtype
from protocol.views import View, contiguous
from tests.unit.offchain.kernels.cuda.device import DEVICE
from tests.unit.offchain.kernels.samples import is_same, make_floats

CPU, NOTHING = torch.device("cpu"), Outside((), ())
COUNT = 900


def make_source(dtype: Dtype, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    if dtype is Dtype.I32:
        return torch.from_numpy(rng.integers(-(2**31), 2**31, COUNT).astype(np.int32))
    third = COUNT // 3
    parts = [make_floats(rng, third, kind) for kind in ("plain", "awkward", "wild")]
    x = np.concatenate(parts)
    rng.shuffle(x)
    return torch.from_numpy(x)


def run_both(instruction: Instruction, sources: list[torch.Tensor]) -> None:
    steps = (Step(instruction.opcode, tuple(~i for i in range(len(instruction.operands)))),)
    chain = Chain(steps, instruction.operands, instruction.shape, instruction.dtype)
    result = TritonChain(chain)([source.to(DEVICE) for source in sources]).cpu()
    expected = execute(instruction, tuple(sources), NOTHING, CPU)
    if result.dtype is torch.float32:
        result = canonicalize(result)
    assert is_same(result, expected)


@pytest.mark.parametrize("opcode", sorted(SUPPORTED), ids=lambda opcode: opcode.name)
def test_chain__every_map_on_edge_values__equals_the_instruction(opcode: Opcode) -> None:
    for dtypes, result in get_types(opcode):
        sources = [make_source(dtype, seed) for seed, dtype in enumerate(dtypes)]
        if opcode is Opcode.SELECT:
            sources[0] = sources[0] % 2
        operands = tuple(
            Operand(Source.INPUT, i, dtype, COUNT, contiguous((COUNT,)))
            for i, dtype in enumerate(dtypes)
        )
        run_both(Instruction(opcode, result, (COUNT,), operands), sources)


def get_types(opcode: Opcode) -> list[tuple[tuple[Dtype, ...], Dtype]]:
    """(operands, result) of an instruction."""
    real, whole = Dtype.F32, Dtype.I32
    if opcode is Opcode.SELECT:
        return [((whole, real, real), real), ((whole, whole, whole), whole)]
    if opcode is Opcode.COPY:
        return [((real,), real), ((whole,), whole)]
    if opcode in (Opcode.I2F, Opcode.F2I):
        return [((whole,), real)] if opcode is Opcode.I2F else [((real,), whole)]
    if opcode is Opcode.NOT:
        return [((whole,), whole)]
    if opcode.name.startswith("I") or opcode in (Opcode.AND, Opcode.OR):
        return [((whole, whole), whole)]
    if opcode in (Opcode.LT, Opcode.LE, Opcode.EQ):
        return [((real, real), whole)]
    if opcode in (Opcode.ADD, Opcode.SUB, Opcode.MUL, Opcode.DIV, Opcode.MAX, Opcode.MIN):
        return [((real, real), real)]
    return [((real,), real)]


def test_chain__broadcast_and_backwards__equals_the_instruction() -> None:
    shape = (3, 4, 5)
    views = (
        View(shape, (0, -5, 1), 15),
        View(shape, (1, 0, -3), 12),
    )
    sources = [make_source(Dtype.F32, 1)[:20], make_source(Dtype.F32, 2)[:15]]
    operands = tuple(
        Operand(Source.INPUT, i, Dtype.F32, len(s), v)
        for i, (s, v) in enumerate(zip(sources, views))
    )
    run_both(Instruction(Opcode.SUB, Dtype.F32, shape, operands), sources)


def test_chain__several_steps__keeps_every_rounding() -> None:
    """x * y + x rounds twice: contracted it would round once."""
    x, y = (torch.randn(COUNT, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    leaves = tuple(Operand(Source.INPUT, i, Dtype.F32, COUNT, contiguous((COUNT,))) for i in (0, 1))
    steps = (Step(Opcode.MUL, (~0, ~1)), Step(Opcode.ADD, (0, ~0)), Step(Opcode.EXP, (1,)))
    result = TritonChain(Chain(steps, leaves, (COUNT,), Dtype.F32))(
        [x.to(DEVICE), y.to(DEVICE)]
    ).cpu()
    assert is_same(result, (x * y + x).double().exp().float())
    contracted = (x.double() * y.double() + x.double()).float()
    assert not torch.equal(contracted, x * y + x), "the example does not tell them apart"


def test_chain__no_elements__is_empty() -> None:
    shape = (0, 4)
    leaf = Operand(Source.INPUT, 0, Dtype.F32, 0, contiguous(shape))
    chain = Chain((Step(Opcode.NEG, (~0,)),), (leaf,), shape, Dtype.F32)
    assert (
        TritonChain(chain)([torch.empty(shape, device=DEVICE)]).shape == shape and prod(shape) == 0
    )
