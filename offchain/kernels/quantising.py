"""Quantising, and what comes right after it, in two passes over memory: loops that LLVM compiles.

Every kernel goes along vectors twice: once for the largest absolute value, once for what becomes
of the elements. Vectors either lie along memory or across it; those that lie across it are read
some at a time, so that both passes find them in a cache.

`rounding`, `int8` and `fused` say what the results mean, and do the same with torch.
"""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offchain.kernels import buffers, llvm, threads
from offchain.kernels.emitter import Emitter

ACROSS = 64  # vectors at a time: 256 bytes of each row of memory
SLICE_ELEMENTS = 2**15  # per thread at least
INFINITY = 0x7F800000
FIELD_MIN = 1022 - 148  # of the smallest subnormal's power of two; below it there is only 0
MAGIC = 1.5 * 2**23  # added to |q| < 2**22, it leaves q in the low bits of the word


class _Digits:
    """One or two int8 digits of each element, and the power of two of each vector."""

    outputs = 3  # scales, low digits, high digits

    def __init__(self, e: Emitter, outputs: Sequence[Any], bits: Any, two: bool):
        self.e, self.two = e, two
        self.scale, self.low, self.high = outputs
        bits = e.b.trunc(bits, e.i32)
        self.shift = e.b.shl(e.b.sub(e.i32(2), bits), e.i32(23))
        top = e.b.sub(e.b.shl(e.i32(1), e.b.sub(bits, e.i32(1))), e.i32(1))
        self.limit = e.b.sitofp(top, e.f32)
        self.negative = e.b.fsub(e.f32(0.0), self.limit)

    def begin(self, vector: Any, largest: Any) -> None:
        e = self.e
        exponent = e.b.and_(largest, e.i32(INFINITY))
        power = e.b.add(exponent, self.shift)
        power = e.b.select(e.b.icmp_signed(">", largest, e.i32(0)), power, e.i32(127 << 23))
        e.store(power, self.scale, vector)

    def element(self, x: Any, vector: Any, place: Any) -> None:
        e = self.e
        inverse = e.b.sub(e.i32(254 << 23), e.load(self.scale, e.i32, vector))
        scaled = e.b.fmul(x, e.b.bitcast(inverse, e.f32))
        scaled = e.limit(scaled, self.limit, self.negative)
        word = e.b.bitcast(e.b.fadd(scaled, e.f32(MAGIC)), e.i32)
        e.store(e.b.trunc(word, e.i8), self.low, place)
        if self.two:
            high = e.b.ashr(e.b.add(word, e.i32(128)), e.i32(8))
            e.store(e.b.trunc(high, e.i8), self.high, place)

    def end(self, vector: Any, largest: Any) -> None:
        pass


class _Grid:
    """Each element rounded to its vector's grid, in float64; 0 where the largest is not finite."""

    outputs = 2  # exponent fields, values

    def __init__(self, e: Emitter, outputs: Sequence[Any], bits: Any):
        self.e = e
        self.field, self.out = outputs
        self.bits = bits
        self.top = e.b.sub(e.b.shl(e.i64(1), e.b.sub(bits, e.i64(1))), e.i64(1))

    def begin(self, vector: Any, largest: Any) -> None:
        e = self.e
        wide = e.b.bitcast(e.b.fpext(e.b.bitcast(largest, e.f32), e.f64), e.i64)
        field = e.b.lshr(wide, e.i64(52))
        low = e.b.icmp_signed("<", field, e.i64(FIELD_MIN))
        field = e.b.select(low, e.i64(FIELD_MIN), field)
        # Where the largest is not finite any power will do, as long as it is a number.
        bad = e.b.icmp_signed(">=", largest, e.i32(INFINITY))
        e.store(e.b.select(bad, e.i64(-1), field), self.field, vector)

    def power(self, field: Any) -> Any:
        """The unit of the grid, 2**(e - bits + 1) with e = field - 1022, as a word."""
        return self.e.b.shl(
            self.e.b.sub(self.e.b.add(field, self.e.i64(2)), self.bits), self.e.i64(52)
        )

    def shifted(self, x: Any, field: Any) -> tuple[Any, Any]:
        """(x + C, C) with C = 1.5 * 2**52 units of the grid."""
        e = self.e
        word = e.b.add(self.power(field), e.i64((52 << 52) + (1 << 51)))
        constant = e.b.bitcast(word, e.f64)
        return e.b.fadd(e.b.fpext(x, e.f64), constant), constant

    def element(self, x: Any, vector: Any, place: Any) -> None:
        e = self.e
        field = e.load(self.field, e.i64, vector)
        total, constant = self.shifted(x, field)
        unit = e.b.bitcast(self.power(field), e.f64)
        limit = e.b.fmul(e.b.sitofp(self.top, e.f64), unit)
        value = e.limit(e.b.fsub(total, constant), limit, e.b.fsub(e.f64(0.0), limit))
        bad = e.b.icmp_signed("<", field, e.i64(0))
        e.store(e.b.select(bad, e.f64(0.0), value), self.out, place)

    def end(self, vector: Any, largest: Any) -> None:
        pass


