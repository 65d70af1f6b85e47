"""Keys of nodes: stolen or lost, while the payout is in its owner's hands."""

from collections.abc import Callable, Iterator
from typing import Any

import boa
import pytest

from protocol import moves
from protocol.game import compute_deadline
from tests.audits import Audits
from tests.disputes import make_tiny_run, make_truth
from tests.economy import (
    PENALTY,
    REWARD,
    STAKE,
    UNBONDING_SECONDS,
    WORKER,
    Economy,
    deploy_economy,
)
from tests.evidence import Lie, SpecEvidence
from tests.unit.contracts.attacks.systems import deploy_system

TRUTH = make_truth(make_tiny_run())
LIE = SpecEvidence(TRUTH.run, lie=Lie(step=0, operator=0, instruction=0, element=0))


@pytest.fixture
def economy() -> Iterator[Economy]:
    with boa.env.anchor():
        yield deploy_economy()


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


@pytest.mark.xfail(
    strict=True,
    reason="StakeVault.request_withdrawal begins the delay of everything anew, so the hot key "
    "keeps stake that its owner has asked for out of reach, one unit at a time",
)
def test_thief__asks_for_one_unit_more__does_not_delay_the_rest(economy: Economy) -> None:
    vault, worker = economy.vault, economy.worker
    payout, thief = economy.register(worker), boa.env.generate_address("thief")
    economy.stake(worker, 1_000)
    vault.request_withdrawal(worker, 1_000, sender=payout)
    ready_at = vault.ready_at(worker)
    boa.env.time_travel(seconds=UNBONDING_SECONDS - 1)
    economy.fund(thief, 1, vault)
    vault.deposit(worker, 1, sender=thief)
    vault.request_withdrawal(worker, 1, sender=worker)  # by the thief, with the key
    assert vault.ready_at(worker) == ready_at


@pytest.mark.xfail(
    strict=True,
    reason="AuditLottery.leave acts on the caller only: audit stake stays locked for good when "
    "the hot key is lost, and as long as it likes the thief when it is stolen",
)
def test_leave__by_the_payout__takes_the_stake_out(audits: Audits, auditor: str) -> None:
    payout = audits.economy.registry.payout_of(auditor)
    audits.economy.lottery.leave(sender=payout)
    assert audits.economy.vault.free_of(auditor) == 10 * PENALTY
