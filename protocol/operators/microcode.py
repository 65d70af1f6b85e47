"""How microcode is written: a builder of instructions over index maps.

A `Value` is a tensor that microcode can read: an input of the operator or the output of an
earlier instruction, seen through a view. Views are free; `Microcode.contiguous` copies where a
fold needs unit stride.
"""

from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np

from protocol.instructions import LEGALITY, Instruction, Kind, Opcode, Operand, Source
from protocol.types import Dtype, Shape, compute_size
from protocol.views import View, contiguous

SUM_BITS = 24  # a float32 sum quantises to the significand's own width


@dataclass(frozen=True)
class Value:
    """A readable tensor: where it lies, what it holds, and the view that reads it."""

    source: Source
    index: int
    dtype: Dtype
    size: int  # elements in the source tensor
    view: View

    @property
    def shape(self) -> Shape:
        """Shape as viewed."""
        return self.view.shape

    def permute(self, axes: tuple[int, ...]) -> "Value":
        """See `View.permute`."""
        return replace(self, view=self.view.permute(axes))

    def expand(self, shape: Shape) -> "Value":
        """See `View.expand`."""
        return replace(self, view=self.view.expand(shape))

    def reshape(self, shape: Shape) -> "Value":
        """See `View.reshape`."""
        return replace(self, view=self.view.reshape(shape))

    def unsqueeze(self, axis: int) -> "Value":
        """Insert an axis of length 1 (axis may be negative, counted in the result)."""
        axis = axis % (len(self.shape) + 1)
        shape, strides = self.view.shape, self.view.strides
        return replace(
            self,
            view=View(
                (*shape[:axis], 1, *shape[axis:]),
                (*strides[:axis], 0, *strides[axis:]),
                self.view.offset,
            ),
        )

    def swap_last(self) -> "Value":
        """Exchange the last two axes."""
        rank = len(self.shape)
        return self.permute((*range(rank - 2), rank - 1, rank - 2))


