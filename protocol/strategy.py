"""Honest play, as pure functions of the game and of what the player holds.

The worker answers what is owed from its trace. The challenger's whole strategy is one sentence:
pick the first child that differs from your own. All earlier siblings then agree, so every input
of what is contested is agreed, and a wrong element cannot be proved.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from protocol import moves, verifier
from protocol.game_state import Game, Level, Stage
from protocol.merkle import ZERO_VALUE, Tree
from protocol.program import Program
from protocol.types import LEAF_BYTES, Dtype, Root


class Evidence(verifier.Evidence, Protocol):
    """A whole run, as its executor gives access to it; steps count over the run."""

    @property
    def program(self) -> Program: ...

    def claim_tree(self) -> Tree:
        """Vector over the segment-end state roots."""

    def step_tree(self, segment: int) -> Tree:
        """Vector over the roots of the states after each step of the segment."""

    def slot_tree(self, step: int) -> Tree:
        """Vector over the slots' tensor roots after the step."""

    def chunk_tree(self, step: int, operator: int, instruction: int, element: int) -> Tree:
        """Vector over a fold's accumulator words after each 256 elements."""


def get_tree(game: Game, evidence: Evidence) -> Tree:
    """The player's own tree where the game stands."""
    indices = game.indices
    operator, instruction = indices[Level.OPERATOR], indices[Level.INSTRUCTION]
    match game.level:
        case Level.SEGMENT:
            return evidence.claim_tree()
        case Level.STEP:
            return evidence.step_tree(indices[Level.SEGMENT])
        case Level.SLOT:
            return evidence.slot_tree(game.step)
        case Level.OPERATOR:
            return evidence.operator_tree(game.step)
        case Level.INSTRUCTION:
            return evidence.instruction_tree(game.step, operator)
        case Level.ELEMENT:
            return evidence.tensor_tree(game.step, operator, instruction)
        case Level.CHUNK:
            element = indices[Level.ELEMENT]
            return evidence.chunk_tree(game.step, operator, instruction, element)


def get_contested_data(game: Game, evidence: Evidence) -> bytes:
    """The player's own contested leaf, at level ELEMENT."""
    operator, instruction = game.indices[Level.OPERATOR], game.indices[Level.INSTRUCTION]
    tensor = evidence.tensor(game.step, operator, instruction)
    data = np.ascontiguousarray(tensor).reshape(-1).view(np.uint8)
    start = game.index * LEAF_BYTES
    return data[start : start + LEAF_BYTES].tobytes().ljust(LEAF_BYTES, b"\0")


# --- The challenger -------------------------------------------------------------------------------