class _Sum(_Grid):
    """The sum of each vector's quantised elements, RN32; NaN where the largest is not finite."""

    outputs = 3  # exponent fields, integer sums, results

    def __init__(self, e: Emitter, outputs: Sequence[Any], bits: Any):
        super().__init__(e, outputs[:2], bits)
        self.result = outputs[2]
        self.negative = e.b.sub(e.i64(0), self.top)

    def begin(self, vector: Any, largest: Any) -> None:
        super().begin(vector, largest)
        self.e.store(self.e.i64(0), self.out, vector)

    def element(self, x: Any, vector: Any, place: Any) -> None:
        e = self.e
        total, constant = self.shifted(x, e.load(self.field, e.i64, vector))
        q = e.b.sub(e.b.bitcast(total, e.i64), e.b.bitcast(constant, e.i64))
        q = e.limit(q, self.top, self.negative)
        e.store(e.b.add(e.load(self.out, e.i64, vector), q), self.out, vector)

    def end(self, vector: Any, largest: Any) -> None:
        e = self.e
        field = e.load(self.field, e.i64, vector)
        unit = e.b.bitcast(self.power(field), e.f64)
        total = e.b.sitofp(e.load(self.out, e.i64, vector), e.f64)
        result = e.b.fptrunc(e.b.fmul(total, unit), e.f32)
        bad = e.b.icmp_signed("<", field, e.i64(0))
        e.store(e.b.select(bad, e.nan, result), self.result, vector)


def _build(kind: Any, along: bool, *options: bool) -> Any:
    """The module of one kernel; vectors of a group lie `stride` (along) or 1 (across) apart."""
    count = kind.outputs
    e = Emitter(3 + count, 8)
    x, offsets, tops, *outputs = e.arguments[: 3 + count]
    first_group, last_group, first, last, vectors, length, stride, bits = e.arguments[3 + count :]
    b = e.b
    work = kind(e, outputs, bits, *options)

    def do_group(group: Any) -> None:
        source = e.place(x, e.f32, e.load(offsets, e.i64, group))
        base = b.mul(group, vectors)
        start = b.mul(base, length)

        def do_some(vector: Any) -> None:
            end = b.add(vector, e.i64(ACROSS))
            end = b.select(b.icmp_signed("<", end, last), end, last)

            def each_vector(body: Callable[[Any], None]) -> None:
                if along:
                    body(vector)
                else:
                    e.loop(end, body, vector)

            def each_element(body: Callable[[Any, Any, Any], None]) -> None:
                def at(k: Any, v: Any) -> None:
                    far, near, lines = (v, k, length) if along else (k, v, vectors)
                    value = e.load(source, e.f32, b.add(b.mul(far, stride), near))
                    body(value, b.add(base, v), b.add(start, b.add(b.mul(far, lines), near)))

                e.loop(length, lambda k: each_vector(lambda v: at(k, v)))

            def widen(value: Any, number: Any, _: Any) -> None:
                size = b.and_(b.bitcast(value, e.i32), e.i32(2**31 - 1))
                top = e.load(tops, e.i32, number)
                e.store(b.select(b.icmp_signed(">", size, top), size, top), tops, number)

            def at_vector(body: Callable[[Any, Any], None]) -> Callable[[Any], None]:
                def run(v: Any) -> None:
                    number = b.add(base, v)
                    body(number, e.load(tops, e.i32, number))

                return run

            each_vector(lambda v: e.store(e.i32(0), tops, b.add(base, v)))
            each_element(widen)
            each_vector(at_vector(work.begin))
            each_element(work.element)
            each_vector(at_vector(work.end))

        e.loop(last, do_some, first, 1 if along else ACROSS)

    e.loop(last_group, do_group, first_group)
    b.ret_void()
    return e.module


def _build_combine(high: bool, middles: int) -> Any:
    """float32((high * 256 + middles) * 256 + low), scaled by row and by column."""
    e = Emitter(7, 3)
    low, middle, other, top, rows, columns, out, first, last, width = e.arguments
    b = e.b

    def do_row(row: Any) -> None:
        scale = e.load(rows, e.f32, row)

        def do_element(column: Any) -> None:
            place = b.add(b.mul(row, width), column)
            total = b.sitofp(e.load(low, e.i32, place), e.f64)
            if middles:
                value = e.load(middle, e.i32, place)
                if middles == 2:
                    value = b.add(value, e.load(other, e.i32, place))
                total = b.fadd(total, b.fmul(b.sitofp(value, e.f64), e.f64(2.0**8)))
            if high:
                value = b.sitofp(e.load(top, e.i32, place), e.f64)
                total = b.fadd(total, b.fmul(value, e.f64(2.0**16)))
            result = b.fmul(b.fptrunc(total, e.f32), scale)
            e.store(b.fmul(result, e.load(columns, e.f32, column)), out, place)

        e.loop(width, do_element)

    e.loop(last, do_row, first)
    b.ret_void()
    return e.module


