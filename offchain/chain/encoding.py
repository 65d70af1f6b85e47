"""Moves of the game as arguments of the contract's functions (IChallengeGame, IStepVerifier).

A proof travels as bytes: what follows the context in a call of `StepVerifier.compute_element`.
"""

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from eth_abi import encode

from protocol import moves
from protocol.descriptor import FieldDescriptor, Header, Location, OperatorDescriptor
from protocol.instructions import Instruction, Operand
from protocol.opening import TensorOpening
from protocol.types import ATTRIBUTES_MAX, OPERANDS_MAX, RANK_MAX

NO_OPERAND = (0, 0, 0, 0, 0, [0] * RANK_MAX)

# ABI types of IStepVerifier's structs.
HEADER = "(uint32,uint32,bytes32,uint32,bytes32,uint32,bytes32,uint32)"
OPERATOR = "(bytes32,uint32,uint8,uint32[8])"
OPERAND = "(uint8,uint32,uint8,uint64,int64,int64[8])"
INSTRUCTION = f"(uint8,uint8,uint8,uint64[8],uint64,int64[4],{OPERAND}[3])"
FIELD = "(uint8,uint64,uint64)"
LOCATION = f"({HEADER},{OPERATOR},bytes32[],{INSTRUCTION},bytes32[],{FIELD},bytes32[])"
OPENING = "(bytes32,bytes32[],bytes[],bytes32[][])"
CONTEXT_WORDS = 13


def _pad(values: Sequence[int], length: int) -> list[int]:
    return [*map(int, values), *[0] * (length - len(values))]


def _encode_operand(operand: Operand) -> tuple[Any, ...]:
    return (
        int(operand.source),
        operand.index,
        int(operand.dtype),
        operand.size,
        operand.view.offset,
        _pad(operand.view.strides, RANK_MAX),
    )


def _encode_instruction(instruction: Instruction) -> tuple[Any, ...]:
    operands = [_encode_operand(operand) for operand in instruction.operands]
    return (
        int(instruction.opcode),
        int(instruction.dtype),
        len(instruction.shape),
        _pad(instruction.shape, RANK_MAX),
        instruction.fold,
        _pad(instruction.attributes, ATTRIBUTES_MAX),
        operands + [NO_OPERAND] * (OPERANDS_MAX - len(operands)),
    )


def _encode_operator(operator: OperatorDescriptor) -> tuple[Any, ...]:
    return (
        operator.instructions_root,
        operator.instructions,
        operator.inputs,
        list(operator.producers),
    )


def _encode_location(location: Location) -> tuple[Any, ...]:
    header: Header = location.header
    field: FieldDescriptor = location.field
    return (
        astuple(header),
        _encode_operator(location.operator),
        list(location.operator_path),
        _encode_instruction(location.instruction),
        list(location.instruction_path),
        astuple(field),
        list(location.field_path),
    )


def _encode_opening(opening: TensorOpening) -> tuple[Any, ...]:
    return (
        opening.root,
        list(opening.root_path),
        list(opening.leaves),
        [list(path) for path in opening.leaf_paths],
    )


def _encode_agreed(agreed: moves.Agreed) -> tuple[Any, ...]:
    return (
        agreed.state_root,
        list(agreed.state_path),
        agreed.accumulator,
        list(agreed.accumulator_path),
    )


def encode_proof(move: moves.Prove) -> bytes:
    """The proof's location and openings, behind the place of the verifier's context."""
    openings = [_encode_opening(opening) for opening in move.openings]
    return encode(
        [f"bytes32[{CONTEXT_WORDS}]", LOCATION, f"{OPENING}[]"],
        [[bytes(32)] * CONTEXT_WORDS, _encode_location(move.location), openings],
    )[32 * CONTEXT_WORDS :]


def encode_move(move: moves.Move) -> tuple[str, list[Any]]:
    """(function, arguments after the game's id) of a move."""
    match move:
        case moves.Reveal():
            return "reveal", [move.move, list(move.nodes)]
        case moves.Pick():
            return "pick", [move.move, move.child, move.node, list(move.path)]
        case moves.ExpandStep():
            return "expand_step", [move.move, list(move.nodes), list(move.path)]
        case moves.ExpandSlot():
            return "expand_slot", [move.move, list(move.nodes), astuple(move.header)]
        case moves.ExpandOperator():
            return "expand_operator", [
                move.move,
                list(move.nodes),
                list(move.path),
                astuple(move.header),
                astuple(move.slot),
                list(move.slot_path),
            ]
        case moves.ExpandInstruction():
            return "expand_instruction", [
                move.move,
                list(move.nodes),
                list(move.path),
                astuple(move.header),
                _encode_operator(move.operator),
                list(move.operator_path),
            ]
        case moves.ExpandElement():
            return "expand_element", [
                move.move,
                list(move.nodes),
                move.before,
                move.microcode_root,
                _encode_instruction(move.instruction),
                list(move.path),
            ]
        case moves.RevealLeaf():
            return "reveal_leaf", [move.move, move.data]
        case moves.PickElement():
            return "pick_element", [move.move, move.position]
        case moves.ExpandChunk():
            return "expand_chunk", [move.move, list(move.nodes), list(move.path), move.data]
        case moves.Prove():
            return "prove", [
                move.move,
                astuple(move.posted),
                _encode_agreed(move.agreed),
                move.data,
                encode_proof(move),
            ]
        case moves.Timeout():
            return "timeout", []
        case moves.Drop():
            return "drop", []
