"""From a leaf of one level to the vector of the next."""

from dataclasses import replace

import pytest

from protocol import moves
from protocol.game import Game, Level, Stage
from protocol.types import Root
from tests.game_table import Table
from tests.unit.contracts.challenge_game.places import DOT, SUM

OTHER = Root(b"\x07" * 32)


def check_refusals(table: Table, game_id: int, refusals: list[tuple[moves.Move, str]]) -> None:
    for move, reason in refusals:
        assert table.play(game_id, move, table.worker) == reason


def expand(table: Table, game_id: int) -> Game:
    owed = table.owe(game_id)
    assert table.play(game_id, owed, table.worker) == ""
    game, event = table.games[game_id], table.get_event("Expanded")
    assert (event["game_id"], event["move"]) == (game_id, owed.move)
    assert (event["level"], event["root"], event["count"]) == (game.level, game.node, game.count)
    return game


def test_expand_step__states_of_the_segment__are_contested(table):
    game_id = table.open()
    table.advance(game_id, Level.SEGMENT, Stage.EXPAND, DOT)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandStep)
    reason = "game: leaf not under root"
    refusals = [
        (replace(owed, path=owed.path[:1]), "game: wrong path length"),
        (replace(owed, path=(*owed.path, OTHER)), "game: wrong path length"),
        (replace(owed, path=(OTHER, OTHER)), reason),
        (replace(owed, root=OTHER), reason),
    ]
    check_refusals(table, game_id, refusals)
    game = expand(table, game_id)
    assert (game.level, game.stage, game.height) == (Level.STEP, Stage.REVEAL, 2)
    assert game.step_root == game.node == owed.root


def test_expand_slot__header__gives_the_number_of_slots(table):
    game_id = table.open()
    before = table.advance(game_id, Level.STEP, Stage.EXPAND, DOT)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandSlot)
    forged = replace(owed.header, slots=1)
    check_refusals(table, game_id, [(replace(owed, header=forged), "verifier: wrong header")])
    game = expand(table, game_id)
    assert (game.level, game.node, game.count) == (Level.SLOT, before.node, 38)


def test_expand_operator__trace__holds_the_slot_at_its_producer(table):
    game_id = table.open()
    table.advance(game_id, Level.SLOT, Stage.EXPAND, DOT)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandOperator)
    shifted = replace(owed.slot, producer=12)
    refusals = [
        (replace(owed, header=replace(owed.header, operators=1)), "verifier: wrong header"),
        (replace(owed, slot=shifted), "verifier: wrong slot"),
        (replace(owed, slot_path=owed.slot_path[1:]), "verifier: wrong path length"),
        (replace(owed, slot_path=(OTHER, *owed.slot_path[1:])), "verifier: wrong slot"),
        (replace(owed, path=owed.path[1:]), "game: wrong path length"),
        (replace(owed, path=(OTHER, *owed.path[1:])), "game: leaf not under root"),
        (replace(owed, root=OTHER), "game: leaf not under root"),
    ]
    check_refusals(table, game_id, refusals)
    game = expand(table, game_id)
    assert (game.level, game.count, game.height) == (Level.OPERATOR, 85, 7)
    assert game.operator_trace_root == owed.root


def test_expand_instruction__trace__ends_with_the_operators_output(table):
    game_id = table.open()
    table.advance(game_id, Level.OPERATOR, Stage.EXPAND, DOT)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandInstruction)
    fewer = replace(owed.operator, instructions=1)
    refusals = [
        (replace(owed, header=replace(owed.header, version=2)), "verifier: wrong header"),
        (replace(owed, operator=fewer), "verifier: wrong operator"),
        (replace(owed, operator_path=owed.operator_path[1:]), "verifier: wrong path length"),
        (replace(owed, path=owed.path[1:]), "game: wrong path length"),
        (replace(owed, path=(OTHER, *owed.path[1:])), "game: leaf not under root"),
        (replace(owed, root=OTHER), "game: leaf not under root"),
    ]
    check_refusals(table, game_id, refusals)
    game = expand(table, game_id)
    assert (game.level, game.count) == (Level.INSTRUCTION, 7)
    assert game.instruction_trace_root == owed.root
    assert game.microcode_root == owed.operator.instructions_root


def test_expand_element__instruction__gives_size_type_and_chunks(table):
    game_id = table.open()
    before = table.advance(game_id, Level.INSTRUCTION, Stage.EXPAND, DOT)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandElement)
    larger = replace(owed.instruction, shape=(300, 2))
    refusals = [
        (replace(owed, instruction=larger), "verifier: wrong instruction"),
        (replace(owed, path=owed.path[1:]), "verifier: wrong path length"),
        (replace(owed, path=(OTHER, *owed.path[1:])), "verifier: wrong instruction"),
    ]
    check_refusals(table, game_id, refusals)
    game = expand(table, game_id)
    assert (game.level, game.stage, game.node) == (Level.ELEMENT, Stage.REVEAL_LEAF, before.node)
    assert (game.size, game.dtype, game.chunks, game.count) == (6, 3, 2, 1)


@pytest.mark.parametrize("place", [DOT, SUM])
def test_expand_chunk__accumulators__end_with_the_element(table, place):
    game_id = table.open()
    table.advance(game_id, Level.ELEMENT, Stage.EXPAND, place)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandChunk)
    spoilt = bytes([owed.data[0] ^ 1]) + owed.data[1:]
    refusals = [
        (replace(owed, data=spoilt), "game: not the contested leaf"),
        (replace(owed, data=owed.data[:-1]), "game: not the contested leaf"),
        (replace(owed, data=b""), "game: not the contested leaf"),
        (replace(owed, path=owed.path[1:]), "game: wrong path length"),
        (replace(owed, path=(OTHER, *owed.path[1:])), "game: leaf not under root"),
        (replace(owed, root=OTHER), "game: leaf not under root"),
    ]
    check_refusals(table, game_id, refusals)
    game = expand(table, game_id)
    assert (game.level, game.chunk_root) == (Level.CHUNK, owed.root)
    assert (game.count, game.height) == ((2, 1) if place is DOT else (34, 6))


def test_expansions__single_leaves__follow_one_another(tiny_table):
    table = tiny_table
    game_id = table.open()
    for level in (Level.SEGMENT, Level.STEP, Level.SLOT, Level.OPERATOR, Level.INSTRUCTION):
        game = table.games[game_id]
        assert (game.level, game.stage, game.height) == (level, Stage.EXPAND, 0)
        expand(table, game_id)
    assert table.games[game_id].stage is Stage.REVEAL_LEAF
