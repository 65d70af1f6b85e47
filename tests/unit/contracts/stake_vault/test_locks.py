"""lock, release and slash, by the escrow and by the lottery."""

import boa
import pytest

from tests.economy import BURN_ADDRESS, ZERO_ADDRESS, deploy_economy, get_event, get_transfers

NO_LOCK = (ZERO_ADDRESS, 0)


@pytest.fixture(params=["escrow", "lottery"])
def locker(request, economy):
    return getattr(economy, request.param).address


def test_lock__then_release__returns_to_free(economy, locker):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    vault.lock(7, worker, 60, sender=locker)
    event = get_event(vault, "StakeLocked")
    assert (event["locker"], event["lock_id"]) == (locker, 7)
    assert (event["account"], event["amount"]) == (worker, 60)
    assert (vault.free_of(worker), vault.locked_of(worker)) == (40, 60)
    assert vault.lock_of(locker, 7) == (worker, 60)
    vault.release(7, sender=locker)
    event = get_event(vault, "StakeReleased")
    assert (event["locker"], event["lock_id"]) == (locker, 7)
    assert (event["account"], event["amount"]) == (worker, 60)
    assert (vault.free_of(worker), vault.locked_of(worker)) == (100, 0)
    assert vault.lock_of(locker, 7) == NO_LOCK


def test_lock__same_account_again__adds_up(economy, locker):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    vault.lock(7, worker, 60, sender=locker)
    vault.lock(7, worker, 30, sender=locker)
    assert get_event(vault, "StakeLocked")["amount"] == 30
    assert vault.lock_of(locker, 7) == (worker, 90)
    with boa.reverts("vault: insufficient stake"):
        vault.lock(7, worker, 11, sender=locker)
    vault.release(7, sender=locker)
    assert vault.free_of(worker) == 100


def test_lock__same_number_at_both_lockers__are_two_locks(economy):
    vault, worker = economy.vault, economy.worker
    escrow, lottery = economy.escrow.address, economy.lottery.address
    economy.stake(worker, 100)
    economy.stake(economy.auditor, 40)
    vault.lock(7, worker, 60, sender=escrow)
    vault.lock(7, economy.auditor, 40, sender=lottery)
    vault.slash(7, 40, economy.submitter, sender=lottery)
    assert vault.lock_of(lottery, 7) == NO_LOCK
    with boa.reverts("vault: no lock"):
        vault.release(7, sender=lottery)
    assert vault.lock_of(escrow, 7) == (worker, 60)
    vault.release(7, sender=escrow)
    assert vault.free_of(worker) == 100


def test_lock__refused__reverts(economy, locker):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    economy.stake(economy.auditor, 100)
    with boa.reverts("vault: insufficient stake"):
        vault.lock(1, worker, 101, sender=locker)
    with boa.reverts("vault: zero amount"):
        vault.lock(1, worker, 0, sender=locker)
    vault.lock(1, worker, 10, sender=locker)
    with boa.reverts("vault: another account's lock"):
        vault.lock(1, economy.auditor, 10, sender=locker)
    # Once it is empty it is anybody's again.
    vault.slash(1, 10, economy.submitter, sender=locker)
    vault.lock(1, economy.auditor, 10, sender=locker)


@pytest.mark.parametrize(
    ("stake", "burned_bps", "awarded"),
    [(100, 5_000, 50), (101, 5_000, 50), (1, 5_000, 0), (101, 6_000, 40), (101, 10_000, 0)],
)
def test_slash__rounding__favours_the_burn(stake, burned_bps, awarded):
    economy = deploy_economy(burned_bps=burned_bps)
    vault, worker, escrow = economy.vault, economy.worker, economy.escrow.address
    economy.stake(worker, stake + 3)
    vault.lock(1, worker, stake, sender=escrow)
    assert vault.slash(1, stake, economy.challenger, sender=escrow) == awarded
    event = get_event(vault, "StakeSlashed")
    assert (event["locker"], event["lock_id"], event["account"]) == (escrow, 1, worker)
    assert (event["burned"], event["awarded"]) == (stake - awarded, awarded)
    transfers = [(vault.address, BURN_ADDRESS, stake - awarded)]
    transfers += [(vault.address, economy.challenger, awarded)] if awarded else []
    assert get_transfers(vault) == transfers
    assert vault.locked_of(worker) == 0
    assert vault.total_staked() == economy.token.balanceOf(vault) == 3
    with boa.reverts("vault: no lock"):
        vault.slash(1, 1, economy.challenger, sender=escrow)
    with boa.reverts("vault: no lock"):
        vault.release(1, sender=escrow)


def test_slash__part_of_a_lock__leaves_the_rest(economy, locker):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    vault.lock(1, worker, 90, sender=locker)
    with boa.reverts("vault: slash exceeds lock"):
        vault.slash(1, 91, economy.submitter, sender=locker)
    assert vault.slash(1, 35, economy.submitter, sender=locker) == 14
    assert vault.lock_of(locker, 1) == (worker, 55)
    assert (vault.free_of(worker), vault.locked_of(worker)) == (10, 55)
    assert vault.total_staked() == economy.token.balanceOf(vault) == 65
    assert vault.slash(1, 54, economy.submitter, sender=locker) == 21
    assert vault.lock_of(locker, 1) == (worker, 1)
    vault.release(1, sender=locker)
    assert (vault.free_of(worker), vault.locked_of(worker)) == (11, 0)
    assert economy.token.balanceOf(economy.submitter) == 14 + 21
    assert economy.token.balanceOf(BURN_ADDRESS) == 21 + 33


def test_slash__largest_amount__cannot_overflow(economy, locker):
    largest = 2**128 - 1
    economy.stake(economy.worker, largest)
    economy.vault.lock(1, economy.worker, largest, sender=locker)
    awarded = economy.vault.slash(1, largest, economy.submitter, sender=locker)
    assert awarded == largest * 4_000 // 10_000


def test_locks__not_by_a_locker__reverts(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    for caller in (worker, economy.game, economy.availability.address, economy.registry.address):
        with boa.reverts("vault: not a locker"):
            vault.lock(1, worker, 10, sender=caller)
        with boa.reverts("vault: not a locker"):
            vault.release(1, sender=caller)
        with boa.reverts("vault: not a locker"):
            vault.slash(1, 10, worker, sender=caller)
