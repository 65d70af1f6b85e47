"""Random play, legal and illegal, on the Python machine and on the contract, move by move.

`Table.play` makes every move on both and fails unless they are in the same state afterwards, or
both refuse for the same reason. The tests here choose what is played, and count what they met.
"""

import random
from collections import Counter
from dataclasses import fields, replace
from typing import Any

import boa
import pytest

from protocol import moves
from protocol.game import Game, Level, Outcome, Stage, compute_deadline
from protocol.refusals import GameError
from protocol.strategy import build_pick, compute_challenger_move, compute_worker_move
from protocol.types import LEAF_BYTES, Dtype, Root
from tests.disputes import BOND, get_inside, make_lies, make_run, make_truth
from tests.evidence import Lie, SpecEvidence
from tests.game_table import Table, lay_table
from tests.unit.contracts.challenge_game.places import DOT, LAST_LEAF, SUM

SESSIONS = 20
LIES = 8
STARTS = {
    0: (Level.CHUNK, Stage.PROVE, DOT),  # the element of the lie
    1: (Level.CHUNK, Stage.REVEAL, SUM),
    2: (Level.ELEMENT, Stage.REVEAL, LAST_LEAF),
}
LEGAL = 0.85  # of the attempts that are not spoilt

# Not reachable by play: one needs a program that no validator accepts, one a claim with padding
# that is not zero, one a trace with a dirty tail (unit tests make both); two are of openings.
UNREACHED = {
    "game: count out of range",
    "game: tensor out of range",
    "game: padding must be zero",
    "game: worker cannot challenge itself",
    "game: another claim",
}


def spoil(rng: random.Random, move: moves.SideMove) -> moves.SideMove:
    """The move with one part replaced by something of the right type."""
    if isinstance(move, moves.Prove):
        return spoil_proof(rng, move)
    if isinstance(move, moves.Expansion) and rng.random() < 0.4:
        # Of the right number, with a root, and another vector's.
        return replace(move, nodes=tuple(Root(b"\x07" * 32) for _ in move.nodes))
    item = rng.choice(fields(move))
    value: Any = getattr(move, item.name)
    match value:
        case int():
            value = rng.choice([0, value + 1, value + 32, 2**256 - 1])
        case bytes() if item.name == "data":
            value = rng.choice([b"", bytes(len(value)), value[:-1]])
        case bytes():  # 32 bytes, whatever they are
            value = Root(rng.choice([bytes(32), b"\x07" * 32]))
        case tuple():
            options = [value[:-1], value[1:]]
            options.append(tuple(Root(b"\x07" * 32) for _ in value))
            value = rng.choice(options)
    return replace(move, **{item.name: value})


def spoil_proof(rng: random.Random, proof: moves.Prove) -> moves.Prove:
    """The proof with one part replaced, which makes another proof of some of them."""
    agreed, location, other = proof.agreed, proof.location, Root(b"\x07" * 32)
    return rng.choice(
        [
            replace(proof, move=proof.move + 1),
            replace(proof, data=b"" if proof.data else bytes(LEAF_BYTES)),
            replace(proof, openings=proof.openings[1:]),
            replace(proof, location=replace(location, operator_path=location.operator_path[1:])),
            replace(proof, posted=replace(proof.posted, instruction_trace_root=other)),
            replace(proof, agreed=replace(agreed, state_path=agreed.state_path[1:])),
            replace(proof, agreed=replace(agreed, state_root=other)),
            replace(proof, agreed=replace(agreed, state_root=other, state_path=(other, other))),
            replace(proof, agreed=replace(agreed, accumulator=other)),
            replace(proof, agreed=replace(agreed, accumulator_path=(other,))),
        ]
    )


