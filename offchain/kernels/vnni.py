"""Matrix products of packed digits on x86's VNNI units, put together without going to memory.

One loop along K multiplies all pairs of digits of some rows and PANEL columns; their sums stay in
registers and are joined, rounded once and scaled when the loop ends. With q' = q + o the unsigned
side,

    sum q q' - o sum q = 65536 h h' + 256 (h l' + l h') + l l' - o sum q,

where each of the three sums of products fits an int32 while K < 2**16.
"""

import ctypes
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offchain.kernels import buffers, llvm, threads
from offchain.kernels.emitter import Emitter
from offchain.kernels.packing import PANEL, Packed, pack

ROWS = {1: 16, 2: 8, 3: 8}  # at a time, by sums for each: at most 24 of the 32 registers
DIGIT = 2.0**8
SLICE_PRODUCTS = 2**20  # per thread at least
# Maxima between which scaling a rounded float32 by both powers of two is exact: the lowest bit
# stays at or above 2**-149.
SMALLEST, LARGEST = 2.0**-60, 2.0**60
SMALLEST_WORD, LARGEST_WORD = (int(np.float32(m).view(np.uint32)) for m in (SMALLEST, LARGEST))


def _emit_multiply(e: Emitter, total: Any, unsigned: Any, signed: Any) -> Any:
    """Add the products of four bytes each to an i32 per lane, without saturation."""
    kind = e.vector(e.i8, 4 * PANEL)
    return llvm.emit_call(
        e.b,
        "llvm.x86.avx512.vpdpbusd.512",
        e.vector(e.i32, PANEL),
        total,
        e.b.bitcast(unsigned, kind),
        e.b.bitcast(signed, kind),
    )


def _build(two_rows: bool, two_columns: bool) -> Any:
    """The module of one kernel: all rows against the column panels `first` to `last`."""
    e = Emitter(9, 7)
    low, high, scales, totals, low_c, high_c, scales_c, out, offset = e.arguments[:9]
    first, last, height, width, words, panels, panels_c = e.arguments[9:]
    b = e.b
    lanes, reals = e.vector(e.i32, PANEL), e.vector(e.f32, PANEL)
    wide = e.vector(e.f64, PANEL)
    is_used = (True, two_rows or two_columns, two_rows and two_columns)
    used = [power for power in range(3) if is_used[power]]
    tall = ROWS[len(used)]
    moved = e.load(offset, e.f64, e.i64(0))
    tile = e.allocate(e.vector(e.f32, tall * PANEL))

    def multiply(rows: Any, columns: Any) -> list[list[Any]]:
        """Sums by power of the digit's base, and by row."""

        def body(word: Any, carried: Any) -> list[Any]:
            at = b.mul(word, e.i64(PANEL))
            column = [e.load_at(e.place(p, e.i32, b.add(columns, at)), lanes) for p in right]
            sums = [list(carried[i * tall : (i + 1) * tall]) for i in range(len(used))]
            for row in range(tall):
                place = b.add(b.add(rows, at), e.i64(row))
                for i, pointer in enumerate(left):
                    digit = e.splat(e.load(pointer, e.i32, place), PANEL)
                    for j, values in enumerate(column):
                        sums[i + j][row] = _emit_multiply(e, sums[i + j][row], values, digit)
            return sum(sums, [])

        zeros = [e.splat(e.i32(0), PANEL)] * (tall * len(used))
        done = llvm.emit_loop(b, words, 1, zeros, body)
        return [done[i * tall : (i + 1) * tall] for i in range(len(used))]

    left = [low, high] if two_rows else [low]
    right = [low_c, high_c] if two_columns else [low_c]

    def do_rows(batch: Any, panel_c: Any, row: Any) -> None:
        panel = b.add(b.mul(batch, panels), b.sdiv(row, e.i64(PANEL)))
        half = b.srem(row, e.i64(PANEL))
        rows = b.add(b.mul(panel, b.mul(words, e.i64(PANEL))), half)
        sums = multiply(rows, b.mul(panel_c, b.mul(words, e.i64(PANEL))))
        line = b.add(b.mul(panel, e.i64(PANEL)), half)
        scale_c = e.load_at(e.place(scales_c, e.f32, b.mul(panel_c, e.i64(PANEL))), reals)
        for number in range(tall):
            own = b.add(line, e.i64(number))
            total = b.sitofp(sums[0][number], wide)
            for power in used[1:]:
                value = b.sitofp(sums[power][number], wide)
                factor = e.splat(e.f64(DIGIT**power), PANEL)
                total = b.fadd(total, b.fmul(value, factor))
            excess = b.fmul(b.sitofp(e.load(totals, e.i32, own), e.f64), moved)
            total = b.fsub(total, e.splat(excess, PANEL))
            result = b.fmul(b.fptrunc(total, reals), e.splat(e.load(scales, e.f32, own), PANEL))
            e.store_at(b.fmul(result, scale_c), e.place(tile, e.f32, e.i64(number * PANEL)))
        column = b.mul(b.srem(panel_c, panels_c), e.i64(PANEL))
        mask = e.mask_below(b.sub(width, column), PANEL)
        rest = b.sub(height, row)
        count = b.select(b.icmp_signed("<", rest, e.i64(tall)), rest, e.i64(tall))

        def store(number: Any) -> None:
            value = e.load_at(e.place(tile, e.f32, b.mul(number, e.i64(PANEL))), reals)
            place = b.add(b.mul(b.add(b.mul(batch, height), row), width), column)
            place = b.add(place, b.mul(number, width))
            e.store_masked(value, e.place(out, e.f32, place), mask)

        e.loop(count, store)

    def do_panel(panel_c: Any) -> None:
        batch = b.sdiv(panel_c, panels_c)
        e.loop(height, lambda row: do_rows(batch, panel_c, row), step=tall)

    e.loop(last, do_panel, first)
    b.ret_void()
    return e.module


