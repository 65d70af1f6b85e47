"""The last move."""

from dataclasses import fields, replace

import boa
import pytest

from protocol import moves
from protocol.game import Level, Outcome, Stage
from protocol.types import Root
from tests.disputes import BOND
from tests.economy import BURN_ADDRESS, CLAIM_SLASHED, POSTED
from tests.game_table import Place
from tests.unit.contracts.challenge_game.places import ADD, DOT, LAST_LEAF, SUM

OTHER, ZERO = Root(b"\x07" * 32), Root(bytes(32))
LOADED = Place((1, 1, 0, 0, 0, 0, 0))
FIRST_LOADED = Place((1, 0, 0, 0, 0, 0, 0))
ROOTS = [item.name for item in fields(moves.Posted)]


@pytest.mark.parametrize("place", [DOT, SUM, LAST_LEAF, ADD])
def test_prove__true_element__pays_the_worker(table, place):
    economy, contract = table.economy, table.contract
    game_id = table.open()
    level = Level.CHUNK if place in (DOT, SUM) else Level.ELEMENT
    table.advance(game_id, level, Stage.PROVE, place)
    assert table.play(game_id, table.owe(game_id), table.worker) == ""
    assert table.games[game_id].outcome is Outcome.WORKER_WON
    proved = table.get_event("Proved")
    assert proved["claimed"] == proved["computed"]
    assert contract.owed_to(table.worker) == contract.total_held() == 600
    assert economy.token.balanceOf(BURN_ADDRESS) == 401
    claim = economy.escrow.claim_of(table.claim_id)
    assert claim.open_games == 0
    assert contract.withdraw(sender=table.worker) == 600
    assert economy.token.balanceOf(table.worker) == 600


def test_prove__false_element__slashes_the_worker(false_table, truth):
    table = false_table
    economy, contract = table.economy, table.contract
    game_id = table.open()
    assert table.play_out(game_id, truth) is Outcome.CHALLENGER_WON
    game, lie = table.games[game_id], table.claimed.lie
    assert (game.step, *game.indices[3:6]) == (lie.step, lie.operator, lie.instruction, lie.element)
    assert game.indices[Level.CHUNK] == lie.chunk
    proved = table.get_event("Proved")
    accumulators = truth.accumulators(lie.step, lie.operator, lie.instruction, lie.element)
    assert int.from_bytes(proved["computed"], "big") == accumulators[lie.chunk]
    assert proved["claimed"] != proved["computed"]
    bond = BOND
    assert contract.owed_to(game.challenger) == contract.total_held() == bond
    assert economy.escrow.claim_of(table.claim_id).status == CLAIM_SLASHED
    assert economy.escrow.task_of(1).status == POSTED
    assert economy.splitter.owed_to(game.challenger) > 0
    assert contract.withdraw(sender=game.challenger) == bond


@pytest.mark.parametrize("place", [DOT, SUM, LAST_LEAF, ADD])
def test_prove__malformed__reverts(table, place):
    game_id = table.open()
    level = Level.CHUNK if place in (DOT, SUM) else Level.ELEMENT
    table.advance(game_id, level, Stage.PROVE, place)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.Prove)
    agreed, location, first = owed.agreed, owed.location, owed.openings[0]
    leaf = bytes([first.leaves[0][0] ^ 1]) + first.leaves[0][1:]
    refusals: list[tuple[moves.Prove, str]] = [
        (replace(owed, openings=()), "verifier: wrong number of openings"),
        (
            replace(owed, openings=(replace(first, leaves=(leaf,)), *owed.openings[1:])),
            "verifier: wrong leaf",
        ),
        (
            replace(owed, openings=(replace(first, root=OTHER), *owed.openings[1:])),
            "verifier: wrong tensor",
        ),
        (
            replace(owed, location=replace(location, operator_path=location.operator_path[1:])),
            "verifier: wrong path length",
        ),
        (
            replace(owed, location=replace(location, header=replace(location.header, rows=1))),
            "verifier: wrong header",
        ),
        *(
            (replace(owed, posted=replace(owed.posted, **{name: OTHER})), "game: roots not posted")
            for name in ROOTS[: 5 if level is Level.CHUNK else 4]
        ),
    ]
    if level is Level.CHUNK:
        refusals += [
            (replace(owed, data=bytes(1024)), "game: superfluous data"),
            (
                replace(owed, agreed=replace(agreed, accumulator=OTHER)),
                "game: accumulator not agreed",
            ),
            (
                replace(owed, agreed=replace(agreed, accumulator_path=())),
                "game: wrong path length",
            ),
        ]
    else:
        refusals += [
            (replace(owed, data=bytes(1024)), "game: not the contested leaf"),
            (replace(owed, data=b""), "game: not the contested leaf"),
            (
                replace(owed, agreed=replace(agreed, accumulator_path=(OTHER,))),
                "game: wrong path length",
            ),
        ]
    for move, reason in refusals:
        assert table.play(game_id, move, table.worker) == reason
    assert table.play(game_id, owed, table.worker) == ""


