"""A worker that knows its claim is false tries to survive an honest challenger."""

from dataclasses import replace

import boa
import numpy as np
import pytest

from protocol import moves
from protocol.game import Level, Outcome, Stage, compute_deadline
from protocol.merkle import Tree, compute_tensor_tree, compute_vector_tree
from protocol.strategy import compute_challenger_move
from protocol.types import Root
from tests.disputes import make_run, make_tiny_run, make_truth
from tests.economy import CLAIM_PENDING, CLAIM_SLASHED
from tests.evidence import Lie, SpecEvidence
from tests.game_table import lay_table
from tests.unit.contracts.attacks.play import (
    OTHER,
    RewrittenEvidence,
    advance,
    owe,
    prepare_calldata,
    send,
    spoil_tail,
)

LAST_STEP = 8
LOADED = (0, 0, 0, 0, 0, 0)  # the first step's load of the first slot
LATER_LOADED = (1, 0, 0, 0, 0, 0)  # the same, after a segment
ADDED = (1, 1, 8, 26, 0, 0)  # a scalar's addition


def test_single_leaves__lie__is_caught_in_eight_moves() -> None:
    """No level has anything to pick: every expansion's link must hold the lie."""
    run = make_tiny_run()
    claimed = SpecEvidence(run, lie=Lie(step=0, operator=0, instruction=0, element=0))
    with boa.env.anchor():
        table = lay_table(claimed)
        game_id = table.open()
        assert table.play_out(game_id, make_truth(run)) is Outcome.CHALLENGER_WON
        assert table.games[game_id].move == 8
        assert table.economy.escrow.claim_of(table.claim_id).status == CLAIM_SLASHED


class PaddedState(SpecEvidence):
    """The last state has a slot too many."""

    def slot_tree(self, step: int) -> Tree:
        true = super().slot_tree(step)
        if step != LAST_STEP:
            return true
        return compute_vector_tree([*(true.get_node(0, i) for i in range(true.count)), OTHER])

    def step_tree(self, segment: int) -> Tree:
        first = segment * 3
        return compute_vector_tree([self.slot_tree(first + i).root for i in range(3)])

    def claim_tree(self) -> Tree:
        return compute_vector_tree([self.slot_tree(step).root for step in (2, 5, LAST_STEP)])


def test_state_with_a_slot_too_many__is_padding_that_is_not_zero() -> None:
    run = make_run()
    assert len(run.program.slots) & (len(run.program.slots) - 1), "the tree must have padding"
    with boa.env.anchor():
        table = lay_table(PaddedState(run))
        game_id = table.open()
        assert table.play_out(game_id, make_truth(run)) is Outcome.CHALLENGER_WON
        game = table.games[game_id]
        assert (game.level, game.index) == (Level.SLOT, len(run.program.slots))


def test_bytes_behind_a_tensor__cannot_be_shown() -> None:
    """The elements are all true, so no proof of any element could refute the claim."""
    run = make_run()
    truth, slot = make_truth(run), 8
    producer = run.program.slots[slot].producer
    last = len(run.program.microcode[producer]) - 1
    tree = spoil_tail(truth.tensor(LAST_STEP, producer, last))
    claimed = RewrittenEvidence(run).rewrite(LAST_STEP, producer, last, tree)
    with boa.env.anchor():
        table = lay_table(claimed)
        game_id = table.open()
        while table.games[game_id].stage is not Stage.REVEAL_LEAF:
            game = table.games[game_id]
            if game.is_challenger_owing():
                move = compute_challenger_move(game, truth, table.shown[game_id])
                assert move is not None
                assert table.play(game_id, move, game.challenger) == ""
            else:
                assert table.play(game_id, owe(table, game_id), table.worker) == ""
        true = truth.tensor(LAST_STEP, producer, last).tobytes().ljust(1024, b"\0")
        spoilt = true[:-1] + b"\x01"
        move_number = table.games[game_id].move
        hidden = moves.RevealLeaf(move_number, true)
        assert table.play(game_id, hidden, table.worker) == "game: not the contested leaf"
        shown = moves.RevealLeaf(move_number, spoilt)
        assert table.play(game_id, shown, table.worker) == "game: padding must be zero"
        boa.env.timestamp = compute_deadline(table.games[game_id]) + 1
        assert table.play(game_id, moves.Timeout(), table.worker) == ""
        assert table.games[game_id].outcome is Outcome.CHALLENGER_WON


def test_state_before__first_step__is_genesis_and_nothing_else(table) -> None:
    game_id = table.open()
    game = advance(table, game_id, Level.ELEMENT, Stage.PROVE, LOADED)
    proof = owe(table, game_id)
    truth = make_truth(make_run())
    later = truth.state_tree(3)
    path = tuple(truth.claim_tree().get_path(0))
    pretended = moves.Agreed(later.root, path)
    assert table.play(game_id, replace(proof, agreed=pretended), table.worker) == (
        "game: wrong path length"
    )
    # Without a path the root is not read; the slot of another state lies under another root.
    opening = replace(
        proof.openings[0], root=later.get_node(0, 0), root_path=tuple(later.get_path(0))
    )
    bad = replace(proof, agreed=moves.Agreed(later.root), openings=(opening,))
    assert table.play(game_id, bad, table.worker) == "verifier: wrong tensor"
    assert game.step == 0
    assert table.play(game_id, proof, table.worker) == ""


