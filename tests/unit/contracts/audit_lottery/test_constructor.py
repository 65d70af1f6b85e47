import boa
import pytest

from tests.economy import ZERO_ADDRESS, get_deployer

YEAR = 365 * 86_400
NAMES = """
    escrow vault registry beacon audits penalty
    warmup_seconds draw_seconds commit_seconds open_seconds reveal_seconds
""".split()
VALUES = [f"0x{i:040x}" for i in range(1, 5)] + [3, 50, 10, 20, 30, 40, 50]


def test_constructor__values__can_be_read():
    lottery = get_deployer("AuditLottery").deploy(*VALUES)
    for name, value in zip(NAMES, VALUES):
        assert getattr(lottery, name)() == value
    assert lottery.max_duration(7) == 20 + 30 + 14 + 40 + 50


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        *((name, ZERO_ADDRESS, f"lottery: zero {name}") for name in NAMES[:4]),
        ("audits", 0, "lottery: audits out of range"),
        ("audits", 17, "lottery: audits out of range"),
        ("penalty", 0, "lottery: penalty out of range"),
        ("penalty", 2**128, "lottery: penalty out of range"),
        *((name, 0, "lottery: time out of range") for name in NAMES[6:]),
        *((name, YEAR + 1, "lottery: time out of range") for name in NAMES[6:]),
    ],
)
def test_constructor__out_of_range__reverts(name, value, reason):
    values = list(VALUES)
    values[NAMES.index(name)] = value
    with boa.reverts(reason):
        get_deployer("AuditLottery").deploy(*values)


def test_constructor__limits__are_accepted():
    values = [*VALUES[:4], 16, 2**128 - 1, *[YEAR] * 5]
    assert get_deployer("AuditLottery").deploy(*values).audits() == 16
