"""MAXIMUM and ABSMAX as a compiled loop along lines of memory."""

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from offchain.kernels import buffers, llvm, threads
from offchain.kernels.emitter import Emitter

LANES = 16
SLICE_ELEMENTS = 2**15  # per thread at least
SIGN = 2**31
NAN = 0x7FC00000  # as a key: above that of infinity
INFINITY = 0x7F800000


def _build(is_absolute: bool) -> Any:
    """(x, out, first, last, length): the largest of each line, found by `maps.compute_sortable`."""
    e = Emitter(2, 3)
    x, out, first, last, length = e.arguments
    b = e.b
    words, reals = e.vector(e.i32, LANES), e.vector(e.f32, LANES)

    def fill(value: int) -> Any:
        return e.splat(e.i32(value), LANES)

    tops = e.allocate(words)

    def do_line(line: Any) -> None:
        start = e.place(x, e.f32, b.mul(line, length))
        e.store_at(fill(-SIGN), tops)

        def widen(k: Any) -> None:
            mask = e.mask_below(b.sub(length, k), LANES)
            word = b.bitcast(e.load_masked(e.place(start, e.f32, k), reals, mask), words)
            size = b.and_(word, fill(SIGN - 1))
            key = size
            if not is_absolute:
                key = b.xor(word, b.and_(b.ashr(word, fill(31)), fill(SIGN - 1)))
            key = b.select(b.icmp_signed(">", size, fill(INFINITY)), fill(NAN), key)
            top = e.load_at(tops, words)
            larger = b.and_(mask, b.icmp_signed(">", key, top))
            e.store_at(b.select(larger, key, top), tops)

        e.loop(length, widen, step=LANES)
        key = e.reduce("smax", e.load_at(tops, words))
        word = b.xor(key, b.and_(b.ashr(key, e.i32(31)), e.i32(SIGN - 1)))
        e.store(word, out, line)

    e.loop(last, do_line, first)
    b.ret_void()
    return e.module


@cache
def _get_kernel(is_absolute: bool) -> llvm.Function:
    types = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 3
    return llvm.compile_function(_build(is_absolute), "run", types, optimise=True)


def maximum(x: Tensor, is_absolute: bool) -> Tensor:
    """Largest (absolute) value along the last axis; NaN, canonical, if any element is."""
    x = x.contiguous()
    length = x.shape[-1]
    lines = x.numel() // length
    out = buffers.empty(x.shape[:-1], torch.float32)
    parts = max(1, min(torch.get_num_threads(), lines, x.numel() // SLICE_ELEMENTS))
    bounds = [lines * part // parts for part in range(parts + 1)]
    slices = [
        (x.data_ptr(), out.data_ptr(), low, high, length) for low, high in zip(bounds, bounds[1:])
    ]
    threads.run_slices(_get_kernel(is_absolute), slices)
    return out


@cache
def is_available() -> bool:
    """Whether the loop compiles here and knows signed zeros, infinities and NaNs."""
    if llvm.LLVM is None:
        return False
    inf, nan = float("inf"), float("nan")
    lines = torch.tensor(
        [[-0.0, 0.0, -1.0], [-2.0, -1.0, -inf], [1.0, nan, inf], [-nan, 1.0, 2.0], [-0.0] * 3]
    )
    x = lines.repeat(1, 7)
    expected = (torch.tensor([0.0, -1.0, nan, nan, -0.0]), torch.tensor([1, inf, nan, nan, 0.0]))
    try:
        results = [maximum(x, is_absolute) for is_absolute in (False, True)]
    except RuntimeError:
        return False
    return all(
        torch.equal(r.view(torch.int32), e.view(torch.int32)) for r, e in zip(results, expected)
    )
