import boa
from hypothesis import given
from hypothesis import strategies as st

from tests.economy import deploy_economy, get_deployer, get_event


def test_credit__remainder_of_rounding__goes_to_the_worker(economy):
    splitter, escrow = economy.splitter, economy.escrow.address
    first, second = boa.env.generate_address(), boa.env.generate_address()
    splitter.set_split(1, [(first, 3_333), (second, 1)], sender=escrow)
    economy.token.mint(splitter, 100)
    splitter.credit(1, economy.worker, 100, sender=escrow)
    logs = [log for log in splitter.get_logs() if type(log).__name__ == "Credited"]
    assert [(log.account, log.amount) for log in logs] == [
        (first, 33),
        (second, 0),
        (economy.worker, 67),
    ]
    assert splitter.owed_to(first) == 33
    assert splitter.owed_to(economy.worker) == 67
    assert splitter.total_owed() == 100


def test_credit__without_split__goes_to_the_worker(economy):
    economy.token.mint(economy.splitter, 100)
    economy.splitter.credit(1, economy.worker, 100, sender=economy.escrow.address)
    assert economy.splitter.owed_to(economy.worker) == 100


def test_credit__not_funded__reverts(economy):
    splitter, escrow = economy.splitter, economy.escrow.address
    economy.token.mint(splitter, 100)
    splitter.credit_account(1, economy.challenger, 60, sender=escrow)
    with boa.reverts("splitter: not funded"):
        splitter.credit(1, economy.worker, 41, sender=escrow)
    with boa.reverts("splitter: not funded"):
        splitter.credit_account(1, economy.worker, 41, sender=escrow)
    splitter.credit(1, economy.worker, 40, sender=escrow)


def test_withdraw__owed__pays_once(economy):
    splitter, challenger = economy.splitter, economy.challenger
    economy.token.mint(splitter, 60)
    splitter.credit_account(1, challenger, 60, sender=economy.escrow.address)
    event = get_event(splitter, "Credited")
    assert (event["task_id"], event["account"], event["amount"]) == (1, challenger, 60)
    # Anybody may call: the money goes to its owner.
    assert splitter.withdraw(challenger, sender=economy.submitter) == 60
    event = get_event(splitter, "Withdrawn")
    assert (event["account"], event["amount"]) == (challenger, 60)
    assert economy.token.balanceOf(challenger) == 60
    assert (splitter.owed_to(challenger), splitter.total_owed()) == (0, 0)
    with boa.reverts("splitter: nothing owed"):
        splitter.withdraw(challenger)


def test_withdraw__refusing_token__keeps_the_debt():
    token = get_deployer("mocks/FaultyToken").deploy()
    economy = deploy_economy(token)
    token.mint(economy.splitter, 60)
    economy.splitter.credit_account(1, economy.worker, 60, sender=economy.escrow.address)
    token.set_fault(0, True)
    with boa.reverts("splitter: transfer failed"):
        economy.splitter.withdraw(economy.worker)
    assert economy.splitter.owed_to(economy.worker) == 60


@given(
    amount=st.integers(0, 2**128 - 1),
    points=st.lists(st.integers(1, 1_249), max_size=8),
)
def test_credit__any_split__divides_all_of_it(amount, points):
    with boa.env.anchor():
        economy = deploy_economy()
        accounts = [boa.env.generate_address() for _ in points]
        shares = list(zip(accounts, points, strict=True))
        economy.splitter.set_split(1, shares, sender=economy.escrow.address)
        economy.token.mint(economy.splitter, amount)
        economy.splitter.credit(1, economy.worker, amount, sender=economy.escrow.address)
        parts = [economy.splitter.owed_to(account) for account in accounts]
        assert parts == [amount * share // 10_000 for share in points]
        assert economy.splitter.owed_to(economy.worker) == amount - sum(parts)
        assert economy.splitter.total_owed() == amount
