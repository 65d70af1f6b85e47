"""Row programs as Triton kernels: rows held in registers, in a loop, or shared by programs.

Sums are of quantised integers in int64, and maxima are of integers that are ordered as the floats
are. So any order gives the same bits, that of atomic operations between programs too.
"""

from collections.abc import Sequence
from enum import Enum
from functools import cache
from math import prod
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from offchain.kernels.chains import Step as ChainStep
from offchain.kernels.chains import emit_step
from offchain.kernels.cuda.digits import get_size, get_unit, quantize  # noqa: F401
from offchain.kernels.cuda.emitter import F32, I32, I64, SourceEmitter, Value
from offchain.kernels.cuda.launch import OPTIONS, compile_source
from offchain.kernels.cuda.rows import FOLDS, Form, RowProgram, Step
from offchain.kernels.reading import TORCH_DTYPES
from protocol.instructions import Opcode
from protocol.types import Dtype

BLOCK = 2**12  # elements that a program holds at a time
HELD_MAX = 2**13  # elements of a row that is held whole
NEAR_MAX = 2**6  # the same where rows lie across memory
ACROSS = 64  # rows and positions of a block across memory
LOOP_ROWS_MIN = 2**9  # with fewer, several programs share a row
WARPS = 8
NAME = "rows"


class Mode(Enum):
    """How a row's elements come by."""

    HELD = "held"  # all at once, and stay
    LOOP = "loop"  # a part at a time, again for each fold
    SHARED = "shared"  # each part by another program, one kernel for each fold


@triton.jit
def get_key(value):
    """Integers in the order of the floats; NaN above all."""
    word = value.to(tl.int32, bitcast=True)
    return tl.where(value != value, 0x7FFFFFFF, word ^ ((word >> 31) & 0x7FFFFFFF))


@triton.jit
def get_value(key):
    """The float of a key."""
    return (key ^ ((key >> 31) & 0x7FFFFFFF)).to(tl.float32, bitcast=True)


# Of a fold: type of what it gathers, its neutral element, and what joins two.
_GATHERED = {
    Opcode.ABSMAX: ("tl.int32", "0", "max"),
    Opcode.MAXIMUM: ("tl.int32", "-2147483648", "max"),
    Opcode.SUM: ("tl.int64", "0", "sum"),
}
HEAD = """import triton.language as tl
from offchain.kernels.cuda.digits import get_size, get_unit, quantize
from offchain.kernels.cuda.row_kernels import get_key, get_value


"""


