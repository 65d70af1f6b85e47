"""The instruction set: one enumeration, one legality table, one descriptor.

An instruction computes one tensor. Each element of it is a function of few elements of its
operands, which is what lets a contract recompute any one of them. `protocol.semantics` says what
each instruction computes; this module says what an instruction *is*.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum

from protocol.types import (
    ATTRIBUTES_MAX,
    OPERANDS_MAX,
    RANK_MAX,
    Dtype,
    Shape,
    compute_size,
)
from protocol.views import View

F32, I32, I64 = Dtype.F32, Dtype.I32, Dtype.I64


class Opcode(IntEnum):
    """Every instruction; the number is what descriptors carry."""

    # Maps: one element from one element per operand.
    ADD = 1
    SUB = 2
    MUL = 3
    DIV = 4
    SQRT = 5
    NEG = 6
    ABS = 7
    FLOOR = 8
    EXP = 9
    LOG = 10
    TANH = 11
    ERF = 12
    MAX = 13
    MIN = 14
    LT = 15
    LE = 16
    EQ = 17
    AND = 18
    OR = 19
    NOT = 20
    SELECT = 21
    IADD = 22
    ISUB = 23
    IMUL = 24
    I2F = 25
    F2I = 26
    QUANTIZE = 27
    DEQUANTIZE = 28
    COPY = 29
    ILT = 30
    ILE = 31
    IEQ = 32
    # Folds: one element from K elements per folded operand, in any order.
    DOT = 40
    SUM = 41
    MAXIMUM = 42
    ABSMAX = 43
    MATCH_SUM = 44
    # Memory: one element chosen by its position, by an index or from outside the step.
    CONST = 50
    IOTA = 51
    GATHER = 52
    CONCAT = 53
    LOAD_STATE = 54
    LOAD_BATCH = 55
    RANDOM = 56


class Kind(Enum):
    """The three classes of instruction."""

    MAP = "map"
    FOLD = "fold"
    MEMORY = "memory"


class Source(IntEnum):
    """Where an operand's tensor comes from."""

    NONE = 0
    INSTRUCTION = 1  # an earlier instruction of the same operator
    INPUT = 2  # an input of the operator: another operator's output


@dataclass(frozen=True)
class Legality:
    """What one opcode accepts: `types` lists each allowed (operand dtypes -> output dtype)."""

    kind: Kind
    types: tuple[tuple[tuple[Dtype, ...], Dtype], ...]
    attributes: tuple[str, ...] = ()
    folded: int = 0  # how many leading operands run along the fold axis

    @property
    def operand_counts(self) -> frozenset[int]:
        """How many operands the opcode may have."""
        return frozenset(len(operands) for operands, _ in self.types)


def _map(*types: tuple[tuple[Dtype, ...], Dtype], attributes: tuple[str, ...] = ()) -> Legality:
    return Legality(Kind.MAP, types, attributes)


_F_F = _map(((F32,), F32))
_FF_F = _map(((F32, F32), F32))
_FF_I = _map(((F32, F32), I32))
_II_I = _map(((I32, I32), I32))