class Session:
    """One claim, a few challengers, and random attempts by everybody."""

    def __init__(self, rng: random.Random, table: Table, truth: SpecEvidence):
        self.rng, self.table, self.truth = rng, table, truth
        self.honesty = rng.choice([0.0, 0.8, 1.0])
        names = [boa.env.generate_address(f"challenger {i}") for i in range(2)]
        self.ids = [table.open(name) for name in names]
        self.actors = [*names, table.worker, boa.env.generate_address("stranger")]

    def get_legal(self, game_id: int) -> moves.SideMove | None:
        """The owed move; challengers point anywhere, or like honest ones."""
        game = self.table.games[game_id]
        shown = self.table.shown.get(game_id)
        if game.stage is Stage.PICK:
            honest = compute_challenger_move(game, self.truth, shown)
            if honest is not None and self.rng.random() < self.honesty:
                return honest
            inside = get_inside(game)
            everywhere = range(len(shown))
            anywhere = not inside or self.rng.random() < 0.05
            return build_pick(game, self.rng.choice(everywhere if anywhere else inside), shown)
        if game.stage is Stage.PICK_ELEMENT:
            if self.rng.random() < self.honesty:
                honest = compute_challenger_move(game, self.truth, shown)
                return honest or moves.PickElement(game.move, 0)
            per_leaf = LEAF_BYTES // Dtype(game.dtype).size_bytes
            return moves.PickElement(game.move, self.rng.randrange(per_leaf))
        return compute_worker_move(game, self.table.claimed)

    def attempt(self) -> None:
        """One random call."""
        rng, table = self.rng, self.table
        running = [i for i in self.ids if table.games[i].stage is not Stage.ENDED]
        game_id = rng.choice(running if running and rng.random() < 0.95 else self.ids)
        game = table.games[game_id]
        self.pass_time(game)
        owing = game.challenger if game.is_challenger_owing() else table.worker
        chance = rng.random()
        expired = 0 < compute_deadline(game) < boa.env.timestamp
        if chance < (0.5 if expired else 0.03):
            table.play(game_id, moves.Timeout(), rng.choice(self.actors))
        elif chance < 0.06 or (game.claim_slashed and chance < 0.5):
            table.play(game_id, moves.Drop(), rng.choice(self.actors))
        else:
            try:
                move = self.get_legal(game_id)
            except (GameError, ValueError, IndexError):
                move = None  # a false trace that cannot be opened: its worker waits
            if move is None:
                move = moves.Reveal(game.move, ())
            kinds = [moves.ExpandChunk(game.move, (), (), b"")]
            # The proof has the most parts, and every one has a reason of its own.
            spoilt = 0.8 if isinstance(move, moves.Prove) else 0.15
            chance = rng.random()
            if chance < spoilt:
                table.play(game_id, spoil(rng, move), owing)
            elif chance < spoilt + (1 - spoilt) * LEGAL:
                table.play(game_id, move, owing)
            elif chance < spoilt + (1 - spoilt) * (LEGAL + 0.08):
                table.play(game_id, kinds[0], owing)
            else:
                table.play(game_id, move, rng.choice(self.actors))

    def pass_time(self, game: Game) -> None:
        """Seconds, now and then a whole clock."""
        seconds = self.rng.choice([0, 0, 0, 1, 3])
        if self.rng.random() < 0.015 and game.stage is not Stage.ENDED:
            wait = compute_deadline(game) - boa.env.timestamp + self.rng.choice([0, 1])
            seconds = max(0, wait)
        if seconds:
            boa.env.time_travel(seconds=seconds)

    def check_money(self) -> None:
        """G6: what the contract holds is what it owes."""
        contract, economy = self.table.contract, self.table.economy
        running = [g for g in self.table.games.values() if g.stage is not Stage.ENDED]
        owed = sum(contract.owed_to(actor) for actor in self.actors)
        bonds = len(running) * BOND
        assert contract.total_held() == owed + bonds == economy.token.balanceOf(contract)
        assert economy.escrow.claim_of(self.table.claim_id).open_games == len(running)


def get_reasons() -> set[str]:
    return {kind.reason for kind in GameError.__subclasses__()} - UNREACHED


def test_play__random_calls__machines_agree() -> None:
    run = make_run()
    truth = make_truth(run)
    lie = Lie(step=4, operator=5, instruction=5, element=3, bits=2**30, chunk=1)
    liar = SpecEvidence(run, lie=lie)
    met: Counter[str] = Counter()
    for seed in range(SESSIONS):
        rng = random.Random(seed)
        with boa.env.anchor():
            table = lay_table(rng.choice([truth, liar, liar]))
            session = Session(rng, table, truth)
            # Random play seldom gets to the last move of a fold, or to a second round far down.
            if seed % 4 in STARTS:
                table.advance(session.ids[0], *STARTS[seed % 4])
            for _ in range(140):
                session.attempt()
                if all(table.games[i].stage is Stage.ENDED for i in session.ids):
                    break
            session.check_money()
            met += table.met
    for level in Level:
        assert met[f"{level.name} PICK"] > 0, level
        # An expansion has shown the only nodes of the two levels of one round.
        if level not in (Level.STEP, Level.INSTRUCTION):
            assert met[f"{level.name} REVEAL"] > 0, level
        if level is not Level.CHUNK:
            assert met[f"{level.name} EXPAND"] > 0, level
    for stage in ("ELEMENT REVEAL_LEAF", "ELEMENT PICK_ELEMENT", "ELEMENT PROVE", "CHUNK PROVE"):
        assert met[stage] > 0, stage
    for outcome in (Outcome.WORKER_WON, Outcome.CHALLENGER_WON, Outcome.DROPPED):
        assert met[outcome.name] > 0, outcome
    assert met["timeout"] > 0
    assert {reason for reason in get_reasons() if not met[reason]} == set()


@pytest.mark.parametrize("seed", range(LIES))
def test_play__lie_in_a_random_place__is_decided_on_chain(seed: int) -> None:
    run = make_run()
    truth = make_truth(run)
    rng = random.Random(seed)
    while True:
        claimed = SpecEvidence(run, lie=make_lies(run, rng, 1)[0])
        if claimed.claim_tree().root != truth.claim_tree().root:
            break
    with boa.env.anchor():
        table = lay_table(claimed)
        game_id = table.open()
        assert table.play_out(game_id, truth) is Outcome.CHALLENGER_WON
        lie = claimed.lie
        assert lie is not None
        game = table.games[game_id]
        place = (game.step, *game.indices[Level.OPERATOR : Level.CHUNK])
        assert place == (lie.step, lie.operator, lie.instruction, lie.element)
