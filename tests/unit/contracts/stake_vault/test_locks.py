import boa
import pytest

from tests.economy import BURN_ADDRESS, ZERO_ADDRESS, deploy_economy, get_event, get_transfers


def test_lock__then_release__returns_to_free(economy):
    vault, worker, escrow = economy.vault, economy.worker, economy.escrow.address
    economy.stake(worker, 100)
    vault.lock(7, worker, 60, sender=escrow)
    event = get_event(vault, "StakeLocked")
    assert (event["task_id"], event["worker"], event["amount"]) == (7, worker, 60)
    assert (vault.free_of(worker), vault.locked_of(worker)) == (40, 60)
    assert vault.lock_of(7) == (worker, 60)
    vault.release(7, sender=escrow)
    assert get_event(vault, "StakeReleased")["amount"] == 60
    assert (vault.free_of(worker), vault.locked_of(worker)) == (100, 0)
    assert vault.lock_of(7) == (ZERO_ADDRESS, 0)


def test_lock__refused__reverts(economy):
    vault, worker, escrow = economy.vault, economy.worker, economy.escrow.address
    economy.stake(worker, 100)
    with boa.reverts("vault: insufficient stake"):
        vault.lock(1, worker, 101, sender=escrow)
    vault.lock(1, worker, 10, sender=escrow)
    with boa.reverts("vault: task has a lock"):
        vault.lock(1, worker, 10, sender=escrow)


@pytest.mark.parametrize(
    ("stake", "burned_bps", "awarded"),
    [(100, 5_000, 50), (101, 5_000, 50), (1, 5_000, 0), (101, 6_000, 40), (101, 10_000, 0)],
)
def test_slash__rounding__favours_the_burn(stake, burned_bps, awarded):
    economy = deploy_economy(burned_bps=burned_bps)
    vault, worker, escrow = economy.vault, economy.worker, economy.escrow.address
    economy.stake(worker, stake + 3)
    vault.lock(1, worker, stake, sender=escrow)
    assert vault.slash(1, economy.challenger, sender=escrow) == awarded
    event = get_event(vault, "StakeSlashed")
    assert (event["burned"], event["awarded"]) == (stake - awarded, awarded)
    transfers = [(vault.address, BURN_ADDRESS, stake - awarded)]
    transfers += [(vault.address, economy.challenger, awarded)] if awarded else []
    assert get_transfers(vault) == transfers
    assert vault.locked_of(worker) == 0
    assert vault.total_staked() == economy.token.balanceOf(vault) == 3
    with boa.reverts("vault: no lock"):
        vault.slash(1, economy.challenger, sender=escrow)
    with boa.reverts("vault: no lock"):
        vault.release(1, sender=escrow)


def test_locks__not_by_the_escrow__reverts(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    with boa.reverts("vault: not escrow"):
        vault.lock(1, worker, 10, sender=worker)
    with boa.reverts("vault: not escrow"):
        vault.release(1, sender=worker)
    with boa.reverts("vault: not escrow"):
        vault.slash(1, worker, sender=economy.game)
