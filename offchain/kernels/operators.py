"""Whole operators: an operator's microcode compiled once into few torch calls.

`compile_operator` looks for the runs of instructions that `fused` computes as one (ABSMAX,
QUANTIZE, a fold, DEQUANTIZE), reads through copies that only bring unit stride, makes one loop of
maps that feed each other (`chains`), and executes what is left instruction by instruction. So every
operator whose microcode is written with `Microcode.total`, `dot` or `match_total` has a fast kernel
without asking for one, and none can mean anything else than its microcode.

Kernels leave NaN bits as the device made them (see `maps`): whoever commits a tensor makes them
canonical.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from offchain.kernels import fused
from offchain.kernels.backends import can_compile, compile_chain, compile_kernel
from offchain.kernels.chains import Chain, cut, cut_rows, find_chain, is_same
from offchain.kernels.fast_unary import WIDE, get_function
from offchain.kernels.folds import execute_fold
from offchain.kernels.instructions import execute, execute_microcode, get_sources
from offchain.kernels.maps import FUNCTIONS, dequantize, quantize
from offchain.kernels.memory import Outside, execute_memory
from offchain.kernels.reading import read
from protocol.instructions import Instruction, Kind, Opcode, Operand, Source
from protocol.views import View, compute_contiguous_strides, contiguous

CHECKED_ELEMENTS = 2**16  # of a compiled loop's first result

Values = list[Tensor | None]  # outputs of the operator's instructions; None: not needed
Inputs = tuple[Tensor, ...]
Stage = Callable[[Values, Inputs, Outside], Tensor]
Reader = Callable[[Values, Inputs], Tensor]
Kernel = Callable[[Inputs, Outside], Tensor]


@dataclass(frozen=True)
class Quantized:
    """A vector-wise quantised operand: what is read (fold axis last), and with how many bits."""

    operand: Operand
    bits: int
    quantize: int  # instruction numbers
    largest: int


@dataclass(frozen=True)
class CompiledOperator:
    """A function of the inputs and the outside that returns the operator's output."""

    stages: list[tuple[int, Stage, tuple[int, ...]]]
    over: dict[int, Stage]  # the last stage, by the input whose memory the output takes

    def __call__(self, inputs: Inputs, outside: Outside, over: int | None = None) -> Tensor:
        """With `over`, one of `self.over`, that input is lost."""
        *before, (last, final, _) = self.stages
        values: Values = [None] * (last + 1)
        for number, stage, dead in before:
            values[number] = stage(values, inputs, outside).contiguous()
            for index in dead:
                values[index] = None
        if over is not None:
            final = self.over[over]
        return final(values, inputs, outside).contiguous()


class WholeOperator:
    """An operator that is one kernel; where its first rows are wrong, in stages after all."""

    def __init__(
        self,
        kernel: Callable[[Inputs], Tensor],
        instructions: tuple[Instruction, ...],
        device: torch.device,
    ):
        self.kernel, self.instructions, self.device = kernel, instructions, device
        self.is_checked = False
        self.stages: CompiledOperator | None = None

    def __call__(self, inputs: Inputs, outside: Outside) -> Tensor:
        if not self.is_checked:
            self.is_checked = True
            if not self._is_right(inputs):
                self.stages = _compile_stages(self.instructions, self.device)
        return self.kernel(inputs) if self.stages is None else self.stages(inputs, outside)

    def _is_right(self, inputs: Inputs) -> bool:
        first = cut_rows(self.instructions, CHECKED_ELEMENTS)
        expected = execute_microcode(first, inputs, Outside((), ()), self.device)[-1]
        try:
            result = self.kernel(inputs).view(-1)[: expected.numel()].view(expected.shape)
        except Exception:  # whatever a compiler or a driver raises
            return False
        return is_same(result, expected)


def compile_operator(
    instructions: tuple[Instruction, ...], device: torch.device
) -> CompiledOperator | WholeOperator:
    """The operator with that microcode, made ready for a device."""
    kernel = compile_kernel(instructions, device)
    if kernel is not None:
        return WholeOperator(kernel, instructions, device)
    return _compile_stages(instructions, device)


def _compile_stages(
    instructions: tuple[Instruction, ...], device: torch.device
) -> CompiledOperator:
    compiler = _Compiler(instructions, device)
    return CompiledOperator(compiler.compile(), compiler.over)


