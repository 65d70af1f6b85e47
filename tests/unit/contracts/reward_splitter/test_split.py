import boa
import pytest

from tests.economy import ZERO_ADDRESS, get_deployer, get_event


@pytest.fixture
def accounts():
    return [boa.env.generate_address() for _ in range(8)]


def test_constructor__bad_addresses__reverts(economy):
    deployer = get_deployer("RewardSplitter")
    with boa.reverts("splitter: token without code"):
        deployer.deploy(economy.worker, economy.escrow)
    with boa.reverts("splitter: zero escrow"):
        deployer.deploy(economy.token, ZERO_ADDRESS)


def test_set_split__eight_shares__are_stored(economy, accounts):
    shares = [(account, 1_249) for account in accounts]
    economy.splitter.set_split(1, shares, sender=economy.escrow.address)
    assert get_event(economy.splitter, "SplitSet")["shares"] == shares
    assert economy.splitter.split_of(1) == shares
    with boa.reverts("splitter: split is set"):
        economy.splitter.set_split(1, [], sender=economy.escrow.address)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([10_000], "splitter: shares exceed whole"),
        ([5_000, 5_000], "splitter: shares exceed whole"),
        ([2**256 - 1, 1], "splitter: shares exceed whole"),
        ([5, 0], "splitter: zero share"),
    ],
)
def test_set_split__malformed__reverts(economy, accounts, points, message):
    shares = list(zip(accounts, points, strict=False))
    with boa.reverts(message):
        economy.splitter.set_split(1, shares, sender=economy.escrow.address)


def test_set_split__zero_beneficiary__reverts(economy):
    with boa.reverts("splitter: zero beneficiary"):
        economy.splitter.set_split(1, [(ZERO_ADDRESS, 5)], sender=economy.escrow.address)


def test_split__not_by_the_escrow__reverts(economy):
    for call in (
        lambda: economy.splitter.set_split(1, [], sender=economy.submitter),
        lambda: economy.splitter.credit(1, economy.worker, 0, sender=economy.worker),
        lambda: economy.splitter.credit_account(1, economy.worker, 0, sender=economy.game),
    ):
        with boa.reverts("splitter: not escrow"):
            call()
