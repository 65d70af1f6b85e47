"""Quantised operands as digits in the order in which the CPU's int8 units read them.

An operand is PANEL vectors at a time: of each, four digits that follow each other along the vector
make one 32-bit word, and the words of a panel's vectors lie side by side. One side of a product has
signed digits; the other is moved up by half its range, because the units take unsigned digits
there, and the sum of the first side's integers tells by how much the product grew.

A digit is 8 bits: q = 256 h + l, with l in [-128, 127] where signed, in [0, 255] where not.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offchain.kernels import buffers, llvm, threads
from offchain.kernels.emitter import Emitter
from offchain.kernels.quantising import MAGIC, SLICE_ELEMENTS, compute_offsets

PANEL = 16  # vectors side by side: the lanes of 512 bits
DIGITS = 4  # of a word
INFINITY = 0x7F800000


@dataclass(frozen=True)
class Packed:
    """A packed operand of `batch` times `vectors` vectors of `length` elements."""

    low: Tensor  # int32 [batch, panels, words, PANEL]
    high: Tensor | None
    scale: Tensor  # float32 [batch, panels, PANEL]: the power of two of each vector
    total: Tensor  # int32, the same shape: the sum of each vector's integers
    vectors: int
    offset: int  # what was added to each integer: 0 where digits are signed


class _Packer:
    """Emits one panel: the largest of each vector, then its digits."""

    def __init__(self, e: Emitter, two: bool, signed: bool, bits: Any):
        self.e, self.two, self.signed = e, two, signed
        b = e.b
        bits = b.trunc(bits, e.i32)
        half = b.shl(e.i32(1), b.sub(bits, e.i32(1)))
        limit = b.sitofp(b.sub(half, e.i32(1)), e.f32)
        self.shift = b.shl(b.sub(e.i32(2), bits), e.i32(23))
        self.limit = e.splat(limit, PANEL)
        self.negative = e.splat(b.fsub(e.f32(0.0), limit), PANEL)
        self.offset = e.splat(e.i32(0) if signed else half, PANEL)

    def compute_power(self, largest: Any) -> Any:
        """The powers of two of vectors of these largest values, as words."""
        e, b = self.e, self.e.b
        field = b.and_(largest, e.splat(e.i32(INFINITY), PANEL))
        power = b.add(field, e.splat(self.shift, PANEL))
        is_zero = b.icmp_signed("==", largest, e.splat(e.i32(0), PANEL))
        return b.select(is_zero, e.splat(e.i32(127 << 23), PANEL), power)

    def invert(self, power: Any) -> Any:
        e = self.e
        inverse = e.b.sub(e.splat(e.i32(254 << 23), PANEL), power)
        return e.b.bitcast(inverse, e.vector(e.f32, PANEL))

    def quantize(self, x: Any, inverse: Any) -> tuple[Any, Any, Any]:
        """(integers, low digits, high digits) of PANEL elements, as 32-bit words."""
        e, b = self.e, self.e.b
        scaled = e.limit(b.fmul(x, inverse), self.limit, self.negative)
        shifted = b.fadd(scaled, e.splat(e.f32(MAGIC), PANEL))
        word = b.bitcast(shifted, e.vector(e.i32, PANEL))
        start = int(np.float32(MAGIC).view(np.int32))
        integer = b.sub(word, e.splat(e.i32(start), PANEL))
        moved = b.add(word, self.offset)
        rounding = e.splat(e.i32(128 if self.signed else 0), PANEL)
        high = b.ashr(b.add(moved, rounding), e.splat(e.i32(8), PANEL))
        return integer, moved, high


def _build(along: bool, two: bool, signed: bool) -> Any:
    """The module that packs panels `first` to `last` of all batches' panels."""
    e = Emitter(7, 6)
    x, offsets, low, high, scales, totals, flags = e.arguments[:7]
    first, last, vectors, length, stride, bits = e.arguments[7:]
    b = e.b
    wide, words = e.vector(e.f32, PANEL), e.vector(e.i32, PANEL)
    packer = _Packer(e, two, signed, bits)
    panels = b.sdiv(b.add(vectors, e.i64(PANEL - 1)), e.i64(PANEL))
    groups = b.sdiv(b.add(length, e.i64(DIGITS - 1)), e.i64(DIGITS))
    zero = e.splat(e.i32(0), PANEL)
    sizes = e.splat(e.i32(2**31 - 1), PANEL)
    tops = e.allocate(words)
    sums = e.allocate(words)
    powers = e.allocate(words)

    def widen(place: Any, value: Any) -> None:
        size = b.and_(b.bitcast(value, words), sizes)
        top = e.load_at(place, words)
        e.store_at(b.select(b.icmp_signed(">", size, top), size, top), place)

    def do_across(source: Any, start: Any, mask: Any) -> None:
        def read(k: Any) -> Any:
            return e.load_masked(e.place(source, e.f32, b.mul(k, stride)), wide, mask)

        e.loop(length, lambda k: widen(tops, read(k)))
        e.store_at(packer.compute_power(e.load_at(tops, words)), powers)
        inverse = packer.invert(e.load_at(powers, words))

        def do_group(group: Any, count: int) -> None:
            at = b.mul(group, e.i64(DIGITS))
            total, low_word, high_word = e.load_at(sums, words), zero, zero
            for digit in range(count):
                value = read(b.add(at, e.i64(digit)))
                integer, below, above = packer.quantize(value, inverse)
                total = b.add(total, integer)
                low_word = e.insert_byte(low_word, below, digit)
                high_word = e.insert_byte(high_word, above, digit)
            e.store_at(total, sums)
            place = b.add(start, b.mul(group, e.i64(PANEL)))
            e.store_at(low_word, e.place(low, e.i32, place))
            if two:
                e.store_at(high_word, e.place(high, e.i32, place))

        whole = b.sdiv(length, e.i64(DIGITS))
        e.loop(whole, lambda group: do_group(group, DIGITS))
        rest = b.srem(length, e.i64(DIGITS))
        for count in range(1, DIGITS):
            with b.if_then(b.icmp_signed("==", rest, e.i64(count))):
                do_group(whole, count)

    def do_along(source: Any, start: Any, count: Any) -> None:
        def each_block(body: Callable[[Any, Any, Any], None], vector: Any) -> None:
            line = e.place(source, e.f32, b.mul(vector, stride))

            def at(k: Any) -> None:
                mask = e.mask_below(b.sub(length, k), PANEL)
                body(e.load_masked(e.place(line, e.f32, k), wide, mask), k, mask)

            e.loop(length, at, step=PANEL)

        def find(vector: Any) -> None:
            e.store_at(zero, sums)
            each_block(lambda value, k, mask: widen(sums, value), vector)
            top = e.reduce("smax", e.load_at(sums, words))
            e.store(top, tops, vector)

        e.loop(count, find)
        e.store_at(zero, sums)
        e.store_at(packer.compute_power(e.load_at(tops, words)), powers)
        quarter = e.vector(e.i32, DIGITS)

        def write(vector: Any) -> None:
            inverse = packer.invert(e.splat(e.load(powers, e.i32, vector), PANEL))

            def block(value: Any, k: Any, mask: Any) -> None:
                integer, below, above = packer.quantize(value, inverse)
                sum_ = b.add(e.load(sums, e.i32, vector), e.reduce("add", integer))
                e.store(sum_, sums, vector)
                group = b.sdiv(k, e.i64(DIGITS))
                for out, digits in ((low, below), (high, above))[: 1 + two]:
                    digits = b.select(mask, digits, zero)
                    four = b.bitcast(b.trunc(digits, e.vector(e.i8, PANEL)), quarter)
                    for number in range(PANEL // DIGITS):
                        own = b.add(group, e.i64(number))
                        with b.if_then(b.icmp_signed("<", own, groups)):
                            place = b.add(b.add(start, b.mul(own, e.i64(PANEL))), vector)
                            word = b.extract_element(four, e.i32(number))
                            e.store(word, out, place)

            each_block(block, vector)

        e.loop(count, write)

        def clear(vector: Any) -> None:
            def at(group: Any) -> None:
                place = b.add(b.add(start, b.mul(group, e.i64(PANEL))), vector)
                e.store(e.i32(0), low, place)
                if two:
                    e.store(e.i32(0), high, place)

            e.loop(groups, at)

        e.loop(e.i64(PANEL), clear, count)

    def do_panel(panel: Any) -> None:
        batch, own = b.sdiv(panel, panels), b.srem(panel, panels)
        vector = b.mul(own, e.i64(PANEL))
        rest = b.sub(vectors, vector)
        count = b.select(b.icmp_signed("<", rest, e.i64(PANEL)), rest, e.i64(PANEL))
        at = b.mul(vector, stride) if along else vector
        source = e.place(x, e.f32, b.add(e.load(offsets, e.i64, batch), at))
        start = b.mul(b.mul(panel, groups), e.i64(PANEL))
        e.store_at(zero, tops)
        e.store_at(zero, sums)
        if along:
            do_along(source, start, count)
        else:
            do_across(source, start, e.mask_below(rest, PANEL))
        lanes = b.mul(panel, e.i64(PANEL))
        e.store_at(e.load_at(powers, words), e.place(scales, e.i32, lanes))
        e.store_at(e.load_at(sums, words), e.place(totals, e.i32, lanes))
        e.store_at(e.load_at(tops, words), e.place(flags, e.i32, lanes))

    e.loop(last, do_panel, first)
    b.ret_void()
    return e.module


@cache
def _get_kernel(along: bool, two: bool, signed: bool) -> llvm.Function:
    types = [ctypes.c_void_p] * 7 + [ctypes.c_int64] * 6
    return llvm.compile_function(_build(along, two, signed), "run", types, optimise=True)


def pack(x: Tensor, bits: int, signed: bool) -> tuple[Packed, Tensor]:
    """[..., M, K] packed along K, and the largest value of each vector [batch, panels, PANEL]."""
    if x.stride(-1) != 1 and x.stride(-2) != 1:
        x = x.contiguous()
    *batch, vectors, length = x.shape
    along = x.stride(-1) == 1
    offsets = compute_offsets(tuple(batch), x.stride()[:-2])
    count, panels, words = len(offsets), -(-vectors // PANEL), -(-length // DIGITS)
    two = bits > 8
    shape = (count, panels, words, PANEL)
    low = buffers.empty(shape, dtype=torch.int32)
    high = buffers.empty(shape, dtype=torch.int32) if two else None
    powers, totals, tops = (
        buffers.empty((count, panels, PANEL), dtype=torch.int32) for _ in range(3)
    )
    outputs = (low, low if high is None else high, powers, totals, tops)
    addresses = [x.data_ptr(), offsets.ctypes.data, *(t.data_ptr() for t in outputs)]
    stride = x.stride(-2) if along else x.stride(-1)
    total = count * panels
    parts = max(1, min(torch.get_num_threads(), total, x.numel() // SLICE_ELEMENTS))
    bounds = [total * part // parts for part in range(parts + 1)]
    slices = [
        (*addresses, start, end, vectors, length, stride, bits)
        for start, end in zip(bounds, bounds[1:])
    ]
    threads.run_slices(_get_kernel(along, two, signed), slices)
    scale = powers.view(torch.float32)
    packed = Packed(low, high, scale, totals, vectors, 0 if signed else 2 ** (bits - 1))
    return packed, tops.view(torch.float32)
