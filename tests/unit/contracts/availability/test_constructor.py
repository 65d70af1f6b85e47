import boa
import pytest

from tests.economy import ZERO_ADDRESS, get_deployer

ESCROW, LOTTERY = ("0x" + f"{i:02x}" * 20 for i in (0x11, 0x22))
YEAR = 365 * 86_400


def test_constructor__values__can_be_read():
    contract = get_deployer("Availability").deploy(ESCROW, LOTTERY, YEAR, 16)
    values = (contract.escrow(), contract.lottery())
    assert values == (ESCROW, LOTTERY)
    assert (contract.round_seconds(), contract.max_rounds()) == (YEAR, 16)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((ZERO_ADDRESS, LOTTERY, 1, 1), "availability: zero escrow"),
        ((ESCROW, ZERO_ADDRESS, 1, 1), "availability: zero lottery"),
        ((ESCROW, LOTTERY, 0, 1), "availability: time out of range"),
        ((ESCROW, LOTTERY, YEAR + 1, 1), "availability: time out of range"),
        ((ESCROW, LOTTERY, 1, 0), "availability: rounds out of range"),
        ((ESCROW, LOTTERY, 1, 17), "availability: rounds out of range"),
    ],
)
def test_constructor__out_of_range__reverts(values, reason):
    with boa.reverts(reason):
        get_deployer("Availability").deploy(*values)
