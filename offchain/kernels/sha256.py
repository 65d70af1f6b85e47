"""SHA-256 of many messages of one length at a time, as trees of commitments need it.

hashlib takes one short message per call and keeps Python's lock meanwhile. Here one call hashes
all of them, several side by side: by the CPU's SHA instructions two at a time, because one round
waits for the last, else one per lane of the CPU's vectors. Where neither can be compiled, or the
compiled code fails its check, or hashlib alone has the CPU's instructions, hashlib does it.
"""

import ctypes
import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from offchain.kernels import llvm, threads
from offchain.kernels.llvm import emit_call, emit_loop, ir

DIGEST_BYTES = 32
BLOCK_BYTES = 64
SLICE_BYTES = 2**18  # per thread at least: 0.1 ms, above what waking a thread takes

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
# (messages, digests, count, size, prefix): `count` messages of prefix || `size` bytes
HashMany = Callable[[int, int, int, int, int], None]


def _compute_roots(root: int, bits: int = 32) -> list[int]:
    """The first bits after the point of the roots of the first 64 primes (FIPS 180-4, 4.2.2)."""
    primes = [n for n in range(2, 312) if all(n % d for d in range(2, n))]
    words = []
    for prime in primes:
        scaled = prime << (root * bits)
        low, high = 0, 2**40
        while high - low > 1:  # the integer root
            middle = (low + high) // 2
            low, high = (middle, high) if middle**root <= scaled else (low, middle)
        words.append(low % 2**bits)
    return words


ROUND_CONSTANTS = _compute_roots(3)
INITIAL = _compute_roots(2)[:8]


class _Instructions:
    """Compression by the x86 SHA instructions: `lanes` states of two vectors, ABEF and CDGH."""

    lanes = 2

    def __init__(self) -> None:
        self.vector = ir.VectorType(ir.IntType(32), 4)

    def get_initial(self) -> list[Any]:
        orders = ((5, 4, 1, 0), (7, 6, 3, 2))
        state = [self.vector([INITIAL[i] for i in order]) for order in orders]
        return state * self.lanes

    def _call(self, builder: Any, name: str, *vectors: Any) -> Any:
        return emit_call(builder, f"llvm.x86.sha256{name}", self.vector, *vectors)

    def _shuffle(self, builder: Any, a: Any, b: Any, order: Sequence[int]) -> Any:
        mask = ir.VectorType(ir.IntType(32), 4)(list(order))
        return builder.shuffle_vector(a, b, mask)

    def compress(self, builder: Any, state: Sequence[Any], blocks: Sequence[Any]) -> list[Any]:
        words = [
            [
                _swap(
                    builder,
                    builder.load(_move(builder, block, 16 * i), typ=self.vector, align=1),
                )
                for i in range(4)
            ]
            for block in blocks
        ]
        states = [list(state[2 * lane : 2 * lane + 2]) for lane in range(self.lanes)]
        for group in range(16):
            constants = self.vector(ROUND_CONSTANTS[4 * group : 4 * group + 4])
            for lane, w in enumerate(words):
                if group >= 4:
                    w.append(self._extend(builder, w[-4:]))
                abef, cdgh = states[lane]
                added = builder.add(w[group], constants)
                cdgh = self._call(builder, "rnds2", cdgh, abef, added)
                added = self._shuffle(builder, added, added, (2, 3, 0, 1))
                abef = self._call(builder, "rnds2", abef, cdgh, added)
                states[lane] = [abef, cdgh]
        return [builder.add(old, new) for old, new in zip(state, sum(states, []))]

    def _extend(self, builder: Any, w: Sequence[Any]) -> Any:
        """The next four words of the schedule."""
        first = self._call(builder, "msg1", w[0], w[1])
        shifted = self._shuffle(builder, w[2], w[3], (1, 2, 3, 4))
        return self._call(builder, "msg2", builder.add(first, shifted), w[3])

    def store(self, builder: Any, state: Sequence[Any], digests: Sequence[Any]) -> None:
        for lane, digest in enumerate(digests):
            abef, cdgh = state[2 * lane : 2 * lane + 2]
            for half, order in enumerate([(3, 2, 7, 6), (1, 0, 5, 4)]):
                words = _swap(builder, self._shuffle(builder, abef, cdgh, order))
                builder.store(words, _move(builder, digest, 16 * half), align=1)


