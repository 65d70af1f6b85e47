import boa
import pytest

from tests.economy import ZERO_ADDRESS, deploy_economy, get_deployer

YEAR = 365 * 86_400


def deploy_escrow(economy, **changes):
    """Another escrow with the addresses of `economy`, but for `changes`."""
    arguments = {
        "token": economy.token,
        "vault": economy.vault,
        "splitter": economy.splitter,
        "game": economy.game,
    }
    arguments |= changes
    address = economy.escrow.address
    return get_deployer("TaskEscrow").deploy(
        *arguments.values(), 1, 1, 1, 0, override_address=address
    )


def test_constructor__limits__are_stored():
    escrow = deploy_economy(
        min_stake=2**128 - 1,
        challenge_seconds=YEAR,
        max_lease_seconds=YEAR,
        max_reexecution_seconds=YEAR,
    ).escrow
    assert escrow.min_stake() == 2**128 - 1
    assert escrow.challenge_seconds() == YEAR
    assert escrow.max_lease_seconds() == YEAR
    assert escrow.max_reexecution_seconds() == YEAR


def test_constructor__addresses__are_stored(economy):
    escrow = economy.escrow
    assert escrow.token() == economy.token.address
    assert escrow.vault() == economy.vault.address
    assert escrow.splitter() == economy.splitter.address
    assert escrow.game() == economy.game


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_stake": 0}, "escrow: least stake out of range"),
        ({"min_stake": 2**128}, "escrow: least stake out of range"),
        ({"challenge_seconds": 0}, "escrow: window out of range"),
        ({"challenge_seconds": YEAR + 1}, "escrow: window out of range"),
        ({"max_lease_seconds": 0}, "escrow: longest lease out of range"),
        ({"max_lease_seconds": YEAR + 1}, "escrow: longest lease out of range"),
        ({"max_reexecution_seconds": YEAR + 1}, "escrow: most re-execution time out of range"),
    ],
)
def test_constructor__outside_limits__reverts(change, message):
    with boa.reverts(message):
        deploy_economy(**change)


def test_constructor__parts_of_another_deployment__reverts(economy):
    other = deploy_economy()
    with boa.reverts("escrow: wrong vault"):
        deploy_escrow(economy, vault=other.vault)
    with boa.reverts("escrow: wrong splitter"):
        deploy_escrow(economy, splitter=other.splitter)
    with boa.reverts("escrow: wrong vault"):
        deploy_escrow(economy, token=other.token)
    with boa.reverts("escrow: zero game"):
        deploy_escrow(economy, game=ZERO_ADDRESS)


def test_constructor__splitter_with_another_token__reverts(economy):
    other_token = get_deployer("mocks/TestToken").deploy()
    splitter = get_deployer("RewardSplitter").deploy(other_token, economy.escrow)
    with boa.reverts("escrow: wrong splitter"):
        deploy_escrow(economy, splitter=splitter)