def test_state_before__later_segment__is_the_one_before_and_no_other(table) -> None:
    game_id = table.open()
    advance(table, game_id, Level.ELEMENT, Stage.PROVE, LATER_LOADED)
    proof, claim = owe(table, game_id), make_truth(make_run()).claim_tree()
    for segment in (1, 2, 3):
        agreed = moves.Agreed(claim.get_node(0, segment), tuple(claim.get_path(segment)))
        bad = replace(proof, agreed=agreed)
        # The fourth leaf is padding, and zero says that no state is shown.
        reason = "game: wrong path length" if segment == 3 else "game: state not agreed"
        assert table.play(game_id, bad, table.worker) == reason
    hidden = replace(proof, agreed=moves.Agreed())
    assert table.play(game_id, hidden, table.worker) == "verifier: wrong tensor"
    # A node above passed off as a leaf, and genesis passed off as the state.
    node = moves.Agreed(claim.get_node(1, 0), tuple(claim.get_path(0, height=1)))
    assert table.play(game_id, replace(proof, agreed=node), table.worker) == (
        "game: wrong path length"
    )
    genesis = moves.Agreed(table.games[game_id].subject.genesis_root, proof.agreed.state_path)
    assert table.play(game_id, replace(proof, agreed=genesis), table.worker) == (
        "game: state not agreed"
    )
    assert table.play(game_id, proof, table.worker) == ""


def test_link__vector_of_another_height__is_refused(table) -> None:
    """A taller vector has room for a second truth, a lower one a node in a leaf's place."""
    game_id = table.open()
    advance(table, game_id, Level.SEGMENT, Stage.EXPAND, ADDED)
    good = owe(table, game_id)
    truth = make_truth(make_run())
    leaves = [truth.step_tree(1).get_node(0, i) for i in range(3)]
    for values, last in (
        ([*leaves, OTHER, OTHER], 2),
        ([OTHER] * 4 + leaves, 6),  # the same bits of the index, one level up
        ([leaves[0], leaves[2]], 1),
        ([leaves[2]], 0),
    ):
        tree = compute_vector_tree(values)
        shown = tuple(tree.get_descendants(tree.height, 0, tree.height))
        for nodes in (shown, shown[:2], shown[-2:]):
            bad = replace(good, nodes=nodes)
            assert table.play(game_id, bad, table.worker) == "game: wrong number of nodes"
        top = tuple(tree.get_descendants(tree.height, 0, min(2, tree.height)))
        bad = replace(good, nodes=top, path=tuple(tree.get_path(last, top=tree.height - 2)))
        taller = len(top) == 4
        reason = "game: wrong path length" if taller else "game: wrong number of nodes"
        assert table.play(game_id, bad, table.worker) == reason
    for order in ((2, 0, 1), (0, 2, 1)):
        moved = compute_vector_tree([leaves[i] for i in order])
        bad = replace(good, nodes=tuple(moved.get_descendants(2, 0, 2)))
        assert table.play(game_id, bad, table.worker) == "game: leaf not under root"
    assert table.play(game_id, good, table.worker) == ""


def test_descriptors__of_a_neighbour__are_refused_at_every_expansion(table) -> None:
    game_id = table.open()
    program = make_run().program
    advance(table, game_id, Level.SLOT, Stage.EXPAND, ADDED)
    good = owe(table, game_id)
    path = tuple(program.slot_tree.get_path(9))
    other = replace(good.slot, producer=program.slots[9].producer)
    for bad in (
        replace(good, slot=other, slot_path=path),
        replace(good, slot=other),
        replace(good, slot_path=path),
    ):
        assert table.play(game_id, bad, table.worker) == "verifier: wrong slot"
    shorter = replace(good, header=replace(good.header, operators=good.header.operators - 1))
    assert table.play(game_id, shorter, table.worker) == "verifier: wrong header"

    product = (1, 1, 0, 5, 5, 0, 1)
    second = table.open(boa.env.generate_address())
    advance(table, second, Level.OPERATOR, Stage.EXPAND, product)
    good = owe(table, second)
    fewer = replace(good, operator=replace(good.operator, instructions=1))
    assert table.play(second, fewer, table.worker) == "verifier: wrong operator"
    advance(table, second, Level.INSTRUCTION, Stage.EXPAND, product)
    good = owe(table, second)
    neighbour = program.microcode[5][4]
    for bad in (
        replace(good, instruction=neighbour),
        replace(good, instruction=replace(good.instruction, shape=(6,))),
        replace(good, instruction=replace(good.instruction, fold=256)),
    ):
        assert table.play(second, bad, table.worker) == "verifier: wrong instruction"


