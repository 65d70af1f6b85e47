import boa
import pytest

from tests.economy import ZERO_ADDRESS, deploy_economy, get_deployer

YEAR = 365 * 86_400


def deploy_escrow(economy, **changes):
    """Another escrow with the addresses of `economy`, but for `changes`."""
    names = ("token", "registry", "vault", "splitter", "game", "lottery", "availability")
    arguments = {name: getattr(economy, name) for name in names} | changes
    numbers = (1, 0, 1, 0, 1, 1, 1, 0)
    address = economy.escrow.address
    return get_deployer("TaskEscrow").deploy(
        *arguments.values(), *numbers, override_address=address
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("min_stake", (1, 2**128 - 1)),
        ("stake_rate", (0, 2**64 - 1)),
        ("min_bond", (1, 2**96 - 1)),
        ("bond_rate", (0, 2**64 - 1)),
        ("operations_per_second", (1, 2**64 - 1)),
        ("challenge_seconds", (1, YEAR)),
        ("max_lease_seconds", (1, YEAR)),
        ("max_reexecution_seconds", (0, YEAR)),
    ],
)
def test_constructor__limits__are_stored(name, values):
    for value in values:
        assert getattr(deploy_economy(**{name: value}).escrow, name)() == value


def test_constructor__addresses__are_stored(economy):
    escrow = economy.escrow
    assert escrow.token() == economy.token.address
    assert escrow.registry() == economy.registry.address
    assert escrow.vault() == economy.vault.address
    assert escrow.splitter() == economy.splitter.address
    assert escrow.game() == economy.game
    assert escrow.lottery() == economy.lottery.address
    assert escrow.availability() == economy.availability.address


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_stake": 0}, "escrow: least stake out of range"),
        ({"min_stake": 2**128}, "escrow: least stake out of range"),
        ({"stake_rate": 2**64}, "escrow: stake rate out of range"),
        ({"min_bond": 0}, "escrow: least bond out of range"),
        ({"min_bond": 2**96}, "escrow: least bond out of range"),
        ({"bond_rate": 2**64}, "escrow: bond rate out of range"),
        ({"operations_per_second": 0}, "escrow: speed out of range"),
        ({"operations_per_second": 2**64}, "escrow: speed out of range"),
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
    for name in ("registry", "vault", "splitter"):
        with boa.reverts(f"escrow: wrong {name}"):
            deploy_escrow(economy, **{name: getattr(other, name)})
    for name in ("token", "lottery"):
        with boa.reverts("escrow: wrong vault"):
            deploy_escrow(economy, **{name: getattr(other, name)})


def test_constructor__vault_with_another_registry__reverts(economy):
    registry = get_deployer("NodeRegistry").deploy(economy.escrow)
    with boa.reverts("escrow: wrong vault"):
        deploy_escrow(economy, registry=registry)


def test_constructor__zero_address__reverts(economy):
    for name in ("game", "availability"):
        with boa.reverts(f"escrow: zero {name}"):
            deploy_escrow(economy, **{name: ZERO_ADDRESS})


def test_constructor__splitter_with_another_token__reverts(economy):
    other_token = get_deployer("mocks/TestToken").deploy()
    splitter = get_deployer("RewardSplitter").deploy(other_token, economy.escrow)
    with boa.reverts("escrow: wrong splitter"):
        deploy_escrow(economy, splitter=splitter)
