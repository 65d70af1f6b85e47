"""A fold's accumulators after each chunk, for one output element: a long fold's proof."""

from itertools import accumulate

import numpy as np

from protocol.instructions import Instruction, Opcode
from protocol.semantics import compute_sortable, fold_maximum
from protocol.types import CHUNK_LENGTH, Array


def encode_word(value: int) -> bytes:
    """A 32-byte big-endian word, two's complement."""
    return (value % 2**256).to_bytes(32, "big")


def get_element(tensor: Array, element: int) -> int:
    """One element of a flat tensor: an integer, or the bits of an f32."""
    if tensor.dtype == np.float32:
        return int(tensor[element : element + 1].view(np.uint32)[0])
    return int(tensor[element])


def compute_accumulators(
    instruction: Instruction, sources: tuple[Array, ...], element: int
) -> list[int]:
    """The element's accumulators after each CHUNK_LENGTH elements; `sources` are flat."""
    place = np.unravel_index(element, instruction.shape) if instruction.shape else ()
    vectors = []
    for operand, source in zip(instruction.operands, sources):
        start = operand.view.offset + sum(
            int(i) * stride for i, stride in zip(place, operand.view.strides)
        )
        vectors.append(source[start : start + instruction.fold])
    chunks = range(0, instruction.fold, CHUNK_LENGTH)
    match instruction.opcode:
        case Opcode.DOT:
            terms = vectors[0].astype(np.int64) * vectors[1].astype(np.int64)
        case Opcode.SUM:
            terms = vectors[0].astype(np.int64)
        case Opcode.MATCH_SUM:
            terms = np.where(vectors[0] == vectors[2][0], vectors[1], 0).astype(np.int64)
        case Opcode.MAXIMUM | Opcode.ABSMAX:
            values = vectors[0]
            if instruction.opcode is Opcode.ABSMAX:
                values = np.abs(values)
            return _compute_maxima(values, chunks)
        case _:
            raise AssertionError(f"{instruction.opcode!r} is no fold")
    return list(accumulate(int(terms[c : c + CHUNK_LENGTH].sum()) for c in chunks))


def _compute_maxima(values: Array, chunks: range) -> list[int]:
    parts = [fold_maximum(np.asarray(values[c : c + CHUNK_LENGTH])) for c in chunks]
    maxima = np.array(parts, dtype=np.float32)
    keys = np.maximum.accumulate(compute_sortable(maxima))
    running = maxima[[int(np.flatnonzero(compute_sortable(maxima) == k)[0]) for k in keys]]
    seen_nan = np.logical_or.accumulate(np.isnan(maxima))
    running = np.where(seen_nan, np.float32(np.nan), running).astype(np.float32)
    return [int(word) for word in running.view(np.uint32)]