class _Writer:
    """Source of one kernel."""

    def __init__(self, program: RowProgram, mode: Mode):
        self.program, self.mode = program, mode
        self.e = SourceEmitter()
        self.b = self.e.b
        self.rows: dict[int, Value] = {}  # steps and ~leaves with one value for each row
        self.elements: dict[int, Value] = {}
        self.units: dict[tuple[int, int], tuple[str, ...]] = {}  # of maxima and bits

    def write(self, only: int | None = None) -> str:
        """All passes, or, of a shared row, the one with that number."""
        program = self.program
        levels = max(step.level for step in program.steps)
        self._begin(has_elements=only is None or only < levels or self._has_element_output())
        for level in range(levels + 1):
            if only is not None and level > only:
                break
            self._write_rows(level)
            is_last = level == levels
            if is_last and not self._has_element_output():
                value = self._get(len(program.steps) - 1)
                self.b.line(f"tl.store(out + row[:, None], {value}, mask=is_row)")
                continue
            folds = [n for n in program.folds if program.steps[n].level == level + 1]
            if only is None or only == level:
                self._write_pass([] if is_last else folds)
            else:
                for n in folds:
                    self._set_fold(n, f"tl.load(fold{n} + row, mask=row < rows, other=0)[:, None]")
        return HEAD + f"def {NAME}({self._write_parameters()}):\n" + self._write_body()

    def _has_element_output(self) -> bool:
        return self.program.output.form is Form.ELEMENT

    def _write_parameters(self) -> str:
        count = len(self.program.leaves)
        names = [f"leaf{i}" for i in range(count)]
        if self.mode is Mode.SHARED:
            names += [f"fold{n}" for n in self.program.folds]
        names += ["out", "rows", "length", "length1", "length2"]
        names += [f"{name}{i}" for i in range(count) for name in ("s0_", "s1_", "s2_", "sk_", "at")]
        return ", ".join([*names, "ROWS: tl.constexpr", "WIDTH: tl.constexpr"])

    def _write_body(self) -> str:
        return "".join(f"    {line}\n" for line in self.b.lines)

    def _begin(self, has_elements: bool) -> None:
        line = self.b.line
        line("row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)")
        line("is_row = (row < rows)[:, None]")
        line("i2 = row % length2")
        line("i1 = row // length2 % length1")
        line("i0 = row // length2 // length1")
        for i, leaf in enumerate(self.program.leaves):
            place = f"at{i} + i0 * s0_{i} + i1 * s1_{i} + i2 * s2_{i}"
            line(f"base{i} = leaf{i} + ({place})[:, None]")
            if leaf.is_row:
                kind = F32 if leaf.dtype is Dtype.F32 else I32
                self.rows[~i] = self.b.write(kind, f"tl.load(base{i}, mask=is_row, other=0)")
        if has_elements and self.mode is not Mode.LOOP:
            start = "tl.program_id(1).to(tl.int64) * WIDTH + " if self.mode is Mode.SHARED else ""
            line(f"k = ({start}tl.arange(0, WIDTH))[None, :]")
            line("inside = is_row & (k < length)")

    # Values

    def _get(self, operand: int) -> Value:
        """A step's value, or ~leaf's, computed here if it is not known yet."""
        if operand in self.rows:
            return self.rows[operand]
        if operand not in self.elements:
            if operand < 0:
                leaf = self.program.leaves[~operand]
                kind = F32 if leaf.dtype is Dtype.F32 else I32
                along = "k" if leaf.lies_along else f"k * sk_{~operand}"
                text = f"tl.load(base{~operand} + {along}, mask=inside, other=0)"
                self.elements[operand] = self.b.write(kind, text)
            else:
                self.elements[operand] = self._emit(self.program.steps[operand])
        return self.elements[operand]

    def _emit(self, step: Step) -> Value:
        operands = [self._get(o) for o in step.operands if step.opcode not in FOLDS]
        match step.opcode:
            case Opcode.CONST:
                word = step.attributes[0] - ((step.attributes[0] >> 31 & 1) << 32)
                text = f"tl.full([1, 1], {word}, tl.int32)"
                if step.dtype is Dtype.F32:
                    return self.b.write(F32, f"{text}.to(tl.float32, bitcast=True)")
                return self.b.write(I32, text)
            case Opcode.QUANTIZE:
                bits = step.attributes[0]
                _, first, second, usable = self.units[step.operands[1], bits]
                powers = f"{first}, {second}, {usable}"
                return self.b.write(I32, f"quantize({operands[0]}, {powers}, {bits})")
            case Opcode.DEQUANTIZE:
                unit, *_ = self.units[step.operands[1], step.attributes[0]]
                total = f"{operands[0]}.to(tl.float64) * {unit}"
                return self.b.write(F32, f"({total}).to(tl.float32)")
        return emit_step(self.e, ChainStep(step.opcode, ()), operands)  # type: ignore[arg-type]

    def _write_rows(self, level: int) -> None:
        """Everything with one value for each row that is known by now."""
        for n, step in enumerate(self.program.steps):
            known = step.form is not Form.ELEMENT and step.level <= level
            if known and n not in self.rows and step.opcode not in FOLDS:
                self.rows[n] = self._emit(step)

    def _set_fold(self, n: int, text: str) -> None:
        """The finished value of a fold."""
        step = self.program.steps[n]
        if step.opcode is Opcode.MAXIMUM:
            self.rows[n] = self.b.write(F32, f"get_value({text})")
            return
        self.rows[n] = self.b.write(I64 if step.opcode is Opcode.SUM else I32, text)
        if step.opcode is Opcode.ABSMAX:
            for user in self.program.steps:
                if user.opcode in (Opcode.QUANTIZE, Opcode.DEQUANTIZE) and user.operands[1] == n:
                    bits = user.attributes[0]
                    if (n, bits) not in self.units:
                        words = ("unit", "first", "second", "usable")
                        names = tuple(f"{word}{n}_{bits}" for word in words)
                        self.b.line(f"{', '.join(names)} = get_unit({self.rows[n]}, {bits})")
                        self.units[n, bits] = names

    # Passes

    def _write_pass(self, folds: Sequence[int]) -> None:
        """Gather these folds; none: store the output."""
        line, is_loop = self.b.line, self.mode is Mode.LOOP
        if self.mode is not Mode.HELD:
            self.elements = {}
        if is_loop:
            for n in folds:
                kind, neutral, _ = _GATHERED[self.program.steps[n].opcode]
                line(f"part{n} = tl.full([ROWS, WIDTH], {neutral}, {kind})")
            line("for start in range(0, length, WIDTH):")
            self.b.indent = "    "
            line("k = (start + tl.arange(0, WIDTH))[None, :]")
            line("inside = is_row & (k < length)")
        for n in folds:
            self._gather(n)
        if not folds:
            value = self._get(len(self.program.steps) - 1)
            line(f"tl.store(out + row[:, None] * length + k, {value}, mask=inside)")
        self.b.indent = ""
        for n in folds:
            join = _GATHERED[self.program.steps[n].opcode][2]
            reduced = f"tl.{join}(part{n}, axis=1)"
            if self.mode is Mode.SHARED:
                atomic = "max" if join == "max" else "add"
                line(f"tl.atomic_{atomic}(fold{n} + row, {reduced}, mask=row < rows)")
            else:
                self._set_fold(n, f"{reduced}[:, None]")

    def _gather(self, n: int) -> None:
        step = self.program.steps[n]
        value = self._get(step.operands[0])
        kind, neutral, join = _GATHERED[step.opcode]
        word = {Opcode.ABSMAX: f"get_size({value})", Opcode.MAXIMUM: f"get_key({value})"}
        text = f"tl.where(inside, {word.get(step.opcode, value)}, {neutral}).to({kind})"
        if self.mode is not Mode.LOOP:
            self.b.line(f"part{n} = {text}")
        elif join == "max":
            self.b.line(f"part{n} = tl.maximum(part{n}, {text})")
        else:
            self.b.line(f"part{n} = part{n} + {text}")