@dataclass
class Microcode:
    """The growing list of an operator's instructions; the last one is the operator's output."""

    instructions: list[Instruction] = field(default_factory=list)

    def _emit(
        self,
        opcode: Opcode,
        shape: Shape,
        values: tuple[Value, ...],
        fold: int = 1,
        attributes: tuple[int, ...] = (),
        dtype: Dtype | None = None,
    ) -> Value:
        types = tuple(value.dtype for value in values)
        allowed = [out for operands, out in LEGALITY[opcode].types if operands == types]
        if not allowed or (dtype is not None and dtype not in allowed):
            names = [t.name for t in types]
            raise TypeError(f"{opcode.name}: no form for operands {names}")
        out = allowed[0] if dtype is None else dtype
        operands = tuple(Operand(v.source, v.index, v.dtype, v.size, v.view) for v in values)
        self.instructions.append(Instruction(opcode, out, shape, operands, fold, attributes))
        return Value(
            Source.INSTRUCTION,
            len(self.instructions) - 1,
            out,
            compute_size(shape),
            contiguous(shape),
        )

    def map(self, opcode: Opcode, *values: Value, attributes: tuple[int, ...] = ()) -> Value:
        """A map instruction; operands broadcast against each other."""
        assert LEGALITY[opcode].kind is Kind.MAP
        shape = broadcast_shapes(*(value.shape for value in values))
        return self._emit(
            opcode, shape, tuple(v.expand(shape) for v in values), attributes=attributes
        )

    def constant(self, shape: Shape, dtype: Dtype, bits: int) -> Value:
        """A tensor filled with one value: f32 bits, or an i32."""
        return self._emit(Opcode.CONST, shape, (), attributes=(bits,), dtype=dtype)

    def float_constant(self, value: float) -> Value:
        """A scalar of the binary32 nearest to `value`."""
        return self.constant((), Dtype.F32, int(np.float32(value).view(np.uint32)))

    def iota(self, shape: Shape, axis: int) -> Value:
        """Positions along an axis."""
        return self._emit(Opcode.IOTA, shape, (), attributes=(axis,))

    def load_state(self, slot: int, shape: Shape, dtype: Dtype) -> Value:
        """The state tensor of a slot, as it was before the step."""
        return self._emit(Opcode.LOAD_STATE, shape, (), attributes=(slot,), dtype=dtype)

    def load_batch(self, field_index: int, shape: Shape, dtype: Dtype) -> Value:
        """The step's rows of a dataset field."""
        return self._emit(Opcode.LOAD_BATCH, shape, (), attributes=(field_index,), dtype=dtype)

    def gather(self, table: Value, index: Value, stride: int, limit: int) -> Value:
        """table[position + stride * index]; both views have the output's shape."""
        return self._emit(Opcode.GATHER, index.shape, (table, index), attributes=(stride, limit))

    def concat(self, first: Value, second: Value, axis: int) -> Value:
        """Join two tensors along an axis."""
        split = first.shape[axis]
        length = split + second.shape[axis]
        shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
        # Only strides and offsets are read; the shape of both maps is the output's.
        operands = tuple(
            replace(v, view=View(shape, v.view.strides, v.view.offset)) for v in (first, second)
        )
        return self._emit(Opcode.CONCAT, shape, operands, attributes=(axis, split))

    def random(self, counter: Value, shape: Shape, key_0: int, key_1: int) -> Value:
        """24 random bits per element, drawn by position and by a counter of one element."""
        return self._emit(Opcode.RANDOM, shape, (counter.expand(shape),), attributes=(key_0, key_1))

    def contiguous(self, value: Value) -> Value:
        """The value itself if it lies row-major, else a copy."""
        return value if value.view.is_contiguous() else self.map(Opcode.COPY, value)

    def folding(self, value: Value) -> Value:
        """The value with unit stride along its last axis (copied if need be)."""
        length, stride = value.shape[-1], value.view.strides[-1]
        return value if stride == 1 or length == 1 else self.map(Opcode.COPY, value)

    def _fold(self, opcode: Opcode, shape: Shape, *values: Value) -> Value:
        """A fold along the last axis of the folded operands, which broadcast over `shape`."""
        folded = LEGALITY[opcode].folded
        length = values[0].shape[-1]
        operands = []
        for number, value in enumerate(values):
            if number < folded:
                assert value.shape[-1] == length
                value = replace(
                    value,
                    view=View(value.view.shape[:-1], value.view.strides[:-1], value.view.offset),
                )
            operands.append(value.expand(shape))
        return self._emit(opcode, shape, tuple(operands), fold=length)

    def maximum(self, value: Value) -> Value:
        """Largest element along the last axis."""
        return self._fold(Opcode.MAXIMUM, value.shape[:-1], self.folding(value))

    def quantized(self, value: Value, bits: int) -> tuple[Value, Value]:
        """(integers, absolute maxima): one power-of-two scale per vector along the last axis."""
        value = self.folding(value)
        largest = self._fold(Opcode.ABSMAX, value.shape[:-1], value)
        integers = self.map(Opcode.QUANTIZE, value, largest.unsqueeze(-1), attributes=(bits,))
        return integers, largest

    def total(self, value: Value) -> Value:
        """Float32 sum along the last axis."""
        integers, largest = self.quantized(value, SUM_BITS)
        accumulator = self._fold(Opcode.SUM, value.shape[:-1], integers)
        return self.map(Opcode.DEQUANTIZE, accumulator, largest, attributes=(SUM_BITS, 0))

    def mean(self, value: Value) -> Value:
        """Float32 sum along the last axis, divided by the axis's length."""
        count = self.float_constant(value.shape[-1])
        return self.map(Opcode.DIV, self.total(value), count)

    def dot(self, a: Value, b: Value, bits_a: int, bits_b: int) -> Value:
        """a of [..., M, K] against b of [..., N, K] -> [..., M, N]; leading axes broadcast."""
        integers_a, largest_a = self.quantized(a, bits_a)
        integers_b, largest_b = self.quantized(b, bits_b)
        shape = (
            *broadcast_shapes(a.shape[:-2], b.shape[:-2]),
            a.shape[-2],
            b.shape[-2],
        )
        accumulator = self._fold(
            Opcode.DOT, shape, integers_a.unsqueeze(-2), integers_b.unsqueeze(-3)
        )
        return self.map(
            Opcode.DEQUANTIZE,
            accumulator,
            largest_a.unsqueeze(-1),
            largest_b.unsqueeze(-2),
            attributes=(bits_a, bits_b),
        )

    def match_total(self, index: Value, values: Value, rows: int) -> Value:
        """Scatter-add: index [T], values [T, D] -> [rows, D], sums of values where index is r."""
        integers, largest = self.quantized(values.permute((1, 0)), SUM_BITS)
        depth, length = integers.shape
        wanted = self.iota((rows,), 0)
        accumulator = self._fold(
            Opcode.MATCH_SUM,
            (rows, depth),
            self.folding(index).expand((rows, depth, length)),
            integers.expand((rows, depth, length)),
            wanted.unsqueeze(-1),
        )
        return self.map(Opcode.DEQUANTIZE, accumulator, largest, attributes=(SUM_BITS, 0))

    def match_lines(self, index: Value, values: Value, rows: int) -> Value:
        """Scatter-add along the last axis: [..., K], [..., K] -> [..., rows]; see match_total."""
        integers, largest = self.quantized(values, SUM_BITS)
        shape = (*integers.shape[:-1], rows)
        accumulator = self._fold(
            Opcode.MATCH_SUM,
            shape,
            self.folding(index).unsqueeze(-2),
            integers.unsqueeze(-2),
            self.iota((rows,), 0),
        )
        return self.map(
            Opcode.DEQUANTIZE, accumulator, largest.unsqueeze(-1), attributes=(SUM_BITS, 0)
        )


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The common shape of operands that broadcast as numpy does; raises ValueError."""

    def join(a: Shape, b: Shape) -> Shape:
        rank = max(len(a), len(b))
        a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
        for x, y in zip(a, b):
            if x != y and 1 not in (x, y):
                raise ValueError(f"shapes {a} and {b} do not broadcast")
        return tuple(y if x == 1 else x for x, y in zip(a, b))

    return reduce(join, shapes, ())
