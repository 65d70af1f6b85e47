import boa

from protocol.game import Level, Stage
from tests.disputes import BOND
from tests.economy import get_event


def test_open__pending_claim__takes_the_bond(table):
    economy, contract = table.economy, table.contract
    game_id = table.open()
    assert game_id == contract.game_count() == 1
    assert contract.game_id_of(table.claim_id, economy.challenger) == game_id
    assert economy.token.balanceOf(contract) == contract.total_held() == BOND
    assert economy.token.balanceOf(economy.challenger) == 0
    assert economy.escrow.claim_of(table.claim_id).open_games == 1
    game = table.games[game_id]
    assert (game.level, game.stage, game.height) == (Level.SEGMENT, Stage.REVEAL, 2)


def test_open__pending_claim__is_logged(table):
    economy = table.economy
    economy.fund(economy.challenger, BOND, table.contract)
    table.contract.open(table.claim_id, table.root, sender=economy.challenger)
    event = get_event(table.contract, "GameOpened")
    assert event["game_id"] == 1 and event["claim_id"] == table.claim_id
    assert event["challenger"] == economy.challenger and event["worker"] == economy.worker


def test_open__single_segment__owes_the_expansion(tiny_table):
    game = tiny_table.games[tiny_table.open()]
    assert (game.level, game.stage, game.height) == (Level.SEGMENT, Stage.EXPAND, 0)


def test_open__several_challengers__play_at_once(table):
    ids = [table.open(boa.env.generate_address(f"challenger {i}")) for i in range(3)]
    assert ids == [1, 2, 3]
    assert table.contract.total_held() == 3 * BOND
    assert table.economy.escrow.claim_of(table.claim_id).open_games == 3


def test_open__twice__reverts(table):
    table.open()
    table.economy.fund(table.economy.challenger, BOND, table.contract)
    with boa.reverts("game: already challenged"):
        table.contract.open(table.claim_id, table.root, sender=table.economy.challenger)


def test_open__by_the_worker__reverts(table):
    with boa.reverts("game: worker cannot challenge itself"):
        table.contract.open(table.claim_id, table.root, sender=table.worker)


def test_open__another_claims_root__reverts(table):
    economy = table.economy
    economy.fund(economy.challenger, BOND, table.contract)
    other = table.claimed.step_tree(0).root
    for root in (other, bytes(32)):
        with boa.reverts("game: another claim"):
            table.contract.open(table.claim_id, root, sender=economy.challenger)
    assert table.contract.game_count() == economy.escrow.claim_of(table.claim_id).open_games == 0
    assert economy.token.balanceOf(economy.challenger) == BOND


def test_open__unknown_claim__reverts(table):
    with boa.reverts("escrow: unknown claim"):
        table.contract.open(2, table.root, sender=table.economy.challenger)


def test_open__window_closed__reverts(table):
    economy = table.economy
    economy.fund(economy.challenger, BOND, table.contract)
    economy.pass_window(table.claim_id)
    with boa.reverts("escrow: window closed"):
        table.contract.open(table.claim_id, table.root, sender=economy.challenger)


def test_open__finalised_claim__reverts(table):
    economy = table.economy
    economy.pass_window(table.claim_id)
    economy.escrow.finalise(table.claim_id)
    with boa.reverts("escrow: claim not pending"):
        table.contract.open(table.claim_id, table.root, sender=economy.challenger)


def test_open__no_allowance__reverts(table):
    economy = table.economy
    economy.token.mint(economy.challenger, BOND)
    with boa.reverts("erc20: insufficient allowance"):
        table.contract.open(table.claim_id, table.root, sender=economy.challenger)
    assert table.contract.game_count() == 0
