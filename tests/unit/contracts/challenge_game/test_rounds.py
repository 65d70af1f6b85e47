"""Reveal and pick."""

from dataclasses import replace

import pytest

from protocol.game import Level, Outcome, Stage
from protocol.game_state import compute_depth
from protocol.merkle import Tree
from protocol.strategy import build_pick
from protocol.types import Root
from tests.disputes import make_run
from tests.economy import CLAIM_SLASHED
from tests.evidence import SpecEvidence
from tests.game_table import lay_table
from tests.unit.contracts.challenge_game.places import DOT, LAST_LEAF

OTHER = Root(b"\x07" * 32)


def test_reveal__descendants__are_logged(table):
    game_id = table.open()
    owed = table.owe(game_id)
    assert table.play(game_id, owed, table.worker) == ""
    event = table.get_event("Revealed")
    assert (event["game_id"], event["move"]) == (game_id, 0)
    assert event["nodes"] == list(owed.nodes) and len(owed.nodes) == 4


def test_reveal__other_nodes__reverts(table):
    game_id = table.open()
    owed = table.owe(game_id)
    reason = "game: wrong number of nodes"
    for nodes in ((), owed.nodes[:2], owed.nodes * 2, owed.nodes[:3]):
        assert table.play(game_id, replace(owed, nodes=nodes), table.worker) == reason
    reason = "game: nodes not under contested node"
    for nodes in ((*owed.nodes[:3], OTHER), owed.nodes[::-1]):
        assert table.play(game_id, replace(owed, nodes=nodes), table.worker) == reason


def test_reveal__tall_tree__rounds_are_few_and_even(table):
    """The trace of 85 operators: seven generations in two rounds, of four and three."""
    game_id = table.open()
    game = table.advance(game_id, Level.OPERATOR, Stage.PICK, DOT)
    assert (game.height, len(table.shown[game_id])) == (7, 16)
    game = table.advance(game_id, Level.OPERATOR, Stage.REVEAL, DOT)
    assert (game.height, len(table.owe(game_id).nodes)) == (3, 8)


@pytest.mark.parametrize(
    ("height", "depths"),
    [
        (1, [1]),
        (5, [5]),
        (6, [3, 3]),
        (9, [5, 4]),
        (10, [5, 5]),
        (12, [4, 4, 4]),
        (16, [4, 4, 4, 4]),
        (21, [5, 4, 4, 4, 4]),
        (24, [5, 5, 5, 5, 4]),
    ],
)
def test_depth__any_height__is_even_over_the_fewest_rounds(height, depths):
    found = []
    while height > 0:
        found.append(compute_depth(height))
        height -= found[-1]
    assert found == depths


def test_pick__child__is_contested(table):
    game_id = table.open()
    game = table.advance(game_id, Level.OPERATOR, Stage.PICK, DOT)
    pick = build_pick(game, 1, table.shown[game_id])
    assert table.play(game_id, pick, game.challenger) == ""
    assert table.get_event("Picked")["child"] == 1
    after = table.games[game_id]
    assert (after.node, after.height, after.index) == (pick.node, 3, 1)


def test_pick__malformed__reverts(table):
    game_id = table.open()
    game = table.advance(game_id, Level.SEGMENT, Stage.PICK, DOT)
    pick = build_pick(game, 1, table.shown[game_id])
    for bad, reason in (
        (replace(pick, child=4), "game: child out of range"),
        (replace(pick, child=2**256 - 1), "game: child out of range"),
        (replace(pick, path=pick.path[:1]), "game: wrong path length"),
        (replace(pick, path=(*pick.path, OTHER)), "game: wrong path length"),
        (replace(pick, child=0), "game: child not under contested node"),
        (replace(pick, node=OTHER), "game: child not under contested node"),
        (replace(pick, path=(OTHER, pick.path[1])), "game: child not under contested node"),
    ):
        assert table.play(game_id, bad, game.challenger) == reason


def test_pick__true_padding__reverts(table):
    game_id = table.open()
    game = table.advance(game_id, Level.SEGMENT, Stage.PICK, DOT)
    pick = build_pick(game, 3, table.shown[game_id])
    assert table.play(game_id, pick, game.challenger) == "game: padding is zero"


def test_pick__true_padding_of_a_tensor__reverts(table):
    game_id = table.open()
    table.advance(game_id, Level.ELEMENT, Stage.PICK, LAST_LEAF)
    game = table.games[game_id]
    assert (game.count, game.height) == (34, 6)
    pick = build_pick(game, 4, table.shown[game_id])
    assert table.play(game_id, pick, game.challenger) == ""
    assert table.play(game_id, table.owe(game_id), table.worker) == ""
    pick = build_pick(table.games[game_id], 2, table.shown[game_id])
    assert table.play(game_id, pick, game.challenger) == "game: padding is zero"


class PaddedClaim(SpecEvidence):
    """A claim with a fourth leaf behind its three segments."""

    def claim_tree(self) -> Tree:
        true = super().claim_tree()
        return Tree([*(true.get_node(0, i) for i in range(3)), OTHER], OTHER)


def test_pick__padding_that_is_not_zero__slashes_at_once():
    claimed = PaddedClaim(make_run())
    table = lay_table(claimed)
    game_id = table.open()
    game = table.advance(game_id, Level.SEGMENT, Stage.PICK, DOT)
    pick = build_pick(game, 3, table.shown[game_id])
    assert table.play(game_id, pick, game.challenger) == ""
    assert table.games[game_id].outcome is Outcome.CHALLENGER_WON
    assert table.economy.escrow.claim_of(table.claim_id).status == CLAIM_SLASHED