@pytest.mark.parametrize("place", [LOADED, FIRST_LOADED])
def test_prove__state_before__must_be_the_agreed_one(table, place):
    """A LOAD_STATE, in the middle of a segment and at its start."""
    game_id = table.open()
    table.advance(game_id, Level.ELEMENT, Stage.PROVE, place)
    owed = table.owe(game_id)
    agreed = owed.agreed
    assert len(agreed.state_path) == 2
    for bad, reason in (
        (replace(agreed, state_path=agreed.state_path[1:]), "game: wrong path length"),
        (replace(agreed, state_path=(*agreed.state_path, OTHER)), "game: wrong path length"),
        (replace(agreed, state_root=OTHER), "game: state not agreed"),
        (replace(agreed, state_root=ZERO), "game: wrong path length"),
        (moves.Agreed(OTHER), "game: wrong path length"),
        # Left out: nothing opens under the zero root.
        (moves.Agreed(), "verifier: wrong tensor"),
    ):
        assert table.play(game_id, replace(owed, agreed=bad), table.worker) == reason
    assert table.play(game_id, owed, table.worker) == ""
    assert table.games[game_id].outcome is Outcome.WORKER_WON


def test_prove__state_that_is_not_read__may_be_left_out_or_shown(table):
    ids = [table.open(boa.env.generate_address()) for _ in range(2)]
    states = table.claimed.step_tree(1)
    for game_id, agreed in zip(
        ids, (moves.Agreed(), moves.Agreed(states.get_node(0, 0), tuple(states.get_path(0))))
    ):
        table.advance(game_id, Level.ELEMENT, Stage.PROVE, Place((1, 1, 8, 26, 0, 0, 0)))
        owed = table.owe(game_id)
        assert owed.agreed == moves.Agreed()
        assert table.play(game_id, replace(owed, agreed=agreed), table.worker) == ""
        assert table.games[game_id].outcome is Outcome.WORKER_WON


def test_prove__first_step_of_all__starts_at_genesis(tiny_table):
    table = tiny_table
    game_id = table.open()
    game = table.advance(game_id, Level.ELEMENT, Stage.PROVE, ADD)
    owed = table.owe(game_id)
    longer = replace(owed, agreed=replace(owed.agreed, state_path=(OTHER,)))
    assert table.play(game_id, longer, table.worker) == "game: wrong path length"
    assert table.play(game_id, owed, table.worker) == ""
    assert game.step == 0


def test_prove__first_step_of_a_later_segment__starts_at_the_claim(table):
    """The state before it is a leaf of the claim."""
    game_id = table.open()
    game = table.advance(game_id, Level.ELEMENT, Stage.PROVE, Place((2, 0, 0, 0, 0, 0, 0)))
    owed = table.owe(game_id)
    assert game.step == 6
    assert owed.agreed.state_root == table.claimed.claim_tree().get_node(0, 1)
    assert table.play(game_id, owed, table.worker) == ""