LEGALITY: dict[Opcode, Legality] = {
    Opcode.ADD: _FF_F,
    Opcode.SUB: _FF_F,
    Opcode.MUL: _FF_F,
    Opcode.DIV: _FF_F,
    Opcode.SQRT: _F_F,
    Opcode.NEG: _F_F,
    Opcode.ABS: _F_F,
    Opcode.FLOOR: _F_F,
    Opcode.EXP: _F_F,
    Opcode.LOG: _F_F,
    Opcode.TANH: _F_F,
    Opcode.ERF: _F_F,
    Opcode.MAX: _FF_F,
    Opcode.MIN: _FF_F,
    Opcode.LT: _FF_I,
    Opcode.LE: _FF_I,
    Opcode.EQ: _FF_I,
    Opcode.AND: _II_I,
    Opcode.OR: _II_I,
    Opcode.NOT: _map(((I32,), I32)),
    Opcode.SELECT: _map(((I32, F32, F32), F32), ((I32, I32, I32), I32)),
    Opcode.IADD: _II_I,
    Opcode.ISUB: _II_I,
    Opcode.IMUL: _II_I,
    Opcode.I2F: _map(((I32,), F32)),
    Opcode.F2I: _map(((F32,), I32)),
    Opcode.QUANTIZE: _map(((F32, F32), I32), attributes=("bits",)),
    Opcode.DEQUANTIZE: _map(
        ((I64, F32, F32), F32), ((I64, F32), F32), attributes=("bits_a", "bits_b")
    ),
    Opcode.COPY: _map(((F32,), F32), ((I32,), I32)),
    Opcode.ILT: _II_I,
    Opcode.ILE: _II_I,
    Opcode.IEQ: _II_I,
    Opcode.DOT: Legality(Kind.FOLD, (((I32, I32), I64),), folded=2),
    Opcode.SUM: Legality(Kind.FOLD, (((I32,), I64),), folded=1),
    Opcode.MAXIMUM: Legality(Kind.FOLD, (((F32,), F32),), folded=1),
    Opcode.ABSMAX: Legality(Kind.FOLD, (((F32,), F32),), folded=1),
    Opcode.MATCH_SUM: Legality(Kind.FOLD, (((I32, I32, I32), I64),), folded=2),
    Opcode.CONST: Legality(Kind.MEMORY, (((), F32), ((), I32)), ("value",)),
    Opcode.IOTA: Legality(Kind.MEMORY, (((), I32),), ("axis",)),
    Opcode.GATHER: Legality(
        Kind.MEMORY, (((F32, I32), F32), ((I32, I32), I32)), ("stride", "limit")
    ),
    Opcode.CONCAT: Legality(Kind.MEMORY, (((F32, F32), F32), ((I32, I32), I32)), ("axis", "split")),
    Opcode.LOAD_STATE: Legality(Kind.MEMORY, (((), F32), ((), I32)), ("slot",)),
    Opcode.LOAD_BATCH: Legality(Kind.MEMORY, (((), F32), ((), I32)), ("field",)),
    Opcode.RANDOM: Legality(Kind.MEMORY, (((I32,), I32),), ("key_0", "key_1")),
}


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand: a source tensor and the index map that reads it.

    `view.shape` is the output's shape (the map has one stride per output axis). A folded operand
    reads K further elements at unit stride from each position.
    """

    source: Source
    index: int  # instruction number, or position in the operator's inputs
    dtype: Dtype
    size: int  # elements in the source tensor
    view: View


@dataclass(frozen=True, slots=True)
class Instruction:
    """One entry of an operator's microcode; its output is row-major and contiguous."""

    opcode: Opcode
    dtype: Dtype
    shape: Shape
    operands: tuple[Operand, ...] = ()
    fold: int = 1  # K for folds, 1 otherwise
    attributes: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Elements of the output."""
        return compute_size(self.shape)

    @property
    def kind(self) -> Kind:
        """Map, fold or memory."""
        return LEGALITY[self.opcode].kind


def encode_words(words: list[int]) -> bytes:
    """ABI encoding of a static tuple of integers below 2**255: 32 bytes each, two's complement."""
    return b"".join([word.to_bytes(32, "big", signed=True) for word in words])


def _encode_operand(operand: Operand | None) -> list[int]:
    if operand is None:
        return [0] * (5 + RANK_MAX)
    strides = operand.view.strides
    return [
        operand.source,
        operand.index,
        operand.dtype,
        operand.size,
        operand.view.offset,
        *strides,
        *[0] * (RANK_MAX - len(strides)),
    ]


def encode_instruction(instruction: Instruction) -> bytes:
    """The descriptor that the chain opens, 55 words.

    ABI type: (uint8 opcode, uint8 dtype, uint8 rank, uint64[8] shape, uint64 fold,
    int64[4] attributes, (uint8 source, uint32 index, uint8 dtype, uint64 size, int64 offset,
    int64[8] strides)[3] operands). Unused places are zero.
    """
    words: list[int] = [
        instruction.opcode,
        instruction.dtype,
        len(instruction.shape),
        *instruction.shape,
        *[0] * (RANK_MAX - len(instruction.shape)),
        instruction.fold,
        *instruction.attributes,
        *[0] * (ATTRIBUTES_MAX - len(instruction.attributes)),
    ]
    for position in range(OPERANDS_MAX):
        here = position < len(instruction.operands)
        words += _encode_operand(instruction.operands[position] if here else None)
    return encode_words(words)