def test_proof__of_another_game_or_element__is_refused(table) -> None:
    """Two games stop at two elements of one leaf; each has the other's proof thrown at it."""
    place = (0, 0, 2, 17, 0, 33)
    first, second = table.open(), table.open(boa.env.generate_address())
    advance(table, first, Level.ELEMENT, Stage.PROVE, place, position=3)
    advance(table, second, Level.ELEMENT, Stage.PROVE, (0, 0, 2, 17, 0, 1), position=3)
    proofs = {game_id: owe(table, game_id) for game_id in (first, second)}
    assert table.play(first, proofs[second], table.worker) == "game: not the contested leaf"
    mixed = replace(proofs[first], openings=proofs[second].openings)
    assert table.play(first, mixed, table.worker) == "verifier: wrong leaf"
    assert table.play(first, replace(proofs[first], data=b""), table.worker) == (
        "game: not the contested leaf"
    )
    for game_id in (first, second):
        assert table.play(game_id, proofs[game_id], table.worker) == ""
        assert table.games[game_id].outcome is Outcome.WORKER_WON


@pytest.mark.parametrize("number", [0, 1, 3, 5, 7])
def test_header__dirty_high_bytes__do_not_decode(table, number: int) -> None:
    """A number that is equal only in its low bits must not reach the hash."""
    game_id = table.open()
    advance(table, game_id, Level.STEP, Stage.EXPAND, ADDED)
    data = bytearray(prepare_calldata(table, game_id, owe(table, game_id)))
    start = 4 + 32 * (2 + number)
    for place in (start, start + 27):
        dirty = bytearray(data)
        dirty[place] ^= 1
        assert not send(table, bytes(dirty), table.worker)
    assert send(table, bytes(data), table.worker)


def test_leaf__i64_read_as_two_f32__is_another_tree() -> None:
    """The DOT's accumulators fill leaves of 128 elements; the same bytes as i32 have the same
    root, and only the descriptor says which they are."""
    run = make_run()
    truth = make_truth(run)
    wide = truth.tensor(4, 5, 5)
    assert wide.dtype == np.int64
    assert compute_tensor_tree(wide).root == compute_tensor_tree(wide.view(np.int32)).root
    with boa.env.anchor():
        table = lay_table(truth)
        game_id = table.open()
        advance(table, game_id, Level.INSTRUCTION, Stage.EXPAND, (1, 1, 0, 5, 5))
        good = owe(table, game_id)
        narrow = replace(good.instruction, dtype=type(good.instruction.dtype).I32, shape=(12,))
        bad = replace(good, instruction=narrow)
        assert table.play(game_id, bad, table.worker) == "verifier: wrong instruction"


def test_claim__zero_for_a_state__has_nothing_below_it() -> None:
    """A real leaf that looks like padding is no padding: the worker must open it, and cannot."""
    run = make_run()

    class Hollow(SpecEvidence):
        def claim_tree(self) -> Tree:
            true = super().claim_tree()
            ends = [Root(bytes(32)), true.get_node(0, 1), true.get_node(0, 2)]
            return compute_vector_tree(ends)

    with boa.env.anchor():
        table = lay_table(Hollow(run))
        game_id = table.open()
        truth = make_truth(run)
        game = advance(table, game_id, Level.SEGMENT, Stage.EXPAND, (0,))
        assert game.node == bytes(32)
        honest = truth.step_tree(0)
        move = moves.ExpandStep(game.move, tuple(honest.get_descendants(2, 0, 2)), ())
        assert table.play(game_id, move, table.worker) == "game: leaf not under root"
        steps = compute_vector_tree([*(honest.get_node(0, i) for i in range(2)), Root(bytes(32))])
        nodes = tuple(steps.get_descendants(2, 0, 2))
        move = moves.ExpandStep(game.move, nodes, ())
        assert table.play(game_id, move, table.worker) == ""
        game = table.games[game_id]
        pick = compute_challenger_move(game, truth, nodes)
        assert pick is not None and pick.child == 2
        assert table.play(game_id, pick, game.challenger) == ""
        game, owed = table.games[game_id], owe(table, game_id)
        assert (game.level, game.stage) == (Level.STEP, Stage.EXPAND)
        for guess in (owed.nodes, (Root(bytes(32)),) * len(owed.nodes)):
            bad = replace(owed, nodes=guess)
            assert table.play(game_id, bad, table.worker) == "game: nodes not under contested node"
        assert table.economy.escrow.claim_of(table.claim_id).status == CLAIM_PENDING
        boa.env.timestamp = compute_deadline(game) + 1
        assert table.play(game_id, moves.Timeout(), table.worker) == ""
        assert table.economy.escrow.claim_of(table.claim_id).status == CLAIM_SLASHED
