"""Who plays for time: floods, last seconds, clocks that other games move."""

from typing import Any

import boa
import pytest

from protocol import moves
from protocol.game import Level, Outcome, Stage, compute_deadline
from protocol.strategy import build_pick
from tests.disputes import BOND, PRESET, REEXECUTION_SECONDS, make_run, make_tiny_run, make_truth
from tests.economy import CLAIM_SLASHED
from tests.evidence import Lie, SpecEvidence
from tests.game_table import Place, lay_table
from tests.unit.contracts.attacks.play import owe


@pytest.mark.parametrize("games_at_once", [1, 4, 9])
def test_flood__worker_that_needs_exactly_the_priced_time__never_loses(games_at_once: int) -> None:
    """As many challengers point at as many steps. The worker executes one thing at a time, each in
    the time that the task pays for, keeps all results and always serves the nearest deadline."""
    with boa.env.anchor():
        table = lay_table(make_truth(make_run()))
        numbers = range(games_at_once)
        places = {table.open(boa.env.generate_address()): (n // 3, n % 3) for n in numbers}
        known: set[tuple[int, ...]] = set()
        while True:
            games = {i: g for i, g in table.games.items() if g.stage is not Stage.ENDED}
            if not games:
                break
            for game_id, game in games.items():
                if game.is_challenger_owing():
                    point(table, game_id, places[game_id])
            games = {i: g for i, g in table.games.items() if g.stage is not Stage.ENDED}
            waiting = {i: g for i, g in games.items() if not g.is_challenger_owing()}
            game_id = min(waiting, key=lambda i: compute_deadline(waiting[i]))
            game = waiting[game_id]
            work = (*game.indices[: game.level + 1], game.level)
            if game.stage is Stage.EXPAND and game.level + 1 in (1, 3, 4) and work not in known:
                known.add(work)
                boa.env.timestamp += REEXECUTION_SECONDS
            if boa.env.timestamp > compute_deadline(game):
                assert table.play(game_id, moves.Timeout(), game.challenger) == ""
                break
            assert table.play(game_id, owe(table, game_id), table.worker) == ""
        outcomes = {game.outcome for game in table.games.values()}
        assert Outcome.CHALLENGER_WON not in outcomes


def point(table: Any, game_id: int, place: tuple[int, int]) -> None:
    """The challenger's move, towards a step's first slot."""
    game = table.games[game_id]
    leaves = (*place, 0, 5, 5, 0, 0)
    if game.stage is Stage.PICK_ELEMENT:
        move: Any = moves.PickElement(game.move, 0)
    else:
        child = (leaves[game.level] >> (game.height - game.depth)) - (game.index << game.depth)
        move = build_pick(game, child, table.shown[game_id])
    assert game.level in Level
    assert table.play(game_id, move, game.challenger) == ""


@pytest.mark.parametrize("proof_first", [True, False])
@pytest.mark.parametrize("late", [0, 1])
def test_timeout__in_the_block_of_the_proof__order_decides_nothing(
    tiny_table: Any, proof_first: bool, late: int
) -> None:
    """In any second only one of the two is accepted, whoever orders the block."""
    table = tiny_table
    game_id = table.open()
    place = Place((0,) * 7)
    game = table.advance(game_id, Level.ELEMENT, Stage.PROVE, place)
    proof = owe(table, game_id)
    boa.env.timestamp = compute_deadline(game) + late

    def prove() -> str:
        reason: str = table.play(game_id, proof, table.worker)
        return reason

    def end() -> str:
        reason: str = table.play(game_id, moves.Timeout(), game.challenger)
        return reason

    said = [call() for call in ((prove, end) if proof_first else (end, prove))]
    in_time, too_late = ["", "game: ended"], ["clock: expired", ""]
    expected = too_late if late else in_time
    if not proof_first:
        expected = ["", "game: ended"] if late else ["clock: not expired", ""]
    assert said == expected
    won = Outcome.CHALLENGER_WON if late else Outcome.WORKER_WON
    assert table.games[game_id].outcome is won


def test_open__puppets_that_wake_an_expired_clock__win_a_bounded_time() -> None:
    """A liar whose clock is over opens games against itself, each of which gives it the time of
    an execution: of sixteen games, and not one second more."""
    run = make_tiny_run()
    lie = SpecEvidence(run, lie=Lie(step=0, operator=0, instruction=0, element=0))
    with boa.env.anchor():
        table = lay_table(lie)
        game_id = table.open()
        opened, challenger = boa.env.timestamp, table.economy.challenger
        boa.env.timestamp = compute_deadline(table.games[game_id]) + 1
        with boa.env.anchor():
            table.contract.timeout(game_id)  # who is awake ends it here
        puppets = [table.open(boa.env.generate_address()) for _ in range(17)]
        assert table.play(game_id, moves.Timeout(), challenger) == "clock: not expired"
        deadline = opened + PRESET.worker_seconds + 16 * REEXECUTION_SECONDS
        assert compute_deadline(table.games[game_id]) == deadline
        assert deadline - opened < table.contract.max_duration(REEXECUTION_SECONDS)
        boa.env.timestamp = deadline + 1
        assert table.play(game_id, moves.Timeout(), challenger) == ""
        assert table.economy.escrow.claim_of(table.claim_id).status == CLAIM_SLASHED
        # What remains: the puppets' bonds come back, so the delay costs the use of the money.
        for puppet in puppets:
            assert table.play(puppet, moves.Drop(), challenger) == ""
            assert table.contract.owed_to(table.games[puppet].challenger) == BOND
