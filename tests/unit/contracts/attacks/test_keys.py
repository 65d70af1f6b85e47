"""Keys of nodes: stolen or lost, while the payout is in its owner's hands."""

from collections.abc import Callable, Iterator
from typing import Any

import boa
import pytest

from protocol import moves
from protocol.game import compute_deadline
from tests.audits import FALSE_ROOT, Audits
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


def test_thief__asks_for_one_unit_more__does_not_delay_the_rest(economy: Economy) -> None:
    """Neither before its owner asks for the stake, nor after. [V5]"""
    vault, worker = economy.vault, economy.worker
    payout, thief = economy.register(worker), boa.env.generate_address("thief")
    economy.stake(worker, 1_000)
    vault.request_withdrawal(worker, 1, sender=worker)  # by the thief, with the key
    vault.request_withdrawal(worker, 999, sender=payout)
    ready_at = vault.ready_at(worker)
    assert ready_at == boa.env.timestamp + UNBONDING_SECONDS
    boa.env.time_travel(seconds=UNBONDING_SECONDS)
    economy.fund(thief, 1, vault)
    vault.deposit(worker, 1, sender=thief)
    refuse("vault: withdrawal pending", lambda: vault.request_withdrawal(worker, 1, sender=worker))
    assert vault.ready_at(worker) == ready_at
    assert vault.withdraw(worker) == 1_000
    assert economy.token.balanceOf(payout) == 1_000


def test_thief__locks_what_comes_free__not_of_a_retired_node(economy: Economy) -> None:
    """It has a lease whose stake it would lock again in the second in which it comes free. [N4]"""
    escrow, vault, worker = economy.escrow, economy.vault, economy.worker
    payout, again = economy.register(worker), economy.post()
    task_id = economy.post()
    economy.assign(task_id)
    economy.registry.retire(worker, sender=payout)
    escrow.abandon(task_id, sender=worker)
    digest = economy.digest_of(again)
    refuse("escrow: not a worker", lambda: escrow.assign(again, digest, 0, sender=worker))
    vault.request_withdrawal(worker, STAKE, sender=payout)


def test_leave__by_the_payout__takes_the_stake_out(audits: Audits, auditor: str) -> None:
    payout = audits.economy.registry.payout_of(auditor)
    audits.economy.lottery.leave(auditor, sender=payout)
    assert audits.economy.vault.free_of(auditor) == 10 * PENALTY


def test_thief__joins_and_commits_again_and_again__not_after_the_node_is_retired(
    audits: Audits, auditor: str
) -> None:
    """Joining starts the warm-up anew, an open audit stands against leaving. [N4]"""
    registry = audits.economy.registry
    payout = registry.payout_of(auditor)
    claim_id, later = audits.committed(auditor), audits.drawn()
    audits.economy.stake(auditor, 2)
    assert audits.join(auditor, 1) == ""  # by the thief, with the key
    assert audits.leave(auditor, payout) == "lottery: audits open"
    registry.retire(auditor, sender=payout)
    assert audits.join(auditor, 1) == "lottery: not an auditor"
    assert audits.commit(later, auditor, FALSE_ROOT) == "lottery: not drawn"
    audits.pass_deadline(claim_id, "open_deadline")
    assert audits.declare_default(claim_id, audits.segment_of(claim_id, auditor)) == ""
    assert audits.settle(claim_id, auditor) == ""
    audits.warm_up()
    assert audits.leave(auditor, payout) == ""
    assert audits.economy.vault.free_of(auditor) == 10 * PENALTY + 2