class _Compiler:
    """Turns one operator's instructions into stages, from the last one backwards."""

    def __init__(self, instructions: tuple[Instruction, ...], device: torch.device):
        self.instructions = instructions
        self.device = device
        self.stages: dict[int, Stage] = {}
        self.reads: dict[int, set[int]] = {}
        self.over: dict[int, Stage] = {}
        self.users: list[set[int]] = [set() for _ in instructions]
        for number, instruction in enumerate(instructions):
            for operand in instruction.operands:
                if operand.source is Source.INSTRUCTION:
                    self.users[operand.index].add(number)

    def compile(self) -> list[tuple[int, Stage, tuple[int, ...]]]:
        """(instruction number, stage, instructions that are dead after it), in order."""
        wanted = [len(self.instructions) - 1]
        while wanted:
            number = wanted.pop()
            if number not in self.stages:
                self.stages[number], operands = self._compile(number)
                own = {o.index for o in operands if o.source is Source.INSTRUCTION}
                self.reads[number] = own
                wanted += own
        last_use: dict[int, int] = {}
        for number in sorted(self.stages):
            last_use.update(dict.fromkeys(self.reads[number], number))
        dead: dict[int, list[int]] = {number: [] for number in self.stages}
        for read_number, user in last_use.items():
            dead[user].append(read_number)
        return [(n, self.stages[n], tuple(dead[n])) for n in sorted(self.stages)]

    def _compile(self, number: int) -> tuple[Stage, tuple[Operand, ...]]:
        instruction = self.instructions[number]
        if instruction.opcode is Opcode.DEQUANTIZE:
            match_ = self._match_fused(instruction)
            if match_ is not None:
                return match_
        if instruction.kind is Kind.MAP and can_compile(self.device):
            found = find_chain(self.instructions, number, self.users)
            if found is not None:
                stage, over = self._compile_chain(*found)
                if number == len(self.instructions) - 1:
                    self.over = over
                return stage, found[0].leaves
        if instruction.kind is Kind.MAP:
            return self._compile_map(number), instruction.operands
        return self._compile_other(instruction), instruction.operands

    # Patterns

    def _own(self, operand: Operand, opcode: Opcode) -> Instruction | None:
        """The instruction that an operand reads, if it is of that opcode."""
        if operand.source is not Source.INSTRUCTION:
            return None
        instruction = self.instructions[operand.index]
        return instruction if instruction.opcode is opcode else None

    def _match_quantized(self, operand: Operand) -> Quantized | None:
        """An operand that reads QUANTIZE(x, ABSMAX(x)), one maximum per vector."""
        instruction = self._own(operand, Opcode.QUANTIZE)
        if instruction is None or not instruction.shape:
            return None
        x, m = instruction.operands
        largest = self._own(m, Opcode.ABSMAX)
        if largest is None or largest.shape != instruction.shape[:-1]:
            return None
        length = instruction.shape[-1]
        over = largest.operands[0]
        outer = (*compute_contiguous_strides(largest.shape), 0)
        same = (
            largest.fold == length
            and (over.source, over.index) == (x.source, x.index)
            and over.view.offset == x.view.offset
            and _is_equal(over.view.strides, x.view.strides[:-1], largest.shape)
            and _is_equal((1,), x.view.strides[-1:], (length,))
            and m.view.offset == 0
            and _is_equal(m.view.strides, outer, instruction.shape)
        )
        if not same:
            return None
        return Quantized(self._look_through(x), instruction.attributes[0], operand.index, m.index)

    def _look_through(self, operand: Operand) -> Operand:
        """What a copy was made of, where the operand reads the copy as it lies."""
        copied = self._own(operand, Opcode.COPY)
        if copied is None or operand.view != contiguous(copied.shape):
            return operand
        return copied.operands[0]

    def _match_fused(self, instruction: Instruction) -> tuple[Stage, tuple[Operand, ...]] | None:
        accumulator, *maxima = instruction.operands
        if accumulator.source is not Source.INSTRUCTION:
            return None
        fold = self.instructions[accumulator.index]
        if fold.kind is not Kind.FOLD or fold.shape != instruction.shape:
            return None
        if accumulator.view != contiguous(fold.shape):
            return None
        folded = fold.operands[1:2] if fold.opcode is Opcode.MATCH_SUM else fold.operands
        quantized = [self._match_quantized(operand) for operand in folded]
        if len(quantized) != len(maxima):
            return None
        found: list[Quantized] = []
        for item, operand, m in zip(quantized, folded, maxima):
            if item is None or item.largest != m.index or m.source is not Source.INSTRUCTION:
                return None
            if not _is_vectorwise(operand.view, m.view, fold.fold):
                return None
            found.append(item)
        bits = tuple(item.bits for item in found)
        if instruction.attributes != (bits if len(bits) == 2 else (*bits, 0)):
            return None
        if not fused.is_exact(sum(bits) - len(bits), fold.fold):
            return None
        return self._build_fused(fold, found)

    def _build_fused(
        self, fold: Instruction, found: list[Quantized]
    ) -> tuple[Stage, tuple[Operand, ...]] | None:
        first = found[0]
        shape = self.instructions[first.quantize].shape
        match fold.opcode:
            case Opcode.SUM if shape[:-1] == fold.shape:
                if not _is_equal(fold.operands[0].view.strides, _vector_strides(shape), fold.shape):
                    return None
                x, bits = self._read(first.operand), first.bits
                return lambda v, i, o: fused.exact_sum(x(v, i), bits), (first.operand,)
            case Opcode.DOT:
                return self._build_matmul(fold, found)
            case Opcode.MATCH_SUM:
                return self._build_index_add(fold, first)
        return None

    def _build_matmul(
        self, fold: Instruction, found: list[Quantized]
    ) -> tuple[Stage, tuple[Operand, ...]] | None:
        axes = (-1, -2)  # where each operand has no axis of its own
        for item, operand, axis in zip(found, fold.operands, axes):
            shape = self.instructions[item.quantize].shape
            if len(shape) < 2:
                return None
            strides = list(_vector_strides(shape))
            strides.insert(len(strides) if axis == -1 else len(strides) - 1, 0)
            lengths = list(shape[:-1])
            lengths.insert(len(lengths) if axis == -1 else len(lengths) - 1, 1)
            try:
                want = View(tuple(lengths), tuple(strides)).expand(fold.shape)
            except ValueError:
                return None
            if operand.view.offset or not _is_equal(operand.view.strides, want.strides, fold.shape):
                return None
        (a, b), (bits_a, bits_b) = (
            [self._read(item.operand) for item in found],
            [item.bits for item in found],
        )
        operands = tuple(item.operand for item in found)
        return (
            lambda v, i, o: fused.exact_matmul(a(v, i), b(v, i), bits_a, bits_b),
            operands,
        )

    def _build_index_add(
        self, fold: Instruction, item: Quantized
    ) -> tuple[Stage, tuple[Operand, ...]] | None:
        index, value, wanted = fold.operands
        shape = self.instructions[item.quantize].shape
        is_rows = (
            len(fold.shape) == len(shape) == 2
            and self._own(wanted, Opcode.IOTA) is not None
            and self.instructions[wanted.index].shape == fold.shape[:1]
            and not any(index.view.strides)
            and value.view.offset == wanted.view.offset == 0
            and _is_equal(value.view.strides, (0, shape[-1]), fold.shape)
            and _is_equal(wanted.view.strides, (1, 0), fold.shape)
        )
        if not is_rows:
            return self._build_scatter_add(fold, item)
        along = replace(index, view=View((fold.fold,), (1,), index.view.offset))
        along = self._look_through(along)
        where, x = self._read(along), self._read(item.operand)
        rows, bits = fold.shape[0], item.bits
        return (
            lambda v, i, o: fused.exact_index_add(where(v, i), x(v, i), rows, bits),
            (along, item.operand),
        )

    def _build_scatter_add(
        self, fold: Instruction, item: Quantized
    ) -> tuple[Stage, tuple[Operand, ...]] | None:
        index, value, wanted = fold.operands
        shape = self.instructions[item.quantize].shape
        lead, rows = fold.shape[:-1], fold.shape[-1]
        is_lines = (
            shape == (*lead, fold.fold)
            and self._own(wanted, Opcode.IOTA) is not None
            and self.instructions[wanted.index].shape == (rows,)
            and value.view.offset == wanted.view.offset == 0
            and _is_equal(value.view.strides, (*_vector_strides(shape), 0), fold.shape)
            and _is_equal(wanted.view.strides, (*(0 for _ in lead), 1), fold.shape)
            and _is_equal(index.view.strides[-1:], (0,), (rows,))
        )
        if not is_lines:
            return None
        along = View((*lead, fold.fold), (*index.view.strides[:-1], 1), index.view.offset)
        index = self._look_through(replace(index, view=along))
        where, x, bits = self._read(index), self._read(item.operand), item.bits
        return (
            lambda v, i, o: fused.exact_scatter_add(where(v, i), x(v, i), rows, bits),
            (index, item.operand),
        )

    # Single instructions

    def _read(self, operand: Operand) -> Reader:
        """How the operand's elements are got: resolved here, once."""
        index, view = operand.index, operand.view
        inside = operand.source is Source.INSTRUCTION
        if inside and view == contiguous(self.instructions[index].shape):
            return lambda values, inputs: values[index]
        if inside:
            return lambda values, inputs: read(values[index], view)
        return lambda values, inputs: read(inputs[index], view)

    def _compile_map(self, number: int) -> Stage:
        instruction = self.instructions[number]
        readers = [self._read(operand) for operand in instruction.operands]
        opcode, attributes = instruction.opcode, instruction.attributes
        if opcode is Opcode.QUANTIZE:
            x, m = readers
            bits = attributes[0]
            return lambda v, i, o: quantize(x(v, i), m(v, i), bits)
        if opcode is Opcode.DEQUANTIZE:
            bits_a, bits_b = attributes
            acc, m_a, *rest = readers
            return lambda v, i, o: dequantize(
                acc(v, i), m_a(v, i), rest[0](v, i) if rest else None, bits_a, bits_b
            )
        function = FUNCTIONS[opcode]
        if opcode in WIDE:
            function = get_function(opcode, self.device)
        match readers:
            case [x]:
                return lambda v, i, o: function(x(v, i))
            case [x, y]:
                return lambda v, i, o: function(x(v, i), y(v, i))
        c, x, y = readers
        return lambda v, i, o: function(c(v, i), x(v, i), y(v, i))

    def _compile_chain(self, chain: Chain, members: list[int]) -> tuple[Stage, dict[int, Stage]]:
        """One loop, checked against the instructions one by one where it runs first.

        Also the same loop with its output in the place of an input.
        """
        compiled = compile_chain(chain, self.device)
        single = [(member, self._compile_map(member)) for member in members]
        is_right = None if compiled.is_usable else False

        def by_instruction(values: Values, inputs: Inputs, outside: Outside) -> Tensor:
            own = values.copy()
            for member, stage in single:
                own[member] = stage(own, inputs, outside).contiguous()
            result = own[members[-1]]
            assert result is not None
            return result

        def run(over: int | None, values: Values, inputs: Inputs, outside: Outside) -> Tensor:
            nonlocal is_right
            if is_right is False:
                return by_instruction(values, inputs, outside)
            sources = [
                (values if leaf.source is Source.INSTRUCTION else inputs)[leaf.index]
                for leaf in chain.leaves
            ]
            if is_right is None:
                is_right = compiled.agrees(sources, self._execute_first(members, values, inputs))
                return run(over, values, inputs, outside)
            return compiled(sources, over)

        overwritable = compiled.find_overwritable()
        return partial(run, None), {
            index: partial(run, leaf) for index, leaf in overwritable.items()
        }

    def _execute_first(self, members: list[int], values: Values, inputs: Inputs) -> Tensor:
        """The first elements of a chain, by its instructions."""
        own: dict[int, Tensor] = {}
        nothing = Outside((), ())
        for member in members:
            instruction = cut(self.instructions[member], CHECKED_ELEMENTS)
            sources = tuple(
                inputs[o.index] if o.source is Source.INPUT else own.get(o.index, values[o.index])
                for o in instruction.operands
            )
            own[member] = execute(instruction, sources, nothing, self.device)
        return own[members[-1]]

    def _compile_other(self, instruction: Instruction) -> Stage:
        device = self.device

        def stage(values: Values, inputs: Inputs, outside: Outside) -> Tensor:
            sources = get_sources(instruction, values, inputs)
            if instruction.kind is Kind.FOLD:
                return execute_fold(instruction, sources)
            return execute_memory(instruction, sources, outside, device)

        return stage


def _is_equal(strides: tuple[int, ...], want: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether strides agree on every axis that has more than one position."""
    return len(strides) == len(want) == len(shape) and all(
        length == 1 or s == w for s, w, length in zip(strides, want, shape)
    )


def _vector_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides between the vectors along the last axis of a contiguous tensor."""
    return compute_contiguous_strides(shape)[:-1]


def _is_vectorwise(operand: View, maximum: View, length: int) -> bool:
    """Whether each output element scales by the maximum of the very vector that it reads."""
    scaled = tuple(stride * length for stride in maximum.strides)
    return operand.offset == maximum.offset == 0 and _is_equal(
        operand.strides, scaled, operand.shape
    )
