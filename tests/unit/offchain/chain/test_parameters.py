"""Files of parameters: what is read, and what is refused, all faults at once."""

from dataclasses import replace

import pytest

from offchain.chain.parameters import (
    FOLDER,
    LIMITS,
    BadParameters,
    Beacon,
    build_configuration,
    build_tables,
    compute_faults,
    compute_warnings,
    list_configurations,
    read_configuration,
)

CHAIN_IDS = {
    "arbitrum-sepolia": (421_614,),
    "base-sepolia": (84_532,),
    "local": (1_337, 31_337),
    "sepolia": (11_155_111,),
}
SUBMITTER = {"arbitrum-sepolia"}


@pytest.fixture
def tables():
    return build_tables(read_configuration("sepolia"))


def refuse(tables):
    """The faults that are found, one by one."""
    with pytest.raises(BadParameters) as caught:
        build_configuration("some", tables, "some.toml")
    where, _, faults = str(caught.value).partition(": ")
    assert where == "some.toml"
    return faults.split("; ")


# --- What the checkout holds ----------------------------------------------------------------------


def test_read_configuration__files_of_the_checkout__are_meant_for_their_chains():
    assert list_configurations() == sorted(CHAIN_IDS)
    for name, chain_ids in CHAIN_IDS.items():
        configuration = read_configuration(name)
        assert (configuration.name, configuration.chain_ids) == (name, chain_ids)
        beacon = Beacon.SUBMITTER if name in SUBMITTER else Beacon.BLOCKHASH
        assert configuration.beacon is beacon
        assert (configuration.parameters.delay_blocks is None) == (name in SUBMITTER)


def test_compute_warnings__files_of_the_checkout__trust_one_sequencer_at_most():
    found = {name: list(compute_warnings(read_configuration(name))) for name in CHAIN_IDS}
    assert [warning[:19] for warning in found.pop("base-sepolia")] == ["beacon is blockhash"]
    assert not any(found.values()), found


def test_read_configuration__path__is_read_like_a_name(tmp_path):
    path = tmp_path / "sepolia.toml"
    path.write_text((FOLDER / "sepolia.toml").read_text())
    assert read_configuration(path) == read_configuration("sepolia")


def test_build_tables__any_configuration__reads_back():
    for name in CHAIN_IDS:
        configuration = read_configuration(name)
        assert build_configuration(name, build_tables(configuration), "") == configuration


# --- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIMITS)
def test_build_configuration__beyond_the_limits__names_parameter_value_and_limits(tables, name):
    limits = LIMITS[name]
    for value in (limits.low - 1, limits.high + 1):
        tables[limits.contract][name] = value
        expected = f"a whole number from {limits.low} to {limits.high}"
        assert refuse(tables) == [f"{limits.contract}.{name} is {value}, expected {expected}"]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [True, 1.0, "1", [1], {}])
def test_build_configuration__wrong_type__names_the_parameter(tables, name, value):
    contract = LIMITS[name].contract
    tables[contract][name] = value
    (fault,) = refuse(tables)
    assert fault.startswith(f"{contract}.{name} is {value!r}, expected a whole number")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("chain_ids", [], "a list of whole numbers"),
        ("chain_ids", [0], "a list of whole numbers"),
        ("chain_ids", 5, "a list of whole numbers"),
        ("block_seconds", 0, "a number above 0"),
        ("block_seconds", float("nan"), "a number above 0"),
        ("block_seconds", float("inf"), "a number above 0"),
        ("block_seconds", True, "a number above 0"),
        ("confirmations", -1, "a whole number from 0"),
        ("token_decimals", 37, "a whole number from 0 to 36"),
        ("beacon", "dice", "'blockhash' or 'submitter'"),
        ("beacon", 1, "'blockhash' or 'submitter'"),
    ],
)
def test_build_configuration__network_out_of_range__says_what_is_expected(
    tables, name, value, expected
):
    tables["network"][name] = value
    (fault,) = refuse(tables)
    assert fault.startswith(f"network.{name} is {value!r}, expected {expected}")


