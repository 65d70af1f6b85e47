"""Descriptors against the documented ABI types, encoded by eth-abi."""

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from protocol.instructions import (
    LEGALITY,
    Instruction,
    Kind,
    Opcode,
    Operand,
    Source,
    encode_instruction,
    encode_words,
)
from protocol.types import ATTRIBUTES_MAX, OPERANDS_MAX, RANK_MAX, Dtype
from protocol.views import View

OPERAND_TYPE = "(uint8,uint32,uint8,uint64,int64,int64[8])"
INSTRUCTION_TYPE = f"(uint8,uint8,uint8,uint64[8],uint64,int64[4],{OPERAND_TYPE}[3])"

INT64 = st.integers(-(2**63), 2**63 - 1)
UINT64 = st.integers(0, 2**64 - 1)


@st.composite
def instructions(draw: st.DrawFn) -> Instruction:
    """Any instruction that can be encoded, valid or not."""
    rank = draw(st.integers(0, RANK_MAX))
    shape = tuple(draw(st.lists(UINT64, min_size=rank, max_size=rank)))
    operands = []
    for _ in range(draw(st.integers(0, OPERANDS_MAX))):
        strides = tuple(draw(st.lists(INT64, min_size=rank, max_size=rank)))
        operands.append(
            Operand(
                draw(st.sampled_from(Source)),
                draw(st.integers(0, 2**32 - 1)),
                draw(st.sampled_from(Dtype)),
                draw(UINT64),
                View(shape, strides, draw(INT64)),
            )
        )
    attributes = tuple(draw(st.lists(INT64, max_size=ATTRIBUTES_MAX)))
    return Instruction(
        draw(st.sampled_from(Opcode)),
        draw(st.sampled_from(Dtype)),
        shape,
        tuple(operands),
        draw(UINT64),
        attributes,
    )


def pad(numbers: tuple[int, ...], length: int) -> list[int]:
    return [*numbers, *[0] * (length - len(numbers))]


def to_abi(instruction: Instruction) -> tuple[object, ...]:
    """The instruction as a value of INSTRUCTION_TYPE."""
    operands = [
        (o.source, o.index, o.dtype, o.size, o.view.offset, pad(o.view.strides, RANK_MAX))
        for o in instruction.operands
    ]
    empty = (0, 0, 0, 0, 0, [0] * RANK_MAX)
    return (
        instruction.opcode,
        instruction.dtype,
        len(instruction.shape),
        pad(instruction.shape, RANK_MAX),
        instruction.fold,
        pad(instruction.attributes, ATTRIBUTES_MAX),
        operands + [empty] * (OPERANDS_MAX - len(operands)),
    )


@given(instructions())
def test_encode_instruction__any_instruction__is_its_abi_encoding(item: Instruction) -> None:
    encoded = encode_instruction(item)
    assert encoded == encode([INSTRUCTION_TYPE], [to_abi(item)])
    assert len(encoded) == 55 * 32


def test_encode_words__negative__is_twos_complement() -> None:
    assert encode_words([-1, 2]) == b"\xff" * 32 + bytes(31) + b"\x02"
    with pytest.raises(OverflowError):
        encode_words([2**255])


def test_legality__every_opcode__has_an_entry_that_fits_the_descriptor() -> None:
    assert set(LEGALITY) == set(Opcode)
    for opcode, legality in LEGALITY.items():
        assert len(legality.attributes) <= ATTRIBUTES_MAX, opcode
        assert max(legality.operand_counts) <= OPERANDS_MAX, opcode
        assert (legality.folded > 0) == (legality.kind is Kind.FOLD), opcode
        for operands, output in legality.types:
            assert legality.folded <= len(operands), opcode
            wide = Dtype.I64 in operands
            assert not wide or opcode is Opcode.DEQUANTIZE
            assert (output is Dtype.I64) == (opcode in (Opcode.DOT, Opcode.SUM, Opcode.MATCH_SUM))


def test_kind__one_of_each__is_the_tables() -> None:
    assert Instruction(Opcode.ADD, Dtype.F32, (2,)).kind is Kind.MAP
    assert Instruction(Opcode.DOT, Dtype.I64, (2,)).kind is Kind.FOLD
    assert Instruction(Opcode.CONST, Dtype.F32, (2, 3)).size == 6
