"""The contested kilobyte, and one element of it."""

from dataclasses import replace

import boa
import pytest

from protocol import moves
from protocol.game import Level, Stage
from protocol.merkle import Tree, compute_leaf, compute_node, compute_vector_tree
from tests.disputes import make_tiny_run
from tests.evidence import SpecEvidence
from tests.game_table import lay_table
from tests.unit.contracts.challenge_game.places import ADD, DOT, LAST_LEAF


@pytest.mark.parametrize("place", [DOT, LAST_LEAF, ADD])
def test_reveal_leaf__contested_data__is_logged(table, place):
    game_id = table.open()
    table.advance(game_id, Level.ELEMENT, Stage.REVEAL_LEAF, place)
    owed = table.owe(game_id)
    assert table.play(game_id, owed, table.worker) == ""
    event = table.get_event("LeafRevealed")
    assert (event["move"], event["data"]) == (owed.move, owed.data)
    assert table.games[game_id].stage is Stage.PICK_ELEMENT


def test_reveal_leaf__other_data__reverts(table):
    game_id = table.open()
    table.advance(game_id, Level.ELEMENT, Stage.REVEAL_LEAF, DOT)
    owed = table.owe(game_id)
    for data in (bytes(1024), b"", owed.data[:-1], b"\x01" + owed.data[1:]):
        reason = "game: not the contested leaf"
        assert table.play(game_id, replace(owed, data=data), table.worker) == reason


class DirtyTail(SpecEvidence):
    """The tiny run, with a byte behind the only element of its only tensor."""

    def __init__(self, at: int):
        super().__init__(make_tiny_run())
        self._at = at

    def get_data(self) -> bytes:
        data = self.tensor(0, 0, 0).tobytes().ljust(1024, b"\0")
        return data[: self._at] + b"\x01" + data[self._at + 1 :]

    def claim_tree(self) -> Tree:
        # Every tree is a single leaf, so the tensor's root is the claim.
        return compute_vector_tree([compute_leaf(self.get_data())])


@pytest.mark.parametrize("at", [4, 5, 31, 32, 35, 1023])
def test_reveal_leaf__bytes_behind_the_tensor__reverts(at):
    claimed = DirtyTail(at)
    with boa.env.anchor():
        table = lay_table(claimed)
        game_id = table.open()
        for _ in range(5):
            owed = table.owe(game_id)
            owed = replace(owed, nodes=(claimed.claim_tree().root,))
            if isinstance(owed, moves.ExpandElement):
                root, game = claimed.claim_tree().root, table.games[game_id]
                owed = replace(owed, before=moves.compute_posted(root, root, root))
                assert compute_node(owed.before, owed.microcode_root) == game.posted
            assert table.play(game_id, owed, table.worker) == ""
        owed = moves.RevealLeaf(table.games[game_id].move, claimed.get_data())
        assert table.play(game_id, owed, table.worker) == "game: padding must be zero"


@pytest.mark.parametrize(("place", "elements"), [(DOT, 6), (LAST_LEAF, 52), (ADD, 1)])
def test_pick_element__any_element__is_contested(table, place, elements):
    game_id = table.open()
    game = table.advance(game_id, Level.ELEMENT, Stage.PICK_ELEMENT, place)
    for position in (elements, 128, 255, 256, 2**255, 2**256 - 1):
        beyond = moves.PickElement(game.move, position)
        assert table.play(game_id, beyond, game.challenger) == "game: position out of range"
    last = moves.PickElement(game.move, elements - 1)
    assert table.play(game_id, last, game.challenger) == ""
    event = table.get_event("ElementPicked")
    element = (8_500 if place is LAST_LEAF else elements) - 1
    assert (event["game_id"], event["element"]) == (game_id, element)
    after = table.games[game_id]
    assert after.indices[Level.ELEMENT] == element
    assert after.stage is (Stage.EXPAND if place is DOT else Stage.PROVE)
