"""Payees that refuse, burn gas or answer too much."""

from collections.abc import Iterator

import boa
import pytest

from protocol import moves
from protocol.game import compute_deadline
from tests.disputes import BOND, make_tiny_run, make_truth
from tests.economy import CLAIM_FINALISED, CLAIM_SLASHED, REWARD, STAKE, UNBONDING_SECONDS, WORKER
from tests.evidence import Lie, SpecEvidence
from tests.unit.contracts.attacks.systems import System, deploy_system, load

TRUTH = make_truth(make_tiny_run())
LIE = SpecEvidence(TRUTH.run, lie=Lie(step=0, operator=0, instruction=0, element=0))


@pytest.fixture(params=[True, False], ids=["gas", "data"])
def mined(request: pytest.FixtureRequest) -> Iterator[tuple[System, str]]:
    """A token that tells one payee of its payments, and that payee, which explodes."""
    with boa.env.anchor():
        token, bomb = load("CallbackToken"), load("Bomb", request.param)
        token.set_hook(bomb)
        yield deploy_system(token), bomb.address


def test_finalise__payees_that_explode__everybody_else_is_paid(mined: tuple[System, str]) -> None:
    """Worker's payout, a beneficiary and the submitter of another task are the bomb."""
    system, bomb = mined
    economy, honest = system.economy, boa.env.generate_address("honest")
    economy.registry.register(WORKER, b"", bytes(32), bomb, "", sender=economy.worker)
    table = system.claim(TRUTH, shares=[(bomb, 2_000), (honest, 3_000)], audit_budget=50)
    economy.pass_window(table.claim_id)
    economy.escrow.finalise(table.claim_id)
    assert economy.escrow.claim_of(table.claim_id).status == CLAIM_FINALISED
    assert economy.splitter.owed_to(bomb) == REWARD * 7 // 10
    with boa.reverts():
        economy.splitter.withdraw(bomb)
    assert economy.splitter.owed_to(bomb) == REWARD * 7 // 10
    assert economy.splitter.withdraw(honest) == REWARD * 3 // 10
    assert economy.splitter.withdraw(economy.submitter) == 50
    # Stake that nobody can be paid: the vault keeps it, and goes on with others.
    vault = economy.vault
    vault.request_withdrawal(economy.worker, STAKE, sender=economy.worker)
    boa.env.time_travel(seconds=UNBONDING_SECONDS)
    with boa.reverts():
        vault.withdraw(economy.worker)
    assert vault.unbonding_of(economy.worker) == STAKE
    system.check_books([economy.worker])


def test_expire__submitter_that_explodes__keeps_its_own_task_only(
    mined: tuple[System, str],
) -> None:
    system, bomb = mined
    economy, submitter = system.economy, system.economy.submitter
    economy.submitter = bomb
    own = economy.post()
    economy.submitter = submitter
    other = economy.post()
    boa.env.timestamp = economy.escrow.offer_of(other).expiry + 1
    with boa.reverts():
        economy.escrow.expire(own)
    economy.escrow.expire(other)
    assert economy.token.balanceOf(submitter) == REWARD
    system.check_books([])


def test_timeout__challenger_that_explodes__the_liar_is_slashed(mined: tuple[System, str]) -> None:
    system, bomb = mined
    table = system.claim(LIE)
    game_id, other = table.open(bomb), table.open()
    boa.env.timestamp = compute_deadline(table.games[game_id]) + 1
    assert table.play(game_id, moves.Timeout(), system.economy.submitter) == ""
    assert system.economy.escrow.claim_of(table.claim_id).status == CLAIM_SLASHED
    with boa.reverts():
        system.contract.withdraw(sender=bomb)
    assert table.play(other, moves.Drop(), bomb) == ""
    assert system.contract.withdraw(sender=system.economy.challenger) == BOND
    system.check_books([bomb])
