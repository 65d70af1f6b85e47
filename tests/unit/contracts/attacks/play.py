"""How the attackers play."""

from collections.abc import Callable
from typing import Any

import boa

from protocol import moves
from protocol.game import Game, Level, Stage
from protocol.merkle import Tree, compute_leaf, compute_tensor_tree, compute_vector_tree
from protocol.strategy import build_pick, compute_worker_move
from protocol.types import Array, Root
from tests.evidence import SpecEvidence
from tests.game_table import Table, compute_function_name, encode

OTHER = Root(b"\x05" * 32)


def advance(
    table: Table,
    game_id: int,
    level: Level,
    stage: Stage,
    leaves: tuple[int, ...],
    position: int = 0,
    play: Callable[[Table, int, moves.Move, str], str] = Table.play,
) -> Game:
    """Play on until level and stage; the challenger points at `leaves`, a leaf of each level."""
    while True:
        game = table.games[game_id]
        if (game.level, game.stage) == (level, stage):
            return game
        move: moves.SideMove | None
        if game.stage is Stage.PICK:
            child = (leaves[game.level] >> (game.height - game.depth)) - (game.index << game.depth)
            move = build_pick(game, child, table.shown[game_id])
        elif game.stage is Stage.PICK_ELEMENT:
            move = moves.PickElement(game.move, position)
        else:
            move = compute_worker_move(game, table.claimed)
        assert move is not None
        caller = game.challenger if game.is_challenger_owing() else table.worker
        assert play(table, game_id, move, caller) == ""


def owe(table: Table, game_id: int) -> Any:
    """The worker's owed move, by its evidence."""
    return compute_worker_move(table.games[game_id], table.claimed)


def prepare_calldata(table: Table, game_id: int, move: moves.Move) -> bytes:
    """The transaction's data, to be tampered with."""
    function = getattr(table.contract, compute_function_name(move))
    data: bytes = function.prepare_calldata(game_id, *encode(move))
    return data


def send(table: Table, data: bytes, sender: str) -> bool:
    """Whether a raw transaction to the game was accepted."""
    result = boa.env.execute_code(to_address=table.contract.address, sender=sender, data=data)
    return not result.is_error


class RewrittenEvidence(SpecEvidence):
    """A run with another tree in the place of one output, and all that follows from that.

    The tensors stay what they are: the worker lies about commitments only.
    """

    def rewrite(
        self, step: int, operator: int, instruction: int, tree: Tree
    ) -> "RewrittenEvidence":
        self._rewritten = {(step, operator, instruction): tree}
        assert step == self.run.steps - 1, "only the last step's state has no step after it"
        return self

    def _tree(self, step: int, operator: int, instruction: int, tensor: Array) -> Tree:
        code = self.program.microcode[operator]
        found: Tree | None = self._rewritten.get((step, operator, instruction % len(code)))
        return compute_tensor_tree(tensor) if found is None else found

    def tensor_tree(self, step: int, operator: int, instruction: int) -> Tree:
        return self._tree(step, operator, instruction, self._traces[step][operator][instruction])

    def instruction_tree(self, step: int, operator: int) -> Tree:
        outputs = self._traces[step][operator]
        trees = [self._tree(step, operator, m, output) for m, output in enumerate(outputs)]
        return compute_vector_tree([tree.root for tree in trees])

    def operator_tree(self, step: int) -> Tree:
        outputs = [code[-1] for code in self._traces[step]]
        trees = [self._tree(step, j, -1, output) for j, output in enumerate(outputs)]
        return compute_vector_tree([tree.root for tree in trees])

    def state_tree(self, step: int) -> Tree:
        if step == 0:
            return super().state_tree(step)
        trees = [
            self._tree(step - 1, slot.producer, -1, tensor)
            for slot, tensor in zip(self.program.slots, self._states[step])
        ]
        return compute_vector_tree([tree.root for tree in trees])

    def step_tree(self, segment: int) -> Tree:
        first = segment * self.run.segment_length
        length = self.run.segment_length
        return compute_vector_tree([self.state_tree(first + i + 1).root for i in range(length)])

    def claim_tree(self) -> Tree:
        length = self.run.segment_length
        ends = range(length, self.run.steps + 1, length)
        return compute_vector_tree([self.state_tree(step).root for step in ends])


def spoil_tail(tensor: Array) -> Tree:
    """The tree of a small tensor whose only leaf has something behind its end."""
    data = tensor.tobytes().ljust(1023, b"\0") + b"\x01"
    return Tree([compute_leaf(data)], OTHER)
