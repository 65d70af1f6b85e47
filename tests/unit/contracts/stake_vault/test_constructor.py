import boa
import pytest

from tests.economy import ZERO_ADDRESS, deploy_economy, get_deployer

YEAR = 365 * 86_400


def deploy_vault(economy, **changes):
    """Another vault with the addresses of `economy`, but for `changes`."""
    arguments = {
        "token": economy.token,
        "registry": economy.registry,
        "escrow": economy.escrow,
        "lottery": economy.lottery,
    }
    return get_deployer("StakeVault").deploy(*(arguments | changes).values(), 0, 5_000)


def test_constructor__addresses__are_stored(economy):
    vault = economy.vault
    assert vault.token() == economy.token.address
    assert vault.registry() == economy.registry.address
    assert vault.escrow() == economy.escrow.address
    assert vault.lottery() == economy.lottery.address


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
    with boa.reverts("vault: token without code"):
        deploy_vault(economy, token=economy.worker)
    with boa.reverts("vault: zero escrow"):
        deploy_vault(economy, escrow=ZERO_ADDRESS)
    with boa.reverts("vault: zero lottery"):
        deploy_vault(economy, lottery=ZERO_ADDRESS)


def test_constructor__registry_of_another_deployment__reverts(economy):
    with boa.reverts("vault: wrong registry"):
        deploy_vault(economy, registry=deploy_economy().registry)
    with boa.reverts("vault: wrong registry"):
        deploy_vault(economy, escrow=economy.worker)
