"""What every move is checked for: game, turn, move number, kind of move, clock."""

from dataclasses import replace

import boa
import pytest

from protocol import moves
from protocol.game import Level, Stage, compute_deadline
from protocol.types import Root
from tests.unit.contracts.challenge_game.places import DOT

ZERO = Root(bytes(32))


def test_move__unknown_game__reverts(table):
    contract = table.contract
    for call in (
        lambda: contract.reveal(1, 0, []),
        lambda: contract.timeout(1),
        lambda: contract.drop(1),
        lambda: contract.game_of(1),
        lambda: contract.deadline_of(1),
    ):
        with boa.reverts("game: unknown game"):
            call()


def test_move__by_the_other_side_or_a_stranger__reverts(table):
    game_id = table.open()
    owed = table.owe(game_id)
    for caller in (table.economy.challenger, boa.env.generate_address("stranger")):
        assert table.play(game_id, owed, caller) == "game: not your turn"
    assert table.play(game_id, owed, table.worker) == ""
    pick = moves.Pick(1, 0, ZERO, ())
    assert table.play(game_id, pick, table.worker) == "game: not your turn"


def test_move__made_for_another_state__reverts(table):
    game_id = table.open()
    owed = table.owe(game_id)
    for number in (1, 2, 2**256 - 1):
        stale = replace(owed, move=number)
        assert table.play(game_id, stale, table.worker) == "game: stale move"
    assert table.play(game_id, owed, table.worker) == ""
    assert table.play(game_id, owed, table.worker) == "game: stale move"


def test_move__of_another_kind__reverts(table):
    game_id = table.open()
    place = (Level.SEGMENT, Stage.EXPAND)
    proof = table.advance(game_id, *place, DOT)
    for move in (
        moves.Reveal(proof.move, (ZERO,)),
        moves.RevealLeaf(proof.move, bytes(1024)),
        moves.ExpandChunk(proof.move, (ZERO,), (), b""),
    ):
        assert table.play(game_id, move, table.worker) == "game: another move is owed"
    assert table.play(game_id, table.owe(game_id), table.worker) == ""


def test_move__in_the_last_second__is_made(table):
    game_id = table.open()
    boa.env.time_travel(seconds=compute_deadline(table.games[game_id]) - boa.env.timestamp)
    assert table.play(game_id, table.owe(game_id), table.worker) == ""
    assert table.games[game_id].worker_left == 0


def test_move__after_the_last_second__reverts(table):
    game_id = table.open()
    late = compute_deadline(table.games[game_id]) + 1 - boa.env.timestamp
    boa.env.time_travel(seconds=late)
    assert table.play(game_id, table.owe(game_id), table.worker) == "clock: expired"
    stranger = boa.env.generate_address("stranger")
    assert table.play(game_id, moves.Timeout(), stranger) == ""


def test_move__after_the_end__reverts(table):
    game_id = table.open()
    boa.env.time_travel(seconds=table.preset.worker_seconds + 1)
    assert table.play(game_id, moves.Timeout(), table.economy.challenger) == ""
    assert table.contract.deadline_of(game_id) == 0
    assert table.play(game_id, moves.Reveal(0, ()), table.worker) == "game: ended"
    for move in (moves.Timeout(), moves.Drop()):
        assert table.play(game_id, move, table.worker) == "game: ended"


def test_clock__budget_used_up__leaves_the_minimum(table):
    game_id = table.open()
    preset = table.preset
    boa.env.time_travel(seconds=preset.worker_seconds)
    table.advance(game_id, Level.SEGMENT, Stage.EXPAND, DOT)
    game = table.games[game_id]
    assert game.worker_left == 0
    minimum, extra = preset.minimum_move_seconds, game.subject.reexecution_seconds
    assert compute_deadline(game) == game.since + minimum + extra


@pytest.mark.parametrize("level", [Level.SEGMENT, Level.SLOT, Level.OPERATOR])
def test_clock__execution_is_owed__has_extra_time_for_both(table, level):
    game_id = table.open()
    game = table.advance(game_id, level, Stage.EXPAND, DOT)
    extra = game.subject.reexecution_seconds
    assert compute_deadline(game) == game.since + game.worker_left + extra
    boa.env.time_travel(seconds=extra + 5)
    game = table.advance(game_id, Level(level + 1), Stage.PICK, DOT)
    assert game.worker_left == table.preset.worker_seconds - 5
    assert compute_deadline(game) == game.since + game.challenger_left + extra
    assert table.preset.challenger_seconds == game.challenger_left
    boa.env.time_travel(seconds=extra)
    stage = Stage.REVEAL if game.height > game.depth else Stage.EXPAND
    game = table.advance(game_id, Level(level + 1), stage, DOT)
    assert game.challenger_left == table.preset.challenger_seconds


def test_timeout__challenger_is_late__worker_is_paid(table):
    game_id = table.open()
    table.advance(game_id, Level.SEGMENT, Stage.PICK, DOT)
    boa.env.time_travel(seconds=table.preset.challenger_seconds)
    stranger = boa.env.generate_address("stranger")
    assert table.play(game_id, moves.Timeout(), stranger) == "clock: not expired"
    boa.env.time_travel(seconds=1)
    assert table.play(game_id, moves.Timeout(), stranger) == ""
    event = table.get_event("GameEnded")
    assert (event["game_id"], event["claim_id"], event["outcome"]) == (1, table.claim_id, 1)
    settled = table.get_event("BondSettled")
    assert settled["account"] == table.worker
    assert (settled["amount"], settled["burned"]) == (600, 401)
    assert table.contract.owed_to(table.worker) == 600


def test_clock__games_against_the_claim__multiply_the_workers_extra_time(table):
    """Up to 16 times; the challenger, who plays one game, has it once."""
    game_id = table.open()
    game = table.advance(game_id, Level.SEGMENT, Stage.EXPAND, DOT)
    extra = game.subject.reexecution_seconds
    deadline = compute_deadline(game)
    for opened in range(2, 19):
        table.open(boa.env.generate_address())
        game = table.games[game_id]
        assert game.opened == min(opened, 16)
        later = deadline + (min(opened, 16) - 1) * extra
        assert table.contract.deadline_of(game_id) == compute_deadline(game) == later
    boa.env.timestamp = compute_deadline(game)
    game = table.advance(game_id, Level.STEP, Stage.PICK, DOT)
    assert game.worker_left == 0
    assert compute_deadline(game) == game.since + game.challenger_left + extra


def test_clock__game_that_has_ended__still_counts(table):
    """No deadline moves forward, whatever becomes of the other games."""
    game_id, other = table.open(), table.open(boa.env.generate_address())
    table.advance(game_id, Level.SEGMENT, Stage.EXPAND, DOT)
    table.advance(other, Level.SEGMENT, Stage.PICK, DOT)
    boa.env.time_travel(seconds=table.preset.challenger_seconds + 1)
    deadline = table.contract.deadline_of(game_id)
    assert table.play(other, moves.Timeout(), table.worker) == ""
    assert table.games[game_id].opened == 2
    assert table.contract.deadline_of(game_id) == deadline