class _Lanes:
    """Compression as FIPS 180-4 writes it, on vectors with one message per lane."""

    def __init__(self) -> None:
        self.lanes = 16 if "avx512f" in llvm.get_features() else 8
        self.vector = ir.VectorType(ir.IntType(32), self.lanes)
        self.word = ir.IntType(32)
        self.rotation = f"llvm.fshr.v{self.lanes}i32"

    def _fill(self, value: int) -> Any:
        return self.vector([value] * self.lanes)

    def get_initial(self) -> list[Any]:
        return [self._fill(value) for value in INITIAL]

    def compress(self, builder: Any, state: Sequence[Any], blocks: Sequence[Any]) -> list[Any]:
        def xor(*values: Any) -> Any:
            a, b, c = values
            return builder.xor(builder.xor(a, b), c)

        def rotate(x: Any, distance: int) -> Any:
            return emit_call(builder, self.rotation, self.vector, x, x, self._fill(distance))

        def add(*values: Any) -> Any:
            total = values[0]
            for value in values[1:]:
                total = builder.add(total, value)
            return total

        w = [self._load(builder, blocks, 4 * i) for i in range(16)]
        a, b, c, d, e, f, g, h = state
        for number, constant in enumerate(ROUND_CONSTANTS):
            if number >= 16:
                early, late = w[number - 15], w[number - 2]
                low = xor(rotate(early, 7), rotate(early, 18), builder.lshr(early, self._fill(3)))
                high = xor(rotate(late, 17), rotate(late, 19), builder.lshr(late, self._fill(10)))
                w.append(add(w[number - 16], low, w[number - 7], high))
            choice = builder.xor(g, builder.and_(e, builder.xor(f, g)))
            majority = builder.xor(b, builder.and_(builder.xor(a, b), builder.xor(b, c)))
            sum_e = xor(rotate(e, 6), rotate(e, 11), rotate(e, 25))
            sum_a = xor(rotate(a, 2), rotate(a, 13), rotate(a, 22))
            mixed = add(h, w[number], self._fill(constant), sum_e, choice)
            h, g, f, e, d, c, b, a = g, f, e, add(d, mixed), c, b, a, add(mixed, sum_a, majority)
        return [builder.add(old, new) for old, new in zip(state, (a, b, c, d, e, f, g, h))]

    def _load(self, builder: Any, blocks: Sequence[Any], offset: int) -> Any:
        """A word of every message."""
        vector = self.vector(ir.Undefined)
        for lane, block in enumerate(blocks):
            value = builder.load(_move(builder, block, offset), typ=self.word, align=1)
            vector = builder.insert_element(vector, value, self.word(lane))
        return _swap(builder, vector)

    def store(self, builder: Any, state: Sequence[Any], digests: Sequence[Any]) -> None:
        for number, words in enumerate(state):
            words = _swap(builder, words)
            for lane, digest in enumerate(digests):
                word = builder.extract_element(words, self.word(lane))
                builder.store(word, _move(builder, digest, 4 * number), align=1)


def _move(builder: Any, pointer: Any, offset: Any) -> Any:
    if isinstance(offset, int):
        offset = ir.IntType(64)(offset)
    return builder.gep(pointer, [offset], source_etype=ir.IntType(8))


def _swap(builder: Any, words: Any) -> Any:
    """Words between big-endian and the CPU's order."""
    name = f"llvm.bswap.v{words.type.count}i32"
    return emit_call(builder, name, words.type, words)


