import boa
import pytest

from tests.economy import ZERO_ADDRESS, get_deployer
from tests.game_table import Table

NAMES = (
    "token escrow verifier worker_award_bps worker_seconds challenger_seconds minimum_move_seconds"
).split()
YEAR = 365 * 86_400


def deploy(table: Table, **changes: object) -> object:
    values = {name: getattr(table.contract, name)() for name in NAMES} | changes
    return get_deployer("ChallengeGame").deploy(*values.values())


def test_constructor__parameters__are_readable(table):
    contract, preset = table.contract, table.preset
    assert contract.token() == table.economy.token.address
    assert contract.escrow() == table.economy.escrow.address
    assert contract.verifier() != ZERO_ADDRESS
    for name in NAMES[3:]:
        assert getattr(contract, name)() == getattr(preset, name)
    assert (contract.game_count(), contract.total_held()) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"token": boa.env.eoa}, "game: token without code"),
        ({"escrow": ZERO_ADDRESS}, "game: zero escrow"),
        ({"verifier": boa.env.eoa}, "game: verifier without code"),
        ({"worker_award_bps": 9_001}, "game: award out of range"),
        ({"minimum_move_seconds": 0}, "game: minimum time out of range"),
        ({"worker_seconds": 19}, "game: worker time out of range"),
        ({"worker_seconds": YEAR + 1}, "game: worker time out of range"),
        ({"challenger_seconds": 19}, "game: challenger time out of range"),
        ({"challenger_seconds": YEAR + 1}, "game: challenger time out of range"),
    ],
)
def test_constructor__out_of_range__reverts(table, changes, reason):
    with boa.reverts(reason):
        deploy(table, **changes)


def test_constructor__limits__are_accepted(table):
    deploy(table, worker_award_bps=9_000, worker_seconds=YEAR)
    deploy(table, worker_award_bps=0, worker_seconds=20, challenger_seconds=20)


def test_constructor__code__fits_the_limit(table):
    assert len(boa.env.get_code(table.contract.address)) <= 24_576