@cache
def _get_kernel(two_rows: bool, two_columns: bool) -> llvm.Function:
    types = [ctypes.c_void_p] * 9 + [ctypes.c_int64] * 7
    return llvm.compile_function(_build(two_rows, two_columns), "run", types, optimise=True)


def is_usual(largest: Tensor) -> bool:
    """Whether all maxima are 0 or in range."""
    words = largest.numpy().view(np.uint32).ravel()
    if words.max() > LARGEST_WORD:
        return False
    # Below zero lies the largest word of all.
    return bool((words - np.uint32(1)).min() >= SMALLEST_WORD - 1)


def multiply(rows: Packed, columns: Packed) -> Tensor:
    """float32 [batch, M, N]: the rounded products of signed rows and unsigned columns."""
    batch, panels_c, words, _ = columns.low.shape
    height, width = rows.vectors, columns.vectors
    out = buffers.empty((batch, height, width), dtype=torch.float32)
    offset = torch.tensor([float(columns.offset)], dtype=torch.float64)
    tensors = (
        rows.low,
        rows.low if rows.high is None else rows.high,
        rows.scale,
        rows.total,
        columns.low,
        columns.low if columns.high is None else columns.high,
        columns.scale,
        out,
        offset,
    )
    addresses = [tensor.data_ptr() for tensor in tensors]
    total = batch * panels_c
    work = total * height * words
    parts = max(1, min(torch.get_num_threads(), total, work // (SLICE_PRODUCTS // (4 * PANEL))))
    bounds = [total * part // parts for part in range(parts + 1)]
    sizes = (height, width, words, rows.low.shape[1], panels_c)
    slices = [(*addresses, start, end, *sizes) for start, end in zip(bounds, bounds[1:])]
    threads.run_slices(_get_kernel(rows.high is not None, columns.high is not None), slices)
    return out


def matmul(a: Tensor, b: Tensor, bits_a: int, bits_b: int) -> Tensor | None:
    """[..., M, K] against [..., N, K] -> [..., M, N]; None where a maximum is out of range.

    Leading axes broadcast.
    """
    lead = a.shape[:-2]
    if lead != b.shape[:-2]:
        lead = torch.broadcast_shapes(lead, b.shape[:-2])
        a, b = (x.expand(*lead, *x.shape[-2:]) for x in (a, b))
    rows, tops = pack(a, bits_a, signed=True)
    columns, tops_c = pack(b, bits_b, signed=False)
    if not (is_usual(tops) and is_usual(tops_c)):
        return None
    return multiply(rows, columns).reshape(*lead, a.shape[-2], b.shape[-2])


@cache
def is_available() -> bool:
    """Whether the code compiles here and is right, at the extremes too."""
    if llvm.LLVM is None or "avx512vnni" not in llvm.get_features():
        return False
    generator = torch.Generator().manual_seed(0)
    try:
        return all(_is_right(bits, generator) for bits in product((8, 15), (8, 15)))
    except RuntimeError:
        return False


def _is_right(bits: tuple[int, int], generator: torch.Generator) -> bool:
    limits = [2 ** (b - 1) - 1 for b in bits]
    for shapes in (((21, 135), (2, 37, 135)), ((9, 2**12), (1, 18, 2**12))):
        integers = []
        for limit, shape in zip(limits, shapes):
            drawn = torch.randint(-limit, limit + 1, shape, generator=generator)
            drawn[..., 3:7, :] = limit  # every product at the extreme
            drawn[..., 0] = limit  # so that the largest is known
            integers.append(drawn.double())
        expected = (integers[0] @ integers[1].mT).float()
        for a in (integers[0].float(), integers[0].float().T.contiguous().T):
            result = matmul(a, integers[1].float(), *bits)
            if result is None or not torch.equal(result, expected):
                return False
    return True
