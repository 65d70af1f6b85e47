"""A dispute in words: where it went, what was claimed, what the chain computed."""

import struct
from dataclasses import dataclass

from offchain.chain.games import Verdict
from protocol.game_state import Game, Level, Outcome, Stage
from protocol.instructions import Kind
from protocol.opening import decode_word
from protocol.program import Program
from protocol.strategy import Evidence
from protocol.types import Dtype

OUTCOMES = {
    Outcome.NONE: "open",
    Outcome.WORKER_WON: "worker won",
    Outcome.CHALLENGER_WON: "challenger won",
    Outcome.DROPPED: "dropped",
}


@dataclass(frozen=True)
class Place:
    """One level of a dispute in words."""

    level: str
    words: str


def describe_path(game: Game, program: Program) -> list[Place]:
    """The contested place, as far as the game has come."""
    # A level is settled when its contested node is a leaf.
    depth = game.level + (game.height == 0)
    segment, step, slot, operator, instruction, element, chunk = game.indices
    places: list[Place] = []
    if depth > Level.SEGMENT:
        places.append(Place("segment", str(segment)))
    if depth > Level.STEP:
        places.append(Place("step", f"{game.step} ({step} of its segment)"))
    if depth > Level.SLOT:
        places.append(Place("slot", program.slots[slot].name))
    if depth > Level.OPERATOR:
        places.append(Place("operator", _describe_operator(program, operator)))
    if depth > Level.INSTRUCTION:
        code = program.microcode[operator][instruction]
        shape = "x".join(map(str, code.shape)) or "scalar"
        words = f"{instruction}: {code.opcode.name} -> {code.dtype.name.lower()} {shape}"
        places.append(Place("instruction", words))
        if depth > Level.ELEMENT:
            places.append(Place("element", f"{element} of {code.size}"))
        if game.chunks > 1 and code.kind is Kind.FOLD and depth > Level.ELEMENT:
            places.append(Place("chunk", f"{chunk} of {game.chunks} (256 terms each)"))
    return places


def _describe_operator(program: Program, operator: int) -> str:
    item = program.operators[operator]
    place = f", {item.source}" if item.source else ""
    return f"{operator}: {item.kind}{place}"


def describe_word(word: bytes, dtype: int) -> str:
    """An element's value as a person reads it, with its bits where it is a float."""
    if dtype == Dtype.F32:
        (value,) = struct.unpack(">f", word[28:])
        return f"{value:.9g} (0x{word[28:].hex()})"
    return str(int.from_bytes(word, "big", signed=True))


def describe_verdict(game: Game, verdict: Verdict | None) -> list[Place]:
    """What the worker claimed and what the chain computed, or that nothing was proved."""
    if verdict is None:
        return [Place("proof", "none: decided by the clock" if game.stage is Stage.ENDED else "")]
    return [
        Place("claimed", describe_word(verdict.claimed, game.dtype)),
        Place("computed", describe_word(verdict.computed, game.dtype)),
    ]


def compute_own_word(game: Game, evidence: Evidence) -> bytes:
    """What the holder of the evidence has where the game ended."""
    operator, instruction = game.indices[Level.OPERATOR], game.indices[Level.INSTRUCTION]
    element, chunk = game.indices[Level.ELEMENT], game.indices[Level.CHUNK]
    if game.level is Level.CHUNK:
        tree = evidence.chunk_tree(game.step, operator, instruction, element)
        return tree.get_node(0, chunk)
    tensor = evidence.tensor(game.step, operator, instruction)
    data = tensor.reshape(-1)[element : element + 1].tobytes()
    return decode_word(data, game.dtype).to_bytes(32, "big")
