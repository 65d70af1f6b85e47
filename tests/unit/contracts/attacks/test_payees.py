"""Payees that refuse, burn gas or answer too much; thieves of keys; whoever calls for others."""

from collections.abc import Callable, Iterator
from typing import Any

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


def refuse(reason: str, call: Callable[[], Any]) -> None:
    with boa.reverts(reason):
        call()


def test_thief__of_a_workers_hot_key__moves_stake_and_reward_to_the_payout_only() -> None:
    with boa.env.anchor():
        system = deploy_system()
        economy, worker = system.economy, system.economy.worker
        table = system.claim(TRUTH)
        payout, thief = economy.registry.payout_of(worker), boa.env.generate_address("thief")
        registry, vault = economy.registry, economy.vault
        node = (WORKER, b"", bytes(32), thief, "")
        refuse("registry: not the payout", lambda: registry.register(*node, sender=worker))
        refuse(
            "registry: not the payout", lambda: registry.set_payout(worker, thief, sender=worker)
        )
        refuse("registry: not the payout", lambda: registry.set_payout(worker, thief, sender=thief))
        refuse(
            "vault: insufficient stake",
            lambda: vault.request_withdrawal(worker, STAKE, sender=worker),
        )
        economy.pass_window(table.claim_id)
        economy.escrow.finalise(table.claim_id, sender=thief)
        refuse("splitter: nothing owed", lambda: economy.splitter.withdraw(worker, sender=worker))
        economy.splitter.withdraw(payout, sender=thief)
        vault.request_withdrawal(worker, STAKE, sender=worker)
        boa.env.time_travel(seconds=UNBONDING_SECONDS)
        vault.withdraw(worker, sender=thief)
        assert economy.token.balanceOf(payout) == REWARD + STAKE
        assert economy.token.balanceOf(thief) == economy.token.balanceOf(worker) == 0


def test_thief__of_a_workers_hot_key__gets_awards_of_games_and_can_waste_the_stake() -> None:
    """What remains: bonds are owed to the account that plays, and a lie can be told with it."""
    with boa.env.anchor():
        system = deploy_system()
        economy, contract = system.economy, system.contract
        table, thief = system.claim(TRUTH), boa.env.generate_address("thief")
        game_id = table.open()
        while contract.owed_to(table.worker) == 0:
            system.step(table, game_id)
        award = contract.withdraw(sender=table.worker)
        assert economy.token.balanceOf(table.worker) == award > 0
        false = system.claim(LIE)
        game_id = false.open(thief)
        boa.env.timestamp = compute_deadline(false.games[game_id]) + 1
        assert false.play(game_id, moves.Timeout(), thief) == ""
        assert 0 < economy.splitter.owed_to(thief) <= STAKE // 2