def compute_challenger_move(
    game: Game, evidence: Evidence, revealed: Sequence[Root] | bytes
) -> moves.Pick | moves.PickElement | None:
    """The move that is due; None when none is, or when nothing revealed differs.

    `revealed` is what the worker's last move showed: nodes, or the leaf's data.
    """
    if game.stage is Stage.PICK:
        own = get_tree(game, evidence).get_descendants(game.height, game.index, game.depth)
        nodes = [node for node in revealed if isinstance(node, bytes)]
        for child, (theirs, mine) in enumerate(zip(nodes, own)):
            if theirs != mine:
                return build_pick(game, child, nodes)
    if game.stage is Stage.PICK_ELEMENT and isinstance(revealed, bytes):
        data = get_contested_data(game, evidence)
        size = Dtype(game.dtype).size_bytes
        for position in range(len(data) // size):
            here = slice(position * size, (position + 1) * size)
            if revealed[here] != data[here]:
                return moves.PickElement(game.move, position)
    return None


def build_pick(game: Game, child: int, nodes: Sequence[Root]) -> moves.Pick:
    """A pick of one of the nodes that were revealed."""
    below = Tree(nodes, ZERO_VALUE)
    return moves.Pick(game.move, child, nodes[child], tuple(below.get_path(child)))


# --- The worker -----------------------------------------------------------------------------------


def compute_worker_move(game: Game, evidence: Evidence) -> moves.SideMove | None:
    """The move that is due; None when none is."""
    match game.stage:
        case Stage.REVEAL:
            tree = get_tree(game, evidence)
            nodes = tree.get_descendants(game.height, game.index, game.depth)
            return moves.Reveal(game.move, tuple(nodes))
        case Stage.EXPAND:
            return compute_expansion(game, evidence)
        case Stage.REVEAL_LEAF:
            return moves.RevealLeaf(game.move, get_contested_data(game, evidence))
        case Stage.PROVE:
            return compute_proof(game, evidence)
    return None


def compute_expansion(game: Game, evidence: Evidence) -> moves.SideMove:
    """The next level's vector, linked to the contested leaf."""
    program, step, move = evidence.program, game.step, game.move
    operator = game.indices[Level.OPERATOR]
    header = verifier.build_header(program)
    if game.level is Level.SEGMENT:
        tree = evidence.step_tree(game.index)
        return moves.ExpandStep(move, tree.root, tuple(tree.get_path(tree.count - 1)))
    if game.level is Level.STEP:
        return moves.ExpandSlot(move, header)
    if game.level is Level.SLOT:
        tree = evidence.operator_tree(step)
        slot = verifier.build_slot_descriptor(program, game.index)
        path, slot_path = tree.get_path(slot.producer), program.slot_tree.get_path(game.index)
        return moves.ExpandOperator(move, tree.root, tuple(path), header, slot, tuple(slot_path))
    if game.level is Level.OPERATOR:
        tree = evidence.instruction_tree(step, operator)
        path, operator_path = (
            tree.get_path(tree.count - 1),
            program.operator_tree.get_path(operator),
        )
        opened = verifier.build_operator_descriptor(program, operator)
        return moves.ExpandInstruction(
            move, tree.root, tuple(path), header, opened, tuple(operator_path)
        )
    if game.level is Level.INSTRUCTION:
        path = program.instruction_trees[operator].get_path(game.index)
        return moves.ExpandElement(move, program.microcode[operator][game.index], tuple(path))
    instruction, element = game.indices[Level.INSTRUCTION], game.indices[Level.ELEMENT]
    tree = evidence.chunk_tree(step, operator, instruction, element)
    path = tree.get_path(tree.count - 1)
    return moves.ExpandChunk(move, tree.root, tuple(path), get_contested_data(game, evidence))


def compute_proof(game: Game, evidence: Evidence) -> moves.Prove:
    """What the contested element is computed from."""
    operator, instruction = game.indices[Level.OPERATOR], game.indices[Level.INSTRUCTION]
    element, chunk = game.indices[Level.ELEMENT], game.indices[Level.CHUNK]
    openings = verifier.build_openings(
        evidence.program, game.step, operator, instruction, element, chunk, evidence
    )
    return moves.Prove(
        game.move,
        verifier.build_location(evidence.program, operator, instruction),
        tuple(openings),
        get_agreed(game, evidence),
        b"" if game.level is Level.CHUNK else get_contested_data(game, evidence),
    )


def get_agreed(game: Game, evidence: Evidence) -> moves.Agreed:
    """The state before the contested step and the accumulator before the contested chunk."""
    state, state_path = ZERO_VALUE, list[Root]()
    accumulator, accumulator_path = ZERO_VALUE, list[Root]()
    segment, step = game.indices[Level.SEGMENT], game.indices[Level.STEP]
    if step > 0:
        tree = evidence.step_tree(segment)
        state, state_path = tree.get_node(0, step - 1), tree.get_path(step - 1)
    elif segment > 0:
        tree = evidence.claim_tree()
        state, state_path = tree.get_node(0, segment - 1), tree.get_path(segment - 1)
    chunk = game.indices[Level.CHUNK]
    if chunk > 0:
        tree = get_tree(game, evidence)
        accumulator, accumulator_path = tree.get_node(0, chunk - 1), tree.get_path(chunk - 1)
    return moves.Agreed(state, tuple(state_path), accumulator, tuple(accumulator_path))
