"""Honest play, as pure functions of the game and of what the player holds.

The worker answers what is owed from its trace. The challenger's whole strategy is one sentence:
pick the first child that differs from your own. All earlier siblings then agree, so every input
of what is contested is agreed, and a wrong element cannot be proved.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from protocol import moves, verifier
from protocol.game_state import Game, Level, Stage, compute_depth
from protocol.instructions import Opcode
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
    game: Game, evidence: Evidence, shown: Sequence[Root] | bytes
) -> moves.Pick | moves.PickElement | None:
    """The move that is due; None when none is, or when nothing shown differs.

    `shown` is what the worker's last move showed (`moves.get_shown`): nodes, or a leaf's bytes.
    """
    if game.stage is Stage.PICK:
        own = get_tree(game, evidence).get_descendants(game.height, game.index, game.depth)
        nodes = [node for node in shown if isinstance(node, bytes)]
        for child, (theirs, mine) in enumerate(zip(nodes, own)):
            if theirs != mine:
                return build_pick(game, child, nodes)
    if game.stage is Stage.PICK_ELEMENT and isinstance(shown, bytes):
        data = get_contested_data(game, evidence)
        size = Dtype(game.dtype).size_bytes
        for position in range(len(data) // size):
            here = slice(position * size, (position + 1) * size)
            if shown[here] != data[here]:
                return moves.PickElement(game.move, position)
    return None


def build_pick(game: Game, child: int, nodes: Sequence[Root]) -> moves.Pick:
    """A pick of one of the nodes that were shown."""
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


def compute_expansion(game: Game, evidence: Evidence) -> moves.Expansion:
    """The next level's vector, opened and linked to the contested leaf."""
    program, step, move = evidence.program, game.step, game.move
    operator, instruction = game.indices[Level.OPERATOR], game.indices[Level.INSTRUCTION]
    header = verifier.build_header(program)
    if game.level is Level.SEGMENT:
        tree = evidence.step_tree(game.index)
        return moves.ExpandStep(move, *get_link(tree, tree.count - 1))
    if game.level is Level.STEP:
        nodes, _ = get_link(evidence.slot_tree(step), 0)
        return moves.ExpandSlot(move, nodes, header)
    if game.level is Level.SLOT:
        slot = verifier.build_slot_descriptor(program, game.index)
        nodes, path = get_link(evidence.operator_tree(step), slot.producer)
        slot_path = tuple(program.slot_tree.get_path(game.index))
        return moves.ExpandOperator(move, nodes, path, header, slot, slot_path)
    if game.level is Level.OPERATOR:
        tree = evidence.instruction_tree(step, operator)
        nodes, path = get_link(tree, tree.count - 1)
        opened = verifier.build_operator_descriptor(program, operator)
        operator_path = tuple(program.operator_tree.get_path(operator))
        return moves.ExpandInstruction(move, nodes, path, header, opened, operator_path)
    if game.level is Level.INSTRUCTION:
        nodes, _ = get_link(evidence.tensor_tree(step, operator, instruction), 0)
        posted = get_posted(game, evidence)
        opened_instruction = program.microcode[operator][instruction]
        path = tuple(program.instruction_trees[operator].get_path(instruction))
        return moves.ExpandElement(
            move, nodes, posted.before_microcode, posted.microcode_root, opened_instruction, path
        )
    tree = evidence.chunk_tree(step, operator, instruction, game.indices[Level.ELEMENT])
    link = get_link(tree, tree.count - 1)
    return moves.ExpandChunk(move, *link, get_contested_data(game, evidence))


def get_link(tree: Tree, index: int) -> tuple[moves.Nodes, moves.Path]:
    """What an expansion shows of the tree, and the path from a leaf up to there."""
    depth = compute_depth(tree.height)
    nodes = tree.get_descendants(tree.height, 0, depth)
    return tuple(nodes), tuple(tree.get_path(index, top=tree.height - depth))


def compute_proof(game: Game, evidence: Evidence) -> moves.Prove:
    """What the contested element is computed from."""
    operator, instruction = game.indices[Level.OPERATOR], game.indices[Level.INSTRUCTION]
    element, chunk = game.indices[Level.ELEMENT], game.indices[Level.CHUNK]
    openings = verifier.build_openings(
        evidence.program, game.step, operator, instruction, element, chunk, evidence
    )
    return moves.Prove(
        game.move,
        get_posted(game, evidence),
        get_agreed(game, evidence),
        b"" if game.level is Level.CHUNK else get_contested_data(game, evidence),
        verifier.build_location(evidence.program, operator, instruction),
        tuple(openings),
    )


def get_posted(game: Game, evidence: Evidence) -> moves.Posted:
    """The roots that the worker has posted, or will, on the way to the contested instruction."""
    operator = game.indices[Level.OPERATOR]
    return moves.Posted(
        evidence.step_tree(game.indices[Level.SEGMENT]).root,
        evidence.operator_tree(game.step).root,
        evidence.instruction_tree(game.step, operator).root,
        evidence.program.instruction_trees[operator].root,
        get_tree(game, evidence).root if game.level is Level.CHUNK else ZERO_VALUE,
    )


def get_agreed(game: Game, evidence: Evidence) -> moves.Agreed:
    """The state before the contested step and the accumulator before the contested chunk."""
    state, state_path = get_state_before(game, evidence)
    accumulator, accumulator_path = ZERO_VALUE, list[Root]()
    chunk = game.indices[Level.CHUNK]
    if chunk > 0:
        tree = get_tree(game, evidence)
        accumulator, accumulator_path = tree.get_node(0, chunk - 1), tree.get_path(chunk - 1)
    return moves.Agreed(state, tuple(state_path), accumulator, tuple(accumulator_path))


def get_state_before(game: Game, evidence: Evidence) -> tuple[Root, Sequence[Root]]:
    """The state's root and path; neither where the instruction does not read the state."""
    segment, step = game.indices[Level.SEGMENT], game.indices[Level.STEP]
    operator, instruction = game.indices[Level.OPERATOR], game.indices[Level.INSTRUCTION]
    opcode = evidence.program.microcode[operator][instruction].opcode
    if opcode is not Opcode.LOAD_STATE or game.step == 0:
        return ZERO_VALUE, ()
    tree = evidence.step_tree(segment) if step > 0 else evidence.claim_tree()
    before = step - 1 if step > 0 else segment - 1
    return tree.get_node(0, before), tree.get_path(before)
