"""Operators over rows as one Triton kernel give the bits of their microcode, in every mode."""

import zlib

import numpy as np
import pytest
import torch

from offchain.kernels.chains import cut_rows
from offchain.kernels.cuda import row_kernels
from offchain.kernels.cuda.row_kernels import Mode, RowKernel, choose_mode
from offchain.kernels.cuda.rows import find_rows
from offchain.kernels.instructions import execute_microcode
from offchain.kernels.maps import canonicalize
from offchain.kernels.memory import Outside
from protocol.instructions import Instruction, Opcode, Operand, Source
from protocol.operators.microcode import Microcode, Value
from protocol.types import Dtype
from protocol.views import View, contiguous
from tests.unit.offchain.kernels.cuda.device import DEVICE
from tests.unit.offchain.kernels.samples import count_elements, is_same, make_floats, make_sample

CPU, NOTHING = torch.device("cpu"), Outside((), ())
ELEMENTS_MAX = 60
KINDS = (
    "sum",
    "mean",
    "amax",
    "rstd",
    "softmax",
    "safe_softmax",
    "log_softmax",
    "softmax_backward",
    "log_softmax_backward",
    "layer_norm_backward",
)


def check(code: tuple[Instruction, ...], inputs: tuple[torch.Tensor, ...], mode: Mode) -> bool:
    """Whether the operator was one over rows; then its bits are right."""
    program = find_rows(code)
    if program is None:
        return False
    result = RowKernel(program, mode)([x.to(DEVICE) for x in inputs]).cpu()
    expected = execute_microcode(code, inputs, NOTHING, CPU)[-1]
    if result.dtype is torch.float32:
        result = canonicalize(result)
    assert is_same(result, expected), (mode, program)
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_row_kernel__random_shapes_and_strides__equals_microcode(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks smaller than the rows, so that loops and programs that share a row are met.
    monkeypatch.setattr(row_kernels, "BLOCK", 4)
    monkeypatch.setattr(row_kernels, "ACROSS", 2)
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    met = dict.fromkeys(Mode, 0)
    for values in ["plain", "awkward", "wild"] * 4:
        sample = make_sample(kind, rng, values)
        if count_elements(sample) > ELEMENTS_MAX:  # the interpreter is slow
            continue
        for mode in Mode:
            met[mode] += check(sample.instructions, sample.inputs, mode)
    assert min(met.values()) >= 3


@pytest.mark.parametrize("kind", KINDS)
def test_cut_rows__operator_over_rows__is_the_operator_of_the_first(kind: str) -> None:
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    shorter = 0
    for _ in range(40):
        sample = make_sample(kind, rng, "plain")
        if find_rows(sample.instructions) is None:
            continue
        code = cut_rows(sample.instructions, elements=6)
        part, whole = (
            execute_microcode(c, sample.inputs, NOTHING, CPU)[-1]
            for c in (code, sample.instructions)
        )
        assert is_same(part.reshape(-1), whole.reshape(-1)[: part.numel()])
        shorter += part.numel() < whole.numel()
    assert shorter >= 3


def make_value(index: int, shape: tuple[int, ...], strides: tuple[int, ...], size: int) -> Value:
    return Value(Source.INPUT, index, Dtype.F32, size, View(shape, strides, 0))


@pytest.mark.parametrize("shape", [(3, 5000), (9000, 3), (2, 9000)])
@pytest.mark.parametrize("across", [False, True])
def test_row_kernel__sizes_of_each_mode__equals_microcode(
    shape: tuple[int, int], across: bool
) -> None:
    rows, length = shape
    strides = (1, rows) if across else (length, 1)
    code = Microcode()
    code.total(make_value(0, shape, strides, rows * length))
    x = torch.from_numpy(make_floats(np.random.default_rng(rows), rows * length, "awkward"))
    program = find_rows(tuple(code.instructions))
    assert program is not None
    assert check(tuple(code.instructions), (x,), choose_mode(program))


def test_choose_mode__layouts_and_sizes__are_told_apart() -> None:
    def choose(shape: tuple[int, int], strides: tuple[int, int]) -> Mode:
        code = Microcode()
        code.total(make_value(0, shape, strides, 2**30))
        program = find_rows(tuple(code.instructions))
        assert program is not None
        return choose_mode(program)

    assert choose((8, 768), (768, 1)) is Mode.HELD
    assert choose((8192, 50304), (50304, 1)) is Mode.LOOP
    assert choose((1, 50304), (50304, 1)) is Mode.SHARED
    assert choose((768, 8192), (1, 768)) is Mode.SHARED
    assert choose((768, 8), (1, 768)) is Mode.HELD


def test_find_rows__elements_read_otherwise_than_in_place__is_none() -> None:
    code = Microcode()
    x = code.map(Opcode.NEG, make_value(0, (4, 4), (4, 1), 16))
    code.total(x.permute((1, 0)))
    # The copy that brings unit stride reads the negated values across.
    assert find_rows(tuple(code.instructions)) is None


def test_find_rows__integers_that_leave_the_kernel__is_none() -> None:
    code = Microcode()
    x = make_value(0, (4, 4), (4, 1), 16)
    code.quantized(x, 24)
    assert find_rows(tuple(code.instructions)) is None
    code.total(x)
    assert find_rows(tuple(code.instructions)) is not None
    assert find_rows(tuple(code.instructions[:-1])) is None


def test_find_rows__no_fold__is_none() -> None:
    operand = Operand(Source.INPUT, 0, Dtype.F32, 8, contiguous((8,)))
    assert find_rows((Instruction(Opcode.NEG, Dtype.F32, (8,), (operand,)),)) is None