def choose_mode(program: RowProgram) -> Mode:
    """By the layout and the size of rows."""
    rows, length = prod(program.shape[:-1]), program.shape[-1]
    if length <= (HELD_MAX if program.lies_along else NEAR_MAX):
        return Mode.HELD
    return Mode.LOOP if program.lies_along and rows >= LOOP_ROWS_MIN else Mode.SHARED


@cache
def _compile(source: str) -> Any:
    return compile_source(NAME, source)


class RowKernel:
    """A row program made ready; called with the operator's inputs."""

    def __init__(self, program: RowProgram, mode: Mode | None = None):
        self.program = program
        self.mode = choose_mode(program) if mode is None else mode
        collapsed = program.collapse()
        assert collapsed is not None
        lengths, strides = collapsed
        self.count, self.length = prod(program.shape[:-1]), program.shape[-1]
        self.numbers = [self.count, self.length, *lengths[1:]]
        for leaf, own in zip(program.leaves, strides):
            self.numbers += [*own, leaf.view.strides[-1], leaf.view.offset]
        is_element = program.output.form is Form.ELEMENT
        self.shape = program.shape if is_element else program.shape[:-1]
        self.levels = max(step.level for step in program.steps)
        parts = range(self.levels + 1) if self.mode is Mode.SHARED else (None,)
        self.kernels = [_compile(_Writer(program, self.mode).write(part)) for part in parts]

    def __call__(self, inputs: Sequence[Tensor]) -> Tensor:
        """The operator's output, shaped; inputs are whole contiguous tensors."""
        program, device = self.program, inputs[0].device
        out = torch.empty(self.shape, dtype=TORCH_DTYPES[program.output.dtype], device=device)
        if self.count == 0:
            return out
        leaves = [inputs[leaf.index] for leaf in program.leaves]
        if self.mode is Mode.SHARED:
            self._run_shared(leaves, out)
            return out
        width = triton.next_power_of_2(self.length) if self.mode is Mode.HELD else BLOCK
        height = max(1, BLOCK // width)
        self.kernels[0][(triton.cdiv(self.count, height),)](
            *leaves, out, *self.numbers, ROWS=height, WIDTH=width, num_warps=WARPS, **OPTIONS
        )
        return out

    def _run_shared(self, leaves: Sequence[Tensor], out: Tensor) -> None:
        program, count = self.program, self.count
        folds = []
        for n in program.folds:
            kind, neutral, _ = _GATHERED[program.steps[n].opcode]
            dtype = torch.int64 if kind == "tl.int64" else torch.int32
            folds.append(torch.full((count,), int(neutral), dtype=dtype, device=out.device))
        height, width = (1, BLOCK) if program.lies_along else (ACROSS, ACROSS)
        grid = (triton.cdiv(count, height), triton.cdiv(self.length, width))
        for level, kernel in enumerate(self.kernels):
            if level == self.levels and program.output.form is Form.ROW:
                height, width = min(BLOCK, triton.next_power_of_2(count)), 1
                grid = (triton.cdiv(count, height), 1)
            kernel[grid](
                *leaves, *folds, out, *self.numbers,
                ROWS=height, WIDTH=width, num_warps=WARPS, **OPTIONS,
            )  # fmt: skip
