"""From a leaf of one level to the vector of the next."""

from dataclasses import replace

import pytest

from protocol import moves
from protocol.game import Game, Level, Stage
from protocol.merkle import compute_node, compute_root_from_descendants
from protocol.types import Root
from tests.game_table import Table
from tests.unit.contracts.challenge_game.places import DOT, LAST_LEAF, SUM

OTHER = Root(b"\x07" * 32)


def check_refusals(table: Table, game_id: int, refusals: list[tuple[moves.Move, str]]) -> None:
    for move, reason in refusals:
        assert table.play(game_id, move, table.worker) == reason


def expand(table: Table, game_id: int) -> Game:
    owed = table.owe(game_id)
    assert table.play(game_id, owed, table.worker) == ""
    game, event = table.games[game_id], table.get_event("Expanded")
    assert (event["game_id"], event["move"]) == (game_id, owed.move)
    assert (event["level"], event["count"]) == (game.level, game.count)
    assert event["nodes"] == list(owed.nodes) and len(owed.nodes) == 2**game.depth
    assert compute_root_from_descendants(owed.nodes) == game.node
    return game


def check_nodes(table: Table, game_id: int, owed: moves.Expansion, reason: str) -> None:
    """Other nodes than those that are due, and too many or too few of them."""
    nodes = owed.nodes
    check_refusals(
        table,
        game_id,
        [
            (replace(owed, nodes=nodes[:-1]), "game: wrong number of nodes"),
            (replace(owed, nodes=()), "game: wrong number of nodes"),
            (replace(owed, nodes=(OTHER,)), "game: wrong number of nodes"),
            (replace(owed, nodes=(OTHER,) * len(nodes)), reason),
            (replace(owed, nodes=nodes[::-1]), reason),
        ],
    )


def test_expand_step__states_of_the_segment__are_contested(table):
    game_id = table.open()
    table.advance(game_id, Level.SEGMENT, Stage.EXPAND, DOT)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandStep)
    # The whole vector is shown, so its last leaf is seen without a path.
    assert (len(owed.nodes), owed.path) == (4, ())
    longer = replace(owed, path=(OTHER,))
    check_refusals(table, game_id, [(longer, "game: wrong path length")])
    check_nodes(table, game_id, owed, "game: leaf not under root")
    game = expand(table, game_id)
    assert (game.level, game.stage, game.height) == (Level.STEP, Stage.PICK, 2)
    assert game.posted == moves.compute_posted(game.node)


def test_expand_slot__header__gives_the_number_of_slots(table):
    game_id = table.open()
    before = table.advance(game_id, Level.STEP, Stage.EXPAND, DOT)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandSlot)
    forged = replace(owed.header, slots=1)
    check_refusals(table, game_id, [(replace(owed, header=forged), "verifier: wrong header")])
    check_nodes(table, game_id, owed, "game: nodes not under contested node")
    game = expand(table, game_id)
    assert (game.level, game.node, game.count) == (Level.SLOT, before.node, 38)
    assert (game.stage, game.height, game.depth) == (Stage.PICK, 6, 3)
    assert game.posted == before.posted


def test_expand_operator__trace__holds_the_slot_at_its_producer(table):
    game_id = table.open()
    before = table.advance(game_id, Level.SLOT, Stage.EXPAND, DOT)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandOperator)
    shifted = replace(owed.slot, producer=12)
    refusals = [
        (replace(owed, header=replace(owed.header, operators=1)), "verifier: wrong header"),
        (replace(owed, slot=shifted), "verifier: wrong slot"),
        (replace(owed, slot_path=owed.slot_path[1:]), "verifier: wrong path length"),
        (replace(owed, slot_path=(OTHER, *owed.slot_path[1:])), "verifier: wrong slot"),
        (replace(owed, path=owed.path[1:]), "game: wrong path length"),
        (replace(owed, path=(*owed.path, OTHER)), "game: wrong path length"),
        (replace(owed, path=(OTHER, *owed.path[1:])), "game: leaf not under root"),
    ]
    check_refusals(table, game_id, refusals)
    check_nodes(table, game_id, owed, "game: leaf not under root")
    game = expand(table, game_id)
    assert (game.level, game.count, game.height) == (Level.OPERATOR, 85, 7)
    assert (len(owed.nodes), len(owed.path)) == (16, 3)
    assert game.posted == compute_node(before.posted, game.node)


