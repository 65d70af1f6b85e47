"""Drops, withdrawals, and what is owed to whom."""

import boa

from protocol import moves
from protocol.game import Outcome
from tests.disputes import BOND
from tests.economy import get_event


def test_drop__claim_refuted_by_another__gives_the_bond_back(false_table, truth):
    table = false_table
    economy, contract, bond = table.economy, table.contract, BOND
    winner, other = table.open(), table.open(boa.env.generate_address("other"))
    stranger = boa.env.generate_address("stranger")
    assert table.play(other, moves.Drop(), stranger) == "game: claim not slashed"
    assert table.play_out(winner, truth) is Outcome.CHALLENGER_WON
    late = table.games[other]
    reason = "game: claim already slashed"
    assert table.play(other, table.owe(other), table.worker) == reason
    boa.env.time_travel(seconds=10_000)
    assert table.play(other, moves.Timeout(), stranger) == reason
    assert table.play(other, moves.Drop(), stranger) == ""
    assert table.get_event("GameEnded")["outcome"] == Outcome.DROPPED
    assert table.play(other, moves.Drop(), stranger) == "game: ended"
    assert contract.owed_to(late.challenger) == bond
    assert contract.total_held() == economy.token.balanceOf(contract) == 2 * bond
    assert economy.escrow.claim_of(table.claim_id).open_games == 0


def test_finalise__undecided_game__reverts(table):
    economy = table.economy
    table.open()
    boa.env.time_travel(seconds=10_000)
    with boa.reverts("escrow: games open"):
        economy.escrow.finalise(table.claim_id)


def test_withdraw__twice__reverts(table):
    contract = table.contract
    game_id = table.open()
    table.play(game_id, table.owe(game_id), table.worker)
    boa.env.time_travel(seconds=table.preset.challenger_seconds + 1)
    table.play(game_id, moves.Timeout(), table.worker)
    assert contract.withdraw(sender=table.worker) == 600
    event = get_event(contract, "Withdrawn")
    assert (event["account"], event["amount"]) == (table.worker, 600)
    assert contract.total_held() == 0
    with boa.reverts("game: nothing owed"):
        contract.withdraw(sender=table.worker)
    with boa.reverts("game: nothing owed"):
        contract.withdraw(sender=table.economy.challenger)


def test_max_duration__any_task__is_the_formula(table):
    assert table.contract.max_duration(120) == 600 + 300 + 57 * 20 + 3 * 17 * 120
    assert table.contract.max_duration(0) == 2_040


def test_process_claim_slashed__by_anybody_but_the_escrow__is_refused(table):
    game_id = table.open()
    for stranger in (table.worker, table.economy.challenger, table.economy.lottery.address):
        with boa.reverts("game: not escrow"):
            table.contract.process_claim_slashed(table.claim_id, sender=stranger)
    table.check(game_id)
