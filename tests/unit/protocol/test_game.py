"""Play on the Python machine: honest workers never lose, lies never survive. Thousands of games."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from protocol import moves, verifier
from protocol.descriptor import VerifierError
from protocol.game import (
    Game,
    Level,
    Outcome,
    Stage,
    compute_deadline,
    compute_max_duration,
    compute_settlement,
    process_claim_slashed,
    process_move,
    process_open,
)
from protocol.game_state import MOVES_MAX
from protocol.merkle import Tree, compute_leaf, compute_vector_tree
from protocol.refusals import (
    AnotherClaim,
    ClaimAlreadySlashed,
    ClaimNotSlashed,
    ClockExpired,
    ClockNotExpired,
    GameError,
    GameHasEnded,
    WorkerChallengesItself,
    ZeroPadding,
)
from protocol.strategy import build_pick, compute_challenger_move, compute_worker_move
from protocol.types import LEAF_BYTES, Dtype, Root, Seconds
from tests.disputes import (
    BOND,
    CHALLENGER,
    PRESET,
    REEXECUTION_SECONDS,
    STRANGER,
    WORKER,
    get_inside,
    make_lies,
    make_run,
    make_subject,
    make_tiny_run,
    make_truth,
)
from tests.evidence import Lie, SpecEvidence

START = Seconds(1_000)
GAMES, LIES = 4_000, 240
# An expansion shows the first nodes of a level, so a reveal is owed only where there are more. The
# program has 38 slots, 85 operators, tensors of 34 leaves and folds of 34 chunks.
SEVERAL_ROUNDS = {Level.SEGMENT, Level.SLOT, Level.OPERATOR, Level.ELEMENT, Level.CHUNK}


def open_game(claimed: SpecEvidence) -> Game:
    subject = make_subject(claimed)
    return process_open(PRESET, subject, subject.claim_root, CHALLENGER, START)


def make(game: Game, move: moves.Move | None, caller: str) -> Game:
    assert move is not None
    return process_move(game, move, caller, game.since, verifier)


def play_lie(claimed: SpecEvidence, truth: SpecEvidence, met: Counter[str]) -> Game:
    """The honest challenger against a worker that answers from its false trace."""
    game = open_game(claimed)
    shown: tuple[Root, ...] | bytes = ()
    while game.stage is not Stage.ENDED:
        met[f"{game.level.name} {game.stage.name}"] += 1
        if game.is_challenger_owing():
            game = make(game, compute_challenger_move(game, truth, shown), CHALLENGER)
            continue
        move = compute_worker_move(game, claimed)
        game = make(game, move, WORKER)
        assert move is not None
        shown = moves.get_shown(move)
    return game


def play_randomly(claimed: SpecEvidence, rng: random.Random, met: Counter[str]) -> Game:
    """A challenger that points anywhere, and gives up where only true padding is left."""
    game = open_game(claimed)
    shown: tuple[Root, ...] | bytes = ()
    while game.stage is not Stage.ENDED:
        if game.stage is Stage.PICK:
            assert isinstance(shown, tuple)
            try:
                game = make(game, build_pick(game, rng.randrange(len(shown)), shown), CHALLENGER)
            except ZeroPadding:
                met["padding"] += 1
                if not get_inside(game):
                    late = Seconds(compute_deadline(game) + 1)
                    game = process_move(game, moves.Timeout(), STRANGER, late, verifier)
        elif game.stage is Stage.PICK_ELEMENT:
            per_leaf = LEAF_BYTES // Dtype(game.dtype).size_bytes
            inside = min(per_leaf, game.size - game.index * per_leaf)
            move = moves.PickElement(game.move, rng.randrange(inside))
            game = make(game, move, CHALLENGER)
        else:
            owed = compute_worker_move(game, claimed)
            assert owed is not None
            shown = moves.get_shown(owed)
            if isinstance(owed, moves.Prove):
                location = owed.location.instruction
                met[location.opcode.name] += 1
            met[f"{game.level.name} {game.stage.name}"] += 1
            game = make(game, owed, WORKER)
    return game


def test_play__honest_worker_and_random_challenger__worker_never_loses() -> None:
    met: Counter[str] = Counter()
    truth = make_truth(make_run())
    rng = random.Random(1)
    for _ in range(GAMES):
        game = play_randomly(truth, rng, met)
        assert game.outcome is Outcome.WORKER_WON
    assert met["padding"] > 0
    levels = {level for level in Level if met[f"{level.name} REVEAL"]}
    assert levels == SEVERAL_ROUNDS
    opcodes = {i.opcode.name for code in truth.program.microcode for i in code}
    assert {name for name in opcodes if not met[name]} == set()


def test_play__lie_at_a_random_element__is_always_caught() -> None:
    met: Counter[str] = Counter()
    run = make_run()
    truth = make_truth(run)
    for lie in make_lies(run, random.Random(2), LIES):
        claimed = SpecEvidence(run, lie=lie)
        if claimed.claim_tree().root == truth.claim_tree().root:
            met["without effect"] += 1  # rounded away, or in what no state keeps
            continue
        game = play_lie(claimed, truth, met)
        assert game.outcome is Outcome.CHALLENGER_WON
        place = (game.step, *game.indices[Level.OPERATOR : Level.CHUNK])
        assert place == (lie.step, lie.operator, lie.instruction, lie.element)
        met["caught"] += 1
        opcode = run.program.microcode[lie.operator][lie.instruction].opcode
        met[opcode.name] += 1
    assert met["caught"] > LIES // 3
    for level in SEVERAL_ROUNDS:
        assert met[f"{level.name} REVEAL"] > 0, level
    for level in Level:
        assert level is Level.CHUNK or met[f"{level.name} EXPAND"] > 0, level
    assert met["ELEMENT PROVE"] > 0 and met["CHUNK PROVE"] > 0
    opcodes = {i.opcode.name for code in run.program.microcode for i in code}
    assert {name for name in opcodes if not met[name]} == set()


def test_play__single_leaves__go_from_expansion_to_expansion() -> None:
    truth = make_truth(make_tiny_run())
    lie = Lie(step=0, operator=0, instruction=0, element=0)
    claimed = SpecEvidence(truth.run, lie=lie)
    met: Counter[str] = Counter()
    assert play_lie(claimed, truth, met).outcome is Outcome.CHALLENGER_WON
    assert met == Counter(
        {
            "SEGMENT EXPAND": 1,
            "STEP EXPAND": 1,
            "SLOT EXPAND": 1,
            "OPERATOR EXPAND": 1,
            "INSTRUCTION EXPAND": 1,
            "ELEMENT REVEAL_LEAF": 1,
            "ELEMENT PICK_ELEMENT": 1,
            "ELEMENT PROVE": 1,
        }
    )


class PaddedClaim(SpecEvidence):
    """A claim with something behind its last state."""

    def claim_tree(self) -> Tree:
        true = super().claim_tree()
        leaves = [true.get_node(0, i) for i in range(self.run.segments)]
        return compute_vector_tree([*leaves, Root(b"\x01" * 32)])


def test_pick__padding_that_is_not_zero__ends_the_game() -> None:
    claimed = PaddedClaim(make_run(segments=3))
    game = make(open_game(claimed), compute_worker_move(open_game(claimed), claimed), WORKER)
    nodes = claimed.claim_tree().get_descendants(2, 0, 2)
    game = make(game, build_pick(game, 3, nodes), CHALLENGER)
    assert (game.stage, game.outcome) == (Stage.ENDED, Outcome.CHALLENGER_WON)


def test_pick__padding_of_a_tensor_that_is_not_zero__ends_the_game() -> None:
    """A tensor of 34 leaves in a tree of 64: the worker hides something in one of the other 30."""
    run = make_run()
    truth = make_truth(run)
    game = open_game(truth)
    leaves = [truth.tensor_tree(0, 2, 0).get_node(0, i) for i in range(34)]
    hidden = Tree([*leaves, compute_leaf(b"\x01" * LEAF_BYTES)], leaves[0], height=6)
    game = replace(
        game,
        level=Level.ELEMENT,
        stage=Stage.PICK,
        node=hidden.root,
        count=34,
        height=6,
        size=8_500,
        dtype=1,
        chunks=1,
    )
    game = make(game, build_pick(game, 4, hidden.get_descendants(6, 0, 3)), CHALLENGER)
    game = make(game, moves.Reveal(game.move, tuple(hidden.get_descendants(3, 4, 3))), WORKER)
    game = make(game, build_pick(game, 2, hidden.get_descendants(3, 4, 3)), CHALLENGER)
    assert game.outcome is Outcome.CHALLENGER_WON


@pytest.mark.parametrize("caller", [WORKER, CHALLENGER])
def test_timeout__whoever_is_late__loses(caller: str) -> None:
    truth = make_truth(make_run())
    game = open_game(truth)
    reveal = compute_worker_move(game, truth)
    if caller == CHALLENGER:
        game = make(game, reveal, WORKER)
    deadline = compute_deadline(game)
    with pytest.raises(ClockNotExpired):
        process_move(game, moves.Timeout(), STRANGER, deadline, verifier)
    late = Seconds(deadline + 1)
    owed = reveal if caller == WORKER else compute_challenger_move(game, truth, ())
    if owed is None:
        owed = moves.Pick(game.move, 0, game.node, ())
    with pytest.raises(ClockExpired):
        process_move(game, owed, caller, late, verifier)
    ended = process_move(game, moves.Timeout(), STRANGER, late, verifier)
    won = Outcome.CHALLENGER_WON if caller == WORKER else Outcome.WORKER_WON
    assert ended.outcome is won
    with pytest.raises(GameHasEnded):
        process_move(ended, moves.Timeout(), STRANGER, late, verifier)


def test_drop__slashed_claim__is_the_only_move() -> None:
    truth = make_truth(make_run())
    game = open_game(truth)
    with pytest.raises(ClaimNotSlashed):
        make(game, moves.Drop(), STRANGER)
    slashed = process_claim_slashed(game)
    late = Seconds(compute_deadline(game) + 1)
    for move, caller in ((compute_worker_move(game, truth), WORKER), (moves.Timeout(), STRANGER)):
        assert move is not None
        with pytest.raises(ClaimAlreadySlashed):
            process_move(slashed, move, caller, late, verifier)
    dropped = make(slashed, moves.Drop(), STRANGER)
    assert dropped.outcome is Outcome.DROPPED
    assert compute_settlement(PRESET, BOND, dropped.outcome) == (0, BOND, 0)


def test_open__by_the_worker__is_refused() -> None:
    subject = make_subject(make_truth(make_run()))
    with pytest.raises(WorkerChallengesItself):
        process_open(PRESET, subject, subject.claim_root, WORKER, START)


def test_open__of_another_claim__is_refused() -> None:
    with pytest.raises(AnotherClaim):
        subject = make_subject(make_truth(make_run()))
        process_open(PRESET, subject, subject.genesis_root, CHALLENGER, START)


def test_settlement__any_outcome__adds_up_to_the_bond() -> None:
    for outcome in (Outcome.WORKER_WON, Outcome.CHALLENGER_WON, Outcome.DROPPED):
        assert sum(compute_settlement(PRESET, BOND, outcome)) == BOND
    assert compute_settlement(PRESET, BOND, Outcome.WORKER_WON) == (600, 0, 401)


def test_duration__both_sides_as_slow_as_they_can__is_within_the_bound() -> None:
    """The slowest play of random games, and a bound on moves at the limits of the protocol."""
    assert MOVES_MAX == 57
    truth = make_truth(make_run())
    longest = 0
    for seed in range(200):
        rng = random.Random(seed)
        game = open_game(truth)
        shown: tuple[Root, ...] | bytes = ()
        while game.stage is not Stage.ENDED:
            slow = rng.random() < 0.8
            now = compute_deadline(game) if slow else game.since
            owed: moves.Move | None
            if game.stage is Stage.PICK:
                assert isinstance(shown, tuple)
                owed = build_pick(game, rng.randrange(len(shown)), shown)
            elif game.stage is Stage.PICK_ELEMENT:
                owed = moves.PickElement(game.move, 0)
            else:
                owed = compute_worker_move(game, truth)
            assert owed is not None
            caller = CHALLENGER if game.is_challenger_owing() else WORKER
            if caller == WORKER:
                shown = moves.get_shown(owed)
            try:
                game = process_move(game, owed, caller, now, verifier)
            except GameError:
                now = Seconds(compute_deadline(game) + 1)
                game = process_move(game, moves.Timeout(), STRANGER, now, verifier)
            longest = max(longest, now - START)
    bound = compute_max_duration(PRESET, REEXECUTION_SECONDS)
    assert bound == 600 + 300 + 57 * 20 + 3 * 17 * 120
    assert bound // 5 < longest <= bound


def test_refusals__every_malformed_proof__raises_and_never_decides() -> None:
    """A proof with any part of it replaced is refused by the verifier, with a reason."""
    truth = make_truth(make_run())
    rng, met = random.Random(5), Counter[str]()
    for _ in range(200):
        game = open_game(truth)
        shown: tuple[Root, ...] | bytes = ()
        while game.stage not in (Stage.ENDED, Stage.PROVE):
            if game.stage is Stage.PICK:
                assert isinstance(shown, tuple)
                child = rng.choice(get_inside(game))
                game = make(game, build_pick(game, child, shown), CHALLENGER)
            elif game.stage is Stage.PICK_ELEMENT:
                game = make(game, moves.PickElement(game.move, 0), CHALLENGER)
            else:
                owed = compute_worker_move(game, truth)
                assert owed is not None
                shown = moves.get_shown(owed)
                game = make(game, owed, WORKER)
        proof = compute_worker_move(game, truth)
        assert isinstance(proof, moves.Prove)
        if not proof.openings or not proof.openings[0].leaves:
            continue
        first = proof.openings[0]
        leaf = bytes([first.leaves[0][0] ^ 1]) + first.leaves[0][1:]
        spoilt = [
            replace(proof, openings=()),
            replace(proof, openings=(*proof.openings, first)),
            replace(proof, openings=(replace(first, leaves=(leaf,)), *proof.openings[1:])),
            replace(proof, openings=(replace(first, root=Root(bytes(32))), *proof.openings[1:])),
            replace(proof, location=replace(proof.location, operator_path=())),
            replace(proof, agreed=moves.Agreed(Root(b"\x02" * 32), (Root(bytes(32)),) * 9)),
            replace(proof, posted=replace(proof.posted, operator_trace_root=Root(bytes(32)))),
            replace(proof, data=proof.data[:-1] if proof.data else b"\x00"),
        ]
        for bad in spoilt:
            with pytest.raises((GameError, VerifierError)) as caught:
                make(game, bad, WORKER)
            met[str(caught.value)] += 1
        assert make(game, proof, WORKER).outcome is Outcome.WORKER_WON
    assert met["verifier: wrong leaf"] > 0 and met["verifier: wrong tensor"] > 0
    assert met["game: superfluous data"] > 0 and met["game: not the contested leaf"] > 0