def test_build_configuration__many_faults__are_all_named(tables):
    del tables["StakeVault"]["burned_bps"]
    del tables["Availability"]
    tables["TaskEscrow"]["min_stakes"] = 5
    tables["Oracle"] = {"price": 1}
    tables["ChallengeGame"] = 7
    tables["network"]["rpc"] = "somewhere"
    assert sorted(refuse(tables)) == [
        "ChallengeGame is 7, expected a table",
        "Oracle is unknown here",
        "StakeVault.burned_bps is missing",
        "TaskEscrow.min_stakes is unknown",
        "network.rpc is unknown",
        "table Availability is missing",
    ]


def test_build_configuration__table_of_the_other_beacon__is_unknown(tables):
    tables["network"]["beacon"] = "submitter"
    assert refuse(tables) == ["BlockhashBeacon is unknown here"]


def test_read_configuration__unreadable__says_why(tmp_path):
    with pytest.raises(BadParameters, match="No such file.*; this checkout has arbitrum-sepolia"):
        read_configuration("mainnet")
    path = tmp_path / "some.toml"
    for content, message in (
        ("[network", "no TOML"),
        ("# " + "x" * 2**16, "65538 bytes, parameters have at most 65536"),
        ("", "table network is missing; table StakeVault is missing"),
    ):
        path.write_text(content)
        with pytest.raises(BadParameters, match=message):
            read_configuration(path)
    path.write_bytes(b"\xff")
    with pytest.raises(BadParameters, match="no TOML"):
        read_configuration(path)


# --- Relations ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "network", "fault"),
    [
        ({"worker_seconds": 599}, {}, "worker_seconds is 599, less than minimum_move_seconds 600"),
        (
            {"challenger_seconds": 599},
            {},
            "challenger_seconds is 599, less than minimum_move_seconds 600",
        ),
        ({"draw_seconds": 60}, {}, "draw_seconds is 60, but 5 blocks of delay_blocks take 60"),
        ({}, {"chain_ids": (421_614,)}, "beacon is blockhash, but block numbers of chain 421614"),
    ],
)
def test_compute_faults__parameters_unfit_for_each_other__names_both(changes, network, fault):
    fits = read_configuration("sepolia")
    assert not list(compute_faults(fits))
    (found,) = compute_faults(change(fits, changes, network))
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("changes", "network", "warning"),
    [
        ({"challenge_seconds": 43_799}, {}, "challenge_seconds is 43799: executing a segment"),
        ({"max_lease_seconds": 43_199}, {}, "max_lease_seconds is 43199: shorter than one segment"),
        ({"unbonding_seconds": 604_800}, {}, "unbonding_seconds is 604800: not above max_lease"),
        ({"warmup_seconds": 1_800}, {}, "warmup_seconds is 1800: not above draw_seconds 1800"),
        (
            {"min_bond": 51 * 10**18},
            {},
            f"min_stake is {100 * 10**18}: the challenger gets {50 * 10**18} of it and risks",
        ),
        ({"stake_rate": 0}, {}, "stake_rate is 0"),
        ({"bond_rate": 0}, {}, "bond_rate is 0"),
        ({"draw_seconds": 119}, {}, "draw_seconds is 119: less than 10 blocks, 120"),
        ({"commit_seconds": 119}, {}, "commit_seconds is 119"),
        ({"open_seconds": 119}, {}, "open_seconds is 119"),
        ({"reveal_seconds": 119}, {}, "reveal_seconds is 119"),
        ({"round_seconds": 119}, {}, "round_seconds is 119"),
        ({"minimum_move_seconds": 119}, {}, "minimum_move_seconds is 119: 5 confirmations"),
        ({"minimum_move_seconds": 119}, {"confirmations": 0}, "minimum_move_seconds is 119: less"),
        ({}, {"chain_ids": (84_532,)}, "beacon is blockhash: who makes all blocks of chain 84532"),
    ],
)
def test_compute_warnings__promise_that_does_not_hold__is_named(changes, network, warning):
    fits = read_configuration("sepolia")
    assert not list(compute_warnings(fits))
    found = list(compute_warnings(change(fits, changes, network)))
    assert any(item.startswith(warning) for item in found), found


def change(configuration, changes, network):
    parameters = replace(configuration.parameters, **changes)
    return replace(configuration, parameters=parameters, **network)
