import boa

from tests.economy import UNBONDING_SECONDS, get_event


def test_withdraw__after_delay__pays(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    vault.request_withdrawal(70, sender=worker)
    ready_at = boa.env.timestamp + UNBONDING_SECONDS
    event = get_event(vault, "WithdrawalRequested")
    assert (event["account"], event["amount"], event["ready_at"]) == (worker, 70, ready_at)
    assert (vault.free_of(worker), vault.unbonding_of(worker)) == (30, 70)
    assert vault.ready_at(worker) == ready_at

    boa.env.time_travel(seconds=UNBONDING_SECONDS - 1)
    with boa.reverts("vault: still unbonding"):
        vault.withdraw(sender=worker)
    boa.env.time_travel(seconds=1)
    assert vault.withdraw(sender=worker) == 70
    assert get_event(vault, "Withdrawn")["amount"] == 70
    assert economy.token.balanceOf(worker) == 70
    assert vault.total_staked() == vault.free_of(worker) == 30
    with boa.reverts("vault: nothing requested"):
        vault.withdraw(sender=worker)


def test_request_withdrawal__second__restarts_the_delay(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    vault.request_withdrawal(10, sender=worker)
    boa.env.time_travel(seconds=UNBONDING_SECONDS - 1)
    vault.request_withdrawal(20, sender=worker)
    boa.env.time_travel(seconds=1)
    with boa.reverts("vault: still unbonding"):
        vault.withdraw(sender=worker)
    boa.env.time_travel(seconds=UNBONDING_SECONDS - 1)
    assert vault.withdraw(sender=worker) == 30


def test_request_withdrawal__refused__reverts(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    with boa.reverts("vault: zero amount"):
        vault.request_withdrawal(0, sender=worker)
    with boa.reverts("vault: insufficient stake"):
        vault.request_withdrawal(101, sender=worker)
    vault.lock(1, worker, 60, sender=economy.escrow.address)
    with boa.reverts("vault: insufficient stake"):
        vault.request_withdrawal(41, sender=worker)