def _compile(module: Any, pointers: int, integers: int) -> llvm.Function:
    types = [ctypes.c_void_p] * pointers + [ctypes.c_int64] * integers
    return llvm.compile_function(module, "run", types, optimise=True)


@cache
def _get_kernel(kind: Any, along: bool, *options: bool) -> llvm.Function:
    return _compile(_build(kind, along, *options), 3 + kind.outputs, 8)


@cache
def _get_combine(high: bool, middles: int) -> llvm.Function:
    return _compile(_build_combine(high, middles), 7, 3)


@lru_cache(maxsize=2**12)
def compute_offsets(shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """Where each group of vectors begins, in elements."""
    places = product(*(range(length) for length in shape))
    offsets = [sum(i * s for i, s in zip(place, strides)) for place in places]
    return np.array(offsets, dtype=np.int64)


def _split(groups: int, vectors: int, elements: int) -> list[tuple[int, int, int, int]]:
    """(first group, last group, first vector, last vector) per thread."""
    parts = max(1, min(torch.get_num_threads(), elements // SLICE_ELEMENTS))
    whole = groups if groups >= parts else vectors
    bounds = [whole * part // parts for part in range(parts + 1)]
    pairs = list(zip(bounds, bounds[1:]))
    if groups >= parts:
        return [(low, high, 0, vectors) for low, high in pairs]
    return [(0, groups, low, high) for low, high in pairs]


def _run(
    kind: Any, x: Tensor, bits: int, types: Sequence[tuple[torch.dtype, bool]], *options: bool
) -> tuple[Tensor, list[Tensor]]:
    """(bits of the largest of each vector, outputs); `types` says which have a value per element.

    Those lie in memory as the vectors of `x` do: along it or across it.
    """
    if x.dim() == 1:
        tops, outputs = _run(kind, x[None], bits, types, *options)
        return tops[0], [output[0] for output in outputs]
    if x.stride(-1) != 1 and x.stride(-2) != 1:
        x = x.contiguous()
    *batch, vectors, length = x.shape
    along = x.stride(-1) == 1
    offsets = compute_offsets(tuple(batch), x.stride()[:-2])
    tops = buffers.empty((*batch, vectors), dtype=torch.int32)
    dense = (*batch, vectors, length) if along else (*batch, length, vectors)
    outputs = []
    for dtype, per_element in types:
        outputs.append(buffers.empty(dense if per_element else tops.shape, dtype=dtype))
    addresses = [x.data_ptr(), offsets.ctypes.data, *(t.data_ptr() for t in (tops, *outputs))]
    stride = x.stride(-2) if along else x.stride(-1)
    slices = [
        (*addresses, *part, vectors, length, stride, bits)
        for part in _split(len(offsets), vectors, x.numel())
    ]
    threads.run_slices(_get_kernel(kind, along, *options), slices)
    return tops, [
        t if along or not per_element else t.mT for t, (_, per_element) in zip(outputs, types)
    ]


def round_vectors(x: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """(bits of the largest of each vector [...], grid values [..., K] in float64)."""
    tops, (_, values) = _run(_Grid, x, bits, [(torch.int64, False), (torch.float64, True)])
    return tops, values


def sum_vectors(x: Tensor, bits: int) -> Tensor:
    """Sums of the quantised vectors in float32 [...]."""
    types = [(torch.int64, False), (torch.int64, False), (torch.float32, False)]
    return _run(_Sum, x, bits, types)[1][2]


def compute_digits(x: Tensor, bits: int, two: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(bits of the largest [M], powers [M], low digits [M, K], high ones, if `two`)."""
    types = [(torch.float32, False), (torch.int8, True), (torch.int8, two)]
    tops, (scale, low, high) = _run(_Digits, x, bits, types, two)
    return tops, scale, low, high


def combine(
    low: Tensor, middles: Sequence[Tensor], high: Tensor | None, rows: Tensor, columns: Tensor
) -> Tensor:
    """The product [M, N] from those of its digits (int32, contiguous) and its scales."""
    height, width = low.shape
    out = buffers.empty((height, width), dtype=torch.float32)
    parts = [low, *middles, *[low] * (2 - len(middles)), low if high is None else high]
    addresses = [t.data_ptr() for t in (*parts, rows, columns, out)]
    kernel = _get_combine(high is not None, len(middles))
    slices = [(*addresses, *part[2:], width) for part in _split(1, height, out.numel())]
    threads.run_slices(kernel, slices)
    return out
