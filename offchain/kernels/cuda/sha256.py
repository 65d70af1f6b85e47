"""SHA-256 trees of tensors where they lie: one message for each lane, one launch for each level.

Only the last levels come to the host, for all tensors of a state at once.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offchain.kernels.cuda.launch import OPTIONS, compile_source
from offchain.kernels.sha256 import INITIAL, ROUND_CONSTANTS, compute_digests
from protocol.merkle import ZERO_LEAF, compute_node
from protocol.types import LEAF_BYTES, Root

LEAF_PREFIX, NODE_PREFIX = 0, 1
WORDS = 8  # of a digest
BLOCK_WORDS = 16
MESSAGES = 128  # for each program
ON_HOST = 64  # nodes of a level from which on the host goes on


def _write_rotation(x: str, bits: int) -> str:
    return f"(({x} >> {bits}) | ({x} << {32 - bits}))"


def write_source(words: int, prefix: int, is_data: bool) -> str:
    """Source of `tree`: messages of prefix || `words` words (a multiple of 16), as digests.

    `is_data` says that words are a tensor's, little endian and of which there may be fewer than
    the last message wants; else they are digests, one after the other, which end where a level
    does, and `padding` stands for the one that is missing at the end of an odd level.
    """
    last = words // BLOCK_WORDS
    lines = [
        "n = tl.program_id(0).to(tl.int64) * MESSAGES + tl.arange(0, MESSAGES)",
        "inside = n < count",
        f"before = tl.full([MESSAGES], {prefix}, tl.uint32)",
        *(f"h{i} = tl.full([MESSAGES], {value}, tl.uint32)" for i, value in enumerate(INITIAL)),
        f"for block in range({last + 1}):",
        f"    is_data = inside & (block < {last})",
    ]
    # The prefix puts all data off by one byte: each word has the last byte of the one before. The
    # last block has no data: a bit that ends it, and its length.
    for i in range(BLOCK_WORDS):
        own = _write_load(f"n * {words} + block * {BLOCK_WORDS} + {i}", i, is_data)
        end = {0: "0x800000", BLOCK_WORDS - 1: str(8 * (4 * words + 1))}.get(i, "0")
        own += [
            f"w{i} = (before << 24) | (x >> 8)",
            f"w{i} = w{i} + tl.where(block < {last}, 0, {end}).to(tl.uint32)",
            "before = x & 0xFF",
        ]
        lines += [f"    {line}" for line in own]
    lines += [f"    {line}" for line in _write_rounds()]
    for i in range(WORDS):
        lines.append(f"tl.store(out + n * {WORDS} + {i}, h{i}.to(tl.int32, bitcast=True), inside)")
    names = "data, out, count, limit, padding, constants"
    head = f"import triton.language as tl\n\n\ndef tree({names}, CANONICAL: tl.constexpr, "
    return head + "MESSAGES: tl.constexpr):\n" + "".join(f"    {line}\n" for line in lines)


def _write_load(place: str, number: int, is_data: bool) -> list[str]:
    """One word of a message, as x; 0 after its end."""
    lines = [
        f"place = {place}",
        "x = tl.load(data + place, mask=is_data & (place < limit), other=0)",
    ]
    if is_data:
        return [
            *lines,
            "if CANONICAL:",
            "    x = tl.where((x & 0x7FFFFFFF) > 0x7F800000, 0x7FC00000, x)",
            "x = x.to(tl.uint32, bitcast=True)",
            "x = ((x & 0xFF) << 24) | ((x & 0xFF00) << 8) | ((x >> 8) & 0xFF00) | (x >> 24)",
        ]
    pad = f"tl.load(padding + {number % WORDS})"
    return [
        *lines,
        f"x = tl.where(is_data & (place >= limit), {pad}, x).to(tl.uint32, bitcast=True)",
    ]


def _write_rounds() -> list[str]:
    """FIPS 180-4, 6.2.2, over w0 to w15 and h0 to h7.

    The rounds are a loop, because Triton's time to compile grows with the square of their number.
    """
    lines = [f"s{i} = h{i}" for i in range(WORDS)]
    for step in range(BLOCK_WORDS):
        lines += _write_round(step, "0")
    lines.append("for part in range(1, 4):")
    for step in range(BLOCK_WORDS):
        own, early, late = (f"w{(step - back) % BLOCK_WORDS}" for back in (0, 15, 2))
        small_0 = f"{_write_rotation(early, 7)} ^ {_write_rotation(early, 18)} ^ ({early} >> 3)"
        small_1 = f"{_write_rotation(late, 17)} ^ {_write_rotation(late, 19)} ^ ({late} >> 10)"
        number = f"w{(step - 7) % BLOCK_WORDS}"
        inner = [f"{own} = {own} + ({small_0}) + {number} + ({small_1})"]
        inner += _write_round(step, f"part * {BLOCK_WORDS}")
        lines += [f"    {line}" for line in inner]
    return [*lines, *(f"h{i} = h{i} + s{i}" for i in range(WORDS))]


def _write_round(step: int, start: str) -> list[str]:
    """One round, with word `step`; the names of the eight states move on with each."""
    a, b, c, d, e, f, g, h = (f"s{(i - step) % WORDS}" for i in range(WORDS))
    large_1 = " ^ ".join(_write_rotation(e, bits) for bits in (6, 11, 25))
    large_0 = " ^ ".join(_write_rotation(a, bits) for bits in (2, 13, 22))
    constant = f"tl.load(constants + {start} + {step}).to(tl.uint32, bitcast=True)"
    return [
        f"t = {h} + ({large_1}) + ({g} ^ ({e} & ({f} ^ {g}))) + {constant} + w{step}",
        f"{d} = {d} + t",
        f"{h} = t + ({large_0}) + (({a} & {b}) | ({c} & ({a} | {b})))",
    ]


@cache
def _get_kernel(words: int, prefix: int, is_data: bool) -> Any:
    return compile_source("tree", write_source(words, prefix, is_data), ("count", "limit"))


@cache
def _get_constants(device: torch.device) -> Tensor:
    words = np.array(ROUND_CONSTANTS, dtype=np.uint32).view(np.int32)
    return torch.from_numpy(words).to(device)


def _run(data: Tensor, words: int, count: int, padding: bytes | None, is_float: bool) -> Tensor:
    """Digests int32 [count, WORDS] of messages that follow each other; big-endian words."""
    device = data.device
    out = torch.empty((count, WORDS), dtype=torch.int32, device=device)
    digest = np.frombuffer(padding or bytes(32), dtype=">u4").astype(np.int64)
    pad = torch.from_numpy(digest.astype(np.uint32).view(np.int32)).to(device)
    constants = _get_constants(device)
    prefix = LEAF_PREFIX if padding is None else NODE_PREFIX
    kernel = _get_kernel(words, prefix, padding is None)
    kernel[(-(-count // MESSAGES),)](
        data,
        out,
        count,
        data.numel(),
        pad,
        constants,
        CANONICAL=is_float,
        MESSAGES=MESSAGES,
        **OPTIONS,
    )
    return out


def _compute_level(tensor: Tensor) -> tuple[Tensor, bytes]:
    """(the first level that the host takes over, the padding there)."""
    words = tensor.detach().contiguous().reshape(-1).view(torch.int32)
    leaf_words = LEAF_BYTES // 4
    count = max(1, -(-words.numel() // leaf_words))
    level = _run(words, leaf_words, count, None, tensor.dtype is torch.float32)
    padding = ZERO_LEAF
    while len(level) > ON_HOST:
        count = -(-len(level) // 2)
        level = _run(level.reshape(-1), 2 * WORDS, count, padding, False)
        padding = compute_node(padding, padding)
    return level, padding


def compute_roots(tensors: Sequence[Tensor]) -> list[Root]:
    """Tensor roots, as `commitments.compute_tensor_root` has them, with one transfer for all."""
    if not tensors:
        return []
    levels = [_compute_level(tensor) for tensor in tensors]
    words = torch.cat([level for level, _ in levels]).cpu().numpy()
    everything = words.astype(">i4").tobytes()
    roots, start = [], 0
    for level, padding in levels:
        end = start + len(level) * 4 * WORDS
        roots.append(_finish(everything[start:end], padding))
        start = end
    return roots


def _finish(level: bytes, padding: bytes) -> Root:
    size = 4 * WORDS
    while len(level) > size:
        if len(level) // size % 2:
            level += padding
        level = compute_digests(np.frombuffer(level, np.uint8), 2 * size, NODE_PREFIX)
        padding = compute_node(Root(padding), Root(padding))
    return Root(level)
