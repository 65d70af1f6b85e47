import boa
import pytest

from tests.economy import ZERO_ADDRESS, deploy_economy, get_deployer

YEAR = 365 * 86_400


def test_constructor__limits__are_stored():
    vault = deploy_economy(unbonding_seconds=YEAR, burned_bps=10_000).vault
    assert (vault.unbonding_seconds(), vault.burned_bps()) == (YEAR, 10_000)
    assert deploy_economy(burned_bps=5_000).vault.burned_bps() == 5_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"burned_bps": 4_999}, "vault: burned share out of range"),
        ({"burned_bps": 10_001}, "vault: burned share out of range"),
        ({"unbonding_seconds": YEAR + 1}, "vault: unbonding out of range"),
    ],
)
def test_constructor__outside_limits__reverts(change, message):
    with boa.reverts(message):
        deploy_economy(**change)


def test_constructor__bad_addresses__reverts(economy):
    deployer = get_deployer("StakeVault")
    with boa.reverts("vault: token without code"):
        deployer.deploy(economy.worker, economy.escrow, 0, 5_000)
    with boa.reverts("vault: zero escrow"):
        deployer.deploy(economy.token, ZERO_ADDRESS, 0, 5_000)
