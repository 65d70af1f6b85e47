"""Types, units and limits that every other part of the specification uses.

The three tiers of numbers: constants (here, part of the protocol's identity), presets (what a
deployment chooses: clocks, bonds, windows) and network configuration (addresses, chain ids). Only
the first tier lives in the specification.
"""

from enum import IntEnum
from math import prod
from typing import NewType

import numpy as np
import numpy.typing as npt

Root = NewType("Root", bytes)  # 32 bytes, a SHA-256 digest
Seed = NewType("Seed", bytes)  # 32 bytes
StepIndex = NewType("StepIndex", int)  # steps since genesis; the first step has index 0
SegmentIndex = NewType("SegmentIndex", int)
SlotIndex = NewType("SlotIndex", int)
OperatorIndex = NewType("OperatorIndex", int)
Seconds = NewType("Seconds", int)
Wei = NewType("Wei", int)

Array = npt.NDArray[np.generic]
Shape = tuple[int, ...]

CANONICAL_NAN = 0x7FC00000  # the only NaN that a result may hold

RANK_MAX = 2**3  # = 8: im2col of a grouped convolution needs 7
OPERANDS_MAX = 3  # SELECT, DEQUANTIZE and MATCH_SUM have three
ATTRIBUTES_MAX = 4
INPUTS_MAX = 2**3  # = 8: inputs of one operator
INSTRUCTIONS_MAX = 2**6  # = 64: instructions of one operator
INSTRUCTIONS_TOTAL_MAX = 2**18  # = 262,144: of a program; what a validator holds in memory
OPERATORS_MAX = 2**16
SLOTS_MAX = 2**16
FIELDS_MAX = 2**4
ROWS_MAX = 2**20  # records per step
REPORTED_MAX = 2**6
NAME_LENGTH_MAX = 2**8  # characters of a slot's, field's, operator kind's or reported name
SOURCE_LENGTH_MAX = 2**10  # characters of an operator's note on where it came from
LIST_LENGTH_MAX = 2 * RANK_MAX  # of an attribute that is a list: a pair per axis
ELEMENTS_MAX = 2**32  # per tensor: a path of 24 hashes, and RANDOM counts positions in 32 bits
FOLD_MAX = 2**28
STEPS_MAX = 2**40
SEGMENTS_MAX = 2**20
SEGMENT_LENGTH_MAX = 2**20
RECORDS_MAX = 2**40
PATH_MAX = 2**5 - 8  # = 24: no tree of the protocol is higher

LEAF_BYTES = 2**10  # a tensor's leaf: 256 elements of four bytes, 128 of eight
CHUNK_LENGTH = 2**8  # = 256: elements of a fold that the chain folds at once
REVEAL_ARITY = 2**5  # = 32: descendants that one reveal opens
REVEAL_DEPTH = 5  # log2(REVEAL_ARITY)
BITS_MIN = 2  # of QUANTIZE: one bit besides the sign
BITS_MAX = 24  # a float32 has no more
ACCUMULATOR_BITS = 62  # |accumulator| <= 2**62, so that no order of additions overflows an i64


class Dtype(IntEnum):
    """Element types; the number is what descriptors carry."""

    F32 = 1  # IEEE 754 binary32, gradual underflow
    I32 = 2  # two's complement; booleans are I32 0 or 1
    I64 = 3  # accumulators of DOT, SUM and MATCH_SUM only

    @property
    def size_bytes(self) -> int:
        """Bytes of one element."""
        return 8 if self is Dtype.I64 else 4

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The little-endian numpy type whose bytes are committed."""
        return np.dtype({Dtype.F32: "<f4", Dtype.I32: "<i4", Dtype.I64: "<i8"}[self])


def compute_size(shape: Shape) -> int:
    """Number of elements of a tensor of that shape (1 for a scalar)."""
    return prod(shape)


def compute_ceil_log2(count: int) -> int:
    """Smallest d with 2**d >= count, the height of a binary tree over `count` leaves."""
    return (count - 1).bit_length() if count > 1 else 0