def _build(rounds: type[_Instructions] | type[_Lanes]) -> Any:
    """The module with `hash_many`; sizes are multiples of a block.

    With the prefix, block b of a message is bytes 64 b - 1 to 64 b + 62 of the data, read where
    they lie; only the first and the last block are put together apart. Beyond the last message
    the lanes repeat it.
    """
    module = ir.Module()
    byte, word, pointer = ir.IntType(8), ir.IntType(64), ir.PointerType()
    signature = ir.FunctionType(ir.VoidType(), [pointer, pointer, word, word, byte])
    function = ir.Function(module, signature, "hash_many")
    data, out, count, size, prefix = function.args
    for argument in (data, out):
        argument.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block())
    compression = rounds()
    ends = builder.alloca(ir.ArrayType(byte, 2 * BLOCK_BYTES * compression.lanes))
    ends.align = BLOCK_BYTES
    ends = builder.inttoptr(builder.ptrtoint(ends, word), pointer)  # of no element type
    firsts = [_move(builder, ends, 2 * BLOCK_BYTES * i) for i in range(compression.lanes)]
    lasts = [_move(builder, first, BLOCK_BYTES) for first in firsts]
    bits = builder.shl(builder.add(size, word(1)), word(3))
    zeros = ir.VectorType(byte, BLOCK_BYTES)
    for first, last in zip(firsts, lasts):
        builder.store(prefix, first)
        builder.store(zeros([0] * BLOCK_BYTES), last, align=1)
        builder.store(byte(0x80), _move(builder, last, 1))
        builder.store(builder.bswap(bits), _move(builder, last, BLOCK_BYTES - 8), align=1)
    final = builder.udiv(size, word(BLOCK_BYTES))

    def hash_some(index: Any, _: Sequence[Any]) -> Sequence[Any]:
        messages, digests = [], []
        for lane, (first, last) in enumerate(zip(firsts, lasts)):
            own, end = builder.add(index, word(lane)), builder.sub(count, word(1))
            own = builder.select(builder.icmp_signed("<", own, end), own, end)
            message = _move(builder, data, builder.mul(own, size))
            messages.append(message)
            digests.append(_move(builder, out, builder.mul(own, word(DIGEST_BYTES))))
            for start, length in ((0, 32), (32, 16), (47, 16)):  # 63 bytes
                vector = ir.VectorType(byte, length)
                part = builder.load(_move(builder, message, start), typ=vector, align=1)
                builder.store(part, _move(builder, first, 1 + start), align=1)
            tail = builder.load(
                _move(builder, message, builder.sub(size, word(1))), typ=byte, align=1
            )
            builder.store(tail, last)

        def compress(block: Any, state: Sequence[Any]) -> Sequence[Any]:
            is_first = builder.icmp_signed("==", block, word(0))
            is_last = builder.icmp_signed("==", block, final)
            offset = builder.sub(builder.mul(block, word(BLOCK_BYTES)), word(1))
            pointers = []
            for message, first, last in zip(messages, firsts, lasts):
                middle = _move(builder, message, offset)
                end = builder.select(is_last, last, middle)
                pointers.append(builder.select(is_first, first, end))
            return compression.compress(builder, state, pointers)

        blocks = builder.add(final, word(1))
        state = emit_loop(builder, blocks, 1, compression.get_initial(), compress)
        compression.store(builder, state, digests)
        return ()

    emit_loop(builder, count, compression.lanes, (), hash_some)
    builder.ret_void()
    return module


def _is_right(hash_many: HashMany) -> bool:
    """Whether compiled code agrees with hashlib, also where the lanes are not full."""
    data = np.arange(37 * 1024, dtype=np.uint32).view(np.uint8)[: 37 * 1024]
    for size in (64, 1024):
        for count in (1, 2, 3, 37):
            out = np.empty(count * DIGEST_BYTES, dtype=np.uint8)
            hash_many(data.ctypes.data, out.ctypes.data, count, size, 1)
            if out.tobytes() != _hash_by_hashlib(data[: count * size], size, 1):
                return False
    return True


def compile_hashing(rounds: type[_Instructions] | type[_Lanes]) -> HashMany | None:
    """The compiled function, or None where it does not compile or is wrong."""
    types = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint8]
    try:
        hash_many = llvm.compile_function(_build(rounds), "hash_many", types, optimise=False)
    except (RuntimeError, OSError):
        return None
    return hash_many if _is_right(hash_many) else None


@cache
def get_hash_many() -> HashMany | None:
    """What is fastest here; None: hashlib."""
    if llvm.LLVM is None:
        return None
    features = llvm.get_features()
    if "sha" in features:
        return compile_hashing(_Instructions)
    # ARM's SHA instructions, one message at a time, are ahead of its narrow vectors.
    return None if "sha2" in features else compile_hashing(_Lanes)


def _hash_by_hashlib(data: Bytes, size: int, prefix: int) -> bytes:
    absorbed = hashlib.sha256(bytes([prefix]))
    view, digests = data.data, []
    for start in range(0, len(view), size):
        context = absorbed.copy()
        context.update(view[start : start + size])
        digests.append(context.digest())
    return b"".join(digests)


def compute_digests(data: Bytes, size: int, prefix: int) -> bytes:
    """SHA-256 of prefix || piece for every piece of `size` bytes, one digest after the other.

    `data` is contiguous, a multiple of `size`, and `size` one of 64 bytes.
    """
    assert data.size % size == 0 and size % BLOCK_BYTES == 0 and data.flags.c_contiguous
    hash_many = get_hash_many()
    if hash_many is None:
        return _hash_by_hashlib(data, size, prefix)
    count = data.size // size
    out = np.empty(count * DIGEST_BYTES, dtype=np.uint8)
    source, target = data.ctypes.data, out.ctypes.data
    parts = max(1, min(torch.get_num_threads(), data.size // SLICE_BYTES))
    bounds = [count * part // parts for part in range(parts + 1)]
    slices = [
        (source + low * size, target + low * DIGEST_BYTES, high - low, size, prefix)
        for low, high in zip(bounds, bounds[1:])
    ]
    threads.run_slices(hash_many, slices)
    return out.tobytes()