def test_expand_instruction__trace__ends_with_the_operators_output(table):
    game_id = table.open()
    before = table.advance(game_id, Level.OPERATOR, Stage.EXPAND, DOT)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandInstruction)
    fewer = replace(owed.operator, instructions=1)
    refusals = [
        (replace(owed, header=replace(owed.header, version=2)), "verifier: wrong header"),
        (replace(owed, operator=fewer), "verifier: wrong operator"),
        (replace(owed, operator_path=owed.operator_path[1:]), "verifier: wrong path length"),
        (replace(owed, path=(OTHER,)), "game: wrong path length"),
    ]
    check_refusals(table, game_id, refusals)
    check_nodes(table, game_id, owed, "game: leaf not under root")
    game = expand(table, game_id)
    assert (game.level, game.count, owed.path) == (Level.INSTRUCTION, 7, ())
    traced = compute_node(before.posted, game.node)
    assert game.posted == compute_node(traced, owed.operator.instructions_root)


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
        (replace(owed, microcode_root=OTHER), "game: roots not posted"),
        (replace(owed, before=OTHER), "game: roots not posted"),
        (
            replace(owed, before=owed.microcode_root, microcode_root=owed.before),
            "game: roots not posted",
        ),
        (replace(owed, nodes=(OTHER,)), "game: nodes not under contested node"),
        (replace(owed, nodes=owed.nodes * 2), "game: wrong number of nodes"),
    ]
    check_refusals(table, game_id, refusals)
    game = expand(table, game_id)
    assert (game.level, game.stage, game.node) == (Level.ELEMENT, Stage.REVEAL_LEAF, before.node)
    assert (game.size, game.dtype, game.chunks, game.count) == (6, 3, 2, 1)
    assert game.posted == before.posted


def test_expand_element__tensor_of_many_leaves__shows_the_first_generation(table):
    game_id = table.open()
    table.advance(game_id, Level.INSTRUCTION, Stage.EXPAND, LAST_LEAF)
    check_nodes(table, game_id, table.owe(game_id), "game: nodes not under contested node")
    game = expand(table, game_id)
    assert (game.level, game.stage, game.count) == (Level.ELEMENT, Stage.PICK, 34)
    assert (game.height, game.depth) == (6, 3)


@pytest.mark.parametrize("place", [DOT, SUM])
def test_expand_chunk__accumulators__end_with_the_element(table, place):
    game_id = table.open()
    before = table.advance(game_id, Level.ELEMENT, Stage.EXPAND, place)
    owed = table.owe(game_id)
    assert isinstance(owed, moves.ExpandChunk)
    spoilt = bytes([owed.data[0] ^ 1]) + owed.data[1:]
    refusals = [
        (replace(owed, data=spoilt), "game: not the contested leaf"),
        (replace(owed, data=owed.data[:-1]), "game: not the contested leaf"),
        (replace(owed, data=b""), "game: not the contested leaf"),
        (replace(owed, path=(*owed.path, OTHER)), "game: wrong path length"),
    ]
    if place is SUM:
        refusals += [
            (replace(owed, path=owed.path[1:]), "game: wrong path length"),
            (replace(owed, path=(OTHER, *owed.path[1:])), "game: leaf not under root"),
        ]
    check_refusals(table, game_id, refusals)
    check_nodes(table, game_id, owed, "game: leaf not under root")
    game = expand(table, game_id)
    assert (game.level, game.stage) == (Level.CHUNK, Stage.PICK)
    assert game.posted == compute_node(before.posted, game.node)
    assert (game.count, game.height) == ((2, 1) if place is DOT else (34, 6))


def test_expansions__single_leaves__follow_one_another(tiny_table):
    table = tiny_table
    game_id = table.open()
    for level in (Level.SEGMENT, Level.STEP, Level.SLOT, Level.OPERATOR, Level.INSTRUCTION):
        game = table.games[game_id]
        assert (game.level, game.stage, game.height) == (level, Stage.EXPAND, 0)
        expand(table, game_id)
    assert table.games[game_id].stage is Stage.REVEAL_LEAF
