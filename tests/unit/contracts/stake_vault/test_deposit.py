import boa

from tests.economy import ZERO_ADDRESS, deploy_economy, get_deployer, get_event


def test_deposit__twice__adds_to_free(economy):
    economy.stake(economy.worker, 60)
    event = get_event(economy.vault, "Deposited")
    assert (event["account"], event["amount"]) == (economy.worker, 60)
    economy.stake(economy.worker, 40)
    vault = economy.vault
    assert vault.free_of(economy.worker) == vault.total_staked() == 100
    assert economy.token.balanceOf(vault) == 100


def test_deposit__for_another_account__is_that_accounts(economy):
    vault = economy.vault
    economy.fund(economy.submitter, 70, vault)
    vault.deposit(economy.worker, 70, sender=economy.submitter)
    assert get_event(vault, "Deposited")["account"] == economy.worker
    assert (vault.free_of(economy.worker), vault.free_of(economy.submitter)) == (70, 0)
    assert economy.token.balanceOf(economy.submitter) == 0


def test_deposit__nothing_or_to_nobody__reverts(economy):
    with boa.reverts("vault: zero amount"):
        economy.vault.deposit(economy.worker, 0, sender=economy.worker)
    with boa.reverts("vault: zero account"):
        economy.vault.deposit(ZERO_ADDRESS, 1, sender=economy.worker)


def test_deposit__no_allowance__reverts(economy):
    economy.token.mint(economy.worker, 5)
    with boa.reverts("erc20: insufficient allowance"):
        economy.vault.deposit(economy.worker, 5, sender=economy.worker)


def test_deposit__faulty_token__reverts():
    token = get_deployer("mocks/FaultyToken").deploy()
    economy = deploy_economy(token)
    token.mint(economy.worker, 10)
    token.set_fault(1, False)
    with boa.reverts("vault: short transfer"):
        economy.vault.deposit(economy.worker, 10, sender=economy.worker)
    token.set_fault(0, True)
    with boa.reverts("vault: transfer failed"):
        economy.vault.deposit(economy.worker, 10, sender=economy.worker)


def test_deposit__token_without_return_value__works():
    token = get_deployer("mocks/SilentToken").deploy()
    economy = deploy_economy(token, unbonding_seconds=0)
    token.mint(economy.worker, 10)
    economy.vault.deposit(economy.worker, 10, sender=economy.worker)
    economy.vault.request_withdrawal(economy.worker, 10, sender=economy.worker)
    assert economy.vault.withdraw(economy.worker) == 10
    assert token.balanceOf(economy.worker) == 10
