import boa

from tests.economy import UNBONDING_SECONDS, get_event, get_transfers


def test_withdraw__after_delay__pays(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    vault.request_withdrawal(worker, 70, sender=worker)
    ready_at = boa.env.timestamp + UNBONDING_SECONDS
    event = get_event(vault, "WithdrawalRequested")
    assert (event["account"], event["amount"], event["ready_at"]) == (worker, 70, ready_at)
    assert (vault.free_of(worker), vault.unbonding_of(worker)) == (30, 70)
    assert vault.ready_at(worker) == ready_at

    boa.env.time_travel(seconds=UNBONDING_SECONDS - 1)
    with boa.reverts("vault: still unbonding"):
        vault.withdraw(worker)
    boa.env.time_travel(seconds=1)
    assert vault.withdraw(worker, sender=economy.challenger) == 70
    event = get_event(vault, "Withdrawn")
    assert (event["account"], event["payout"], event["amount"]) == (worker, worker, 70)
    assert economy.token.balanceOf(worker) == 70
    assert vault.total_staked() == vault.free_of(worker) == 30
    assert (vault.unbonding_of(worker), vault.ready_at(worker)) == (0, 0)
    with boa.reverts("vault: nothing requested"):
        vault.withdraw(worker)


def test_withdraw__registered_node__pays_its_payout_of_then(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    payout, later = economy.register(worker), boa.env.generate_address("later")
    vault.request_withdrawal(worker, 100, sender=worker)
    boa.env.time_travel(seconds=UNBONDING_SECONDS)
    economy.registry.set_payout(worker, later, sender=payout)
    vault.withdraw(worker, sender=worker)
    event = get_event(vault, "Withdrawn")
    assert (event["account"], event["payout"], event["amount"]) == (worker, later, 100)
    assert get_transfers(vault) == [(vault.address, later, 100)]


def test_request_withdrawal__by_the_payout__works(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    payout = economy.register(worker)
    vault.request_withdrawal(worker, 100, sender=payout)
    assert vault.unbonding_of(worker) == 100


def test_request_withdrawal__by_anybody_else__reverts(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    payout, later = economy.register(worker), boa.env.generate_address("later")
    economy.registry.set_payout(worker, later, sender=payout)
    for caller in (economy.challenger, payout, economy.escrow.address):
        with boa.reverts("vault: not yours"):
            vault.request_withdrawal(worker, 1, sender=caller)


def test_request_withdrawal__second__restarts_the_delay(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    vault.request_withdrawal(worker, 10, sender=worker)
    boa.env.time_travel(seconds=UNBONDING_SECONDS - 1)
    vault.request_withdrawal(worker, 20, sender=worker)
    boa.env.time_travel(seconds=1)
    with boa.reverts("vault: still unbonding"):
        vault.withdraw(worker)
    boa.env.time_travel(seconds=UNBONDING_SECONDS - 1)
    assert vault.withdraw(worker) == 30


def test_request_withdrawal__second_by_the_hot_key__reverts(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    payout = economy.register(worker)
    for sender in (worker, payout):
        with boa.env.anchor():
            vault.request_withdrawal(worker, 10, sender=sender)
            boa.env.time_travel(seconds=UNBONDING_SECONDS)
            with boa.reverts("vault: withdrawal pending"):
                vault.request_withdrawal(worker, 1, sender=worker)
            assert vault.withdraw(worker) == 10
            vault.request_withdrawal(worker, 1, sender=worker)


def test_request_withdrawal__second_by_the_payout__restarts_the_delay(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    payout = economy.register(worker)
    vault.request_withdrawal(worker, 10, sender=worker)
    boa.env.time_travel(seconds=UNBONDING_SECONDS - 1)
    vault.request_withdrawal(worker, 20, sender=payout)
    assert vault.ready_at(worker) == boa.env.timestamp + UNBONDING_SECONDS
    boa.env.time_travel(seconds=UNBONDING_SECONDS)
    assert vault.withdraw(worker) == 30


def test_request_withdrawal__refused__reverts(economy):
    vault, worker = economy.vault, economy.worker
    economy.stake(worker, 100)
    with boa.reverts("vault: zero amount"):
        vault.request_withdrawal(worker, 0, sender=worker)
    with boa.reverts("vault: insufficient stake"):
        vault.request_withdrawal(worker, 101, sender=worker)
    vault.lock(1, worker, 60, sender=economy.escrow.address)
    with boa.reverts("vault: insufficient stake"):
        vault.request_withdrawal(worker, 41, sender=worker)
