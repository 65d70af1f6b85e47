"""Every limit that parameter files are checked for is the one of the constructor, exactly."""

import boa
import pytest

from offchain.chain.manifest import ROLES, TOKEN, compute_values, get_contracts
from offchain.chain.parameters import LIMITS, Beacon, read_configuration
from tests.economy import deploy_by_name, get_deployer

# What the constructor says below the least and above the greatest value. None: no such value.
REASONS = {
    "unbonding_seconds": (None, "vault: unbonding out of range"),
    "burned_bps": ("vault: burned share out of range", "vault: burned share out of range"),
    "min_stake": ("escrow: least stake out of range", "escrow: least stake out of range"),
    "stake_rate": (None, "escrow: stake rate out of range"),
    "min_bond": ("escrow: least bond out of range", "escrow: least bond out of range"),
    "bond_rate": (None, "escrow: bond rate out of range"),
    "operations_per_second": ("escrow: speed out of range", "escrow: speed out of range"),
    "challenge_seconds": ("escrow: window out of range", "escrow: window out of range"),
    "max_lease_seconds": (
        "escrow: longest lease out of range",
        "escrow: longest lease out of range",
    ),
    "max_reexecution_seconds": (None, "escrow: most re-execution time out of range"),
    "worker_award_bps": (None, "game: award out of range"),
    "worker_seconds": ("game: worker time out of range", "game: worker time out of range"),
    "challenger_seconds": (
        "game: challenger time out of range",
        "game: challenger time out of range",
    ),
    "minimum_move_seconds": (
        "game: minimum time out of range",
        # Both sides' time is at least the minimum of a move, and at most a year.
        "game: worker time out of range",
    ),
    "audits": ("lottery: audits out of range", "lottery: audits out of range"),
    "penalty": ("lottery: penalty out of range", "lottery: penalty out of range"),
    "warmup_seconds": ("lottery: time out of range", "lottery: time out of range"),
    "draw_seconds": ("lottery: time out of range", "lottery: time out of range"),
    "commit_seconds": ("lottery: time out of range", "lottery: time out of range"),
    "open_seconds": ("lottery: time out of range", "lottery: time out of range"),
    "reveal_seconds": ("lottery: time out of range", "lottery: time out of range"),
    "round_seconds": ("availability: time out of range", "availability: time out of range"),
    "max_rounds": ("availability: rounds out of range", "availability: rounds out of range"),
    "delay_blocks": ("beacon: delay out of range", "beacon: delay out of range"),
}
# A move has no more time than a side, so these reach their limits together.
CLOCKS = ("worker_seconds", "challenger_seconds", "minimum_move_seconds")


@pytest.fixture(scope="module")
def values():
    """Arguments of all constructors, with the contracts that others ask at theirs."""
    with boa.env.anchor():
        at = {name: str(boa.env.generate_address(name)) for name in get_contracts(Beacon.BLOCKHASH)}
        token = get_deployer(f"mocks/{TOKEN}").deploy()
        values = compute_values(str(token.address), at, read_configuration("local"))
        get_deployer("MapUnit").deploy(override_address=values["map_unit"])
        for role, name in ROLES.items():
            if name not in ("MapUnit", "TaskEscrow", "ChallengeGame"):
                deploy_by_name(name, values, values[role])
        yield values


@pytest.mark.parametrize("name", LIMITS)
def test_constructor__parameter_at_its_limits__is_accepted(values, name):
    limits = LIMITS[name]
    role = get_role(limits.contract)
    for value in (limits.low, limits.high):
        near = dict.fromkeys(CLOCKS if name in CLOCKS else (name,), value)
        with boa.env.anchor():
            contract = deploy_by_name(limits.contract, values | near, values[role])
            assert getattr(contract, name)() == value


@pytest.mark.parametrize("name", LIMITS)
def test_constructor__parameter_beyond_its_limits__is_refused(values, name):
    limits = LIMITS[name]
    role = get_role(limits.contract)
    for value, reason in zip((limits.low - 1, limits.high + 1), REASONS[name]):
        if reason is None:
            assert value < 0
            continue
        # Else another of them is refused first.
        near = dict.fromkeys(CLOCKS, limits.low) if name in CLOCKS and value < limits.low else {}
        with boa.env.anchor(), boa.reverts(reason):
            deploy_by_name(limits.contract, values | near | {name: value}, values[role])


def get_role(contract):
    return {name: role for role, name in ROLES.items()}.get(contract, "beacon")


def test_parameters__every_number_of_every_constructor__has_limits():
    named = set()
    for contract in {*get_contracts(Beacon.BLOCKHASH), *get_contracts(Beacon.SUBMITTER)}:
        constructor = get_deployer(contract).compiler_data.global_ctx.init_function
        for item in constructor.arguments if constructor else ():
            if str(item.typ) != "address":
                named.add((contract, item.name.rstrip("_")))
    assert named == {(limits.contract, name) for name, limits in LIMITS.items()}
