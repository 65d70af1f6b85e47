"""What a deployment fixes for good: one file per network, checked when it is read.

A file names every parameter of every constructor, in a table per contract, and in the table
`network` what the parameters assume of the chain. It holds no addresses of nodes and no keys.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from offchain.chain.errors import ChainError
from protocol.types import Seconds, Wei

FOLDER = Path(__file__).resolve().parent.parent.parent / "deployments" / "parameters"
FILE_BYTES_MAX = 2**16  # = 64 KiB; a file has about 4 KiB

# Limits of the constructors.
YEAR = 365 * 86_400
AMOUNT_MAX = 2**128 - 1
BOND_MAX = 2**96 - 1
RATE_MAX = 2**64 - 1
WHOLE_BPS = 10_000

# A busy chain can keep a transaction out of some blocks in a row: shorter windows are a gamble.
WINDOW_BLOCKS = 10
# On these chains block.number and blockhash are not those of the chain itself: Arbitrum One,
# Arbitrum Nova and Arbitrum Sepolia.
CHAINS_WITHOUT_BLOCKHASH = frozenset({42_161, 42_170, 421_614})
# On these one sequencer makes all blocks: Base and Base Sepolia.
CHAINS_OF_ONE_PRODUCER = frozenset({8_453, 84_532})


class BadParameters(ChainError):
    """The file is no set of parameters that can be deployed; the message names every fault."""


class Beacon(Enum):
    """The kinds of beacons: which contract it is."""

    BLOCKHASH = "BlockhashBeacon"
    SUBMITTER = "SubmitterBeacon"

    @property
    def contract(self) -> str:
        """Name of the contract."""
        return self.value

    @property
    def label(self) -> str:
        """As files name it."""
        return self.name.lower()


@dataclass(frozen=True)
class Limits:
    """Where a parameter belongs, and what its constructor accepts."""

    contract: str
    low: int
    high: int


def _of(contract: str, low: int, high: int) -> Any:
    return field(metadata={"limits": Limits(contract, low, high)})


@dataclass(frozen=True)
class Parameters:
    """Arguments of the constructors, by name; the contracts' views have the same names.

    Durations in seconds, amounts in the token's smallest unit, shares in basis points. What each
    one does is said in the contracts' interfaces, and in short in the files.
    """

    unbonding_seconds: Seconds = _of("StakeVault", 0, YEAR)
    burned_bps: int = _of("StakeVault", 5_000, WHOLE_BPS)

    min_stake: Wei = _of("TaskEscrow", 1, AMOUNT_MAX)
    stake_rate: Wei = _of("TaskEscrow", 0, RATE_MAX)  # per 10**9 operations of the run
    min_bond: Wei = _of("TaskEscrow", 1, BOND_MAX)
    bond_rate: Wei = _of("TaskEscrow", 0, RATE_MAX)  # per 10**9 operations of a segment
    operations_per_second: int = _of("TaskEscrow", 1, RATE_MAX)
    challenge_seconds: Seconds = _of("TaskEscrow", 1, YEAR)
    max_lease_seconds: Seconds = _of("TaskEscrow", 1, YEAR)
    max_reexecution_seconds: Seconds = _of("TaskEscrow", 0, YEAR)

    worker_award_bps: int = _of("ChallengeGame", 0, 9_000)
    worker_seconds: Seconds = _of("ChallengeGame", 1, YEAR)
    challenger_seconds: Seconds = _of("ChallengeGame", 1, YEAR)
    minimum_move_seconds: Seconds = _of("ChallengeGame", 1, YEAR)

    audits: int = _of("AuditLottery", 1, 16)
    penalty: Wei = _of("AuditLottery", 1, AMOUNT_MAX)
    warmup_seconds: Seconds = _of("AuditLottery", 1, YEAR)
    draw_seconds: Seconds = _of("AuditLottery", 1, YEAR)
    commit_seconds: Seconds = _of("AuditLottery", 1, YEAR)
    open_seconds: Seconds = _of("AuditLottery", 1, YEAR)
    reveal_seconds: Seconds = _of("AuditLottery", 1, YEAR)

    round_seconds: Seconds = _of("Availability", 1, YEAR)
    max_rounds: int = _of("Availability", 1, 16)

    # None where the beacon is another one.
    delay_blocks: int | None = _of("BlockhashBeacon", 1, 2**16)


_BEACONS = tuple(beacon.contract for beacon in Beacon)
LIMITS: Mapping[str, Limits] = {item.name: item.metadata["limits"] for item in fields(Parameters)}


@dataclass(frozen=True)
class Configuration:
    """One file."""

    name: str
    chain_ids: tuple[int, ...]  # for which these parameters are meant
    block_seconds: float  # on average
    confirmations: int  # blocks after which a block is taken as final
    token_decimals: int  # that the amounts are written for
    beacon: Beacon
    parameters: Parameters


def list_configurations() -> list[str]:
    """Names of the files that come with this checkout."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_configuration(source: str | Path) -> Configuration:
    """The configuration with that name in the checkout, or in that file. Raises `BadParameters`."""
    path = FOLDER / f"{source}.toml" if source in list_configurations() else Path(source)
    return build_configuration(path.stem, _read_tables(path), str(path))


def build_configuration(name: str, content: Mapping[str, Any], where: str) -> Configuration:
    """The configuration that these tables describe; `where` they come from is said in errors.

    Raises `BadParameters`, which names all faults at once.
    """
    tables = dict(content)
    problems: list[str] = []
    network = _Table("network", tables.pop("network", None), problems)
    chain_ids = network.get_numbers("chain_ids", 1, 2**63)
    block_seconds = network.get_duration("block_seconds")
    confirmations = network.get_number("confirmations", 0, 10_000)
    token_decimals = network.get_number("token_decimals", 0, 36)
    beacon = network.get_beacon("beacon")
    network.close()
    values: dict[str, int | None] = dict.fromkeys(LIMITS)
    for contract in dict.fromkeys(limits.contract for limits in LIMITS.values()):
        if contract in _BEACONS and (beacon is None or contract != beacon.contract):
            continue
        table = _Table(contract, tables.pop(contract, None), problems)
        for key, limits in LIMITS.items():
            if limits.contract == contract:
                values[key] = table.get_number(key, limits.low, limits.high)
        table.close()
    # Of an unknown beacon nobody can say which table it needs.
    known = _BEACONS if beacon is None else ()
    problems += [f"{key} is unknown here" for key in sorted(tables) if key not in known]
    if problems or beacon is None:
        raise BadParameters(f"{where}: {'; '.join(problems)}")
    parameters = Parameters(**values)  # type: ignore[arg-type]
    configuration = Configuration(
        name, chain_ids, block_seconds, confirmations, token_decimals, beacon, parameters
    )
    if faults := list(compute_faults(configuration)):
        raise BadParameters(f"{where}: {'; '.join(faults)}")
    return configuration


def build_tables(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """The tables of which `build_configuration` makes this configuration."""
    tables: dict[str, dict[str, Any]] = {
        "network": {
            "chain_ids": list(configuration.chain_ids),
            "block_seconds": configuration.block_seconds,
            "confirmations": configuration.confirmations,
            "token_decimals": configuration.token_decimals,
            "beacon": configuration.beacon.label,
        }
    }
    for name, limits in LIMITS.items():
        value = getattr(configuration.parameters, name)
        if value is not None:
            tables.setdefault(limits.contract, {})[name] = value
    return tables


# --- Relations ------------------------------------------------------------------------------------


def compute_faults(configuration: Configuration) -> Iterator[str]:
    """What makes the parameters unfit for each other: a constructor refuses, or nothing works."""
    p = configuration.parameters
    for name in ("worker_seconds", "challenger_seconds"):
        if getattr(p, name) < p.minimum_move_seconds:
            yield (
                f"{name} is {getattr(p, name)}, less than minimum_move_seconds "
                f"{p.minimum_move_seconds}"
            )
    if configuration.beacon is Beacon.BLOCKHASH:
        for chain_id in sorted(CHAINS_WITHOUT_BLOCKHASH.intersection(configuration.chain_ids)):
            yield f"beacon is blockhash, but block numbers of chain {chain_id} are not its own"
        assert p.delay_blocks is not None
        delay = p.delay_blocks * configuration.block_seconds
        if delay >= p.draw_seconds:
            yield (
                f"draw_seconds is {p.draw_seconds}, but {p.delay_blocks} blocks of delay_blocks "
                f"take {delay:g} seconds: nothing could be drawn"
            )


def compute_warnings(configuration: Configuration) -> Iterator[str]:
    """What the contracts accept, but what does not do what the protocol promises.

    The reasons are in docs/economics.md; what depends on prices is not here.
    """
    p = configuration.parameters
    needed = p.max_reexecution_seconds + p.minimum_move_seconds
    if p.challenge_seconds < needed:
        yield (
            f"challenge_seconds is {p.challenge_seconds}: executing a segment and opening a game "
            f"may take max_reexecution_seconds and minimum_move_seconds, {needed}"
        )
    if p.unbonding_seconds <= p.max_lease_seconds:
        yield (
            f"unbonding_seconds is {p.unbonding_seconds}: not above max_lease_seconds "
            f"{p.max_lease_seconds}, so stake can move on to an account that had no lease"
        )
    if p.warmup_seconds <= p.draw_seconds:
        yield (
            f"warmup_seconds is {p.warmup_seconds}: not above draw_seconds {p.draw_seconds}, the "
            "longest time from a claim to its seed"
        )
    if p.max_lease_seconds < p.max_reexecution_seconds:
        yield (
            f"max_lease_seconds is {p.max_lease_seconds}: shorter than one segment may take, "
            f"max_reexecution_seconds {p.max_reexecution_seconds}"
        )
    award = p.min_stake * (WHOLE_BPS - p.burned_bps) // WHOLE_BPS
    if award < p.min_bond:
        yield (
            f"min_stake is {p.min_stake}: the challenger gets {award} of it and risks min_bond "
            f"{p.min_bond}"
        )
    if p.stake_rate == 0:
        yield "stake_rate is 0: a lie costs the same however long the run"
    if p.bond_rate == 0:
        yield "bond_rate is 0: a frivolous challenge costs the same however long the segment"
    if configuration.beacon is Beacon.BLOCKHASH:
        for chain_id in sorted(CHAINS_OF_ONE_PRODUCER.intersection(configuration.chain_ids)):
            yield (
                f"beacon is blockhash: who makes all blocks of chain {chain_id} can throw again "
                "at no cost, and is trusted not to"
            )
    yield from _compute_window_warnings(configuration)


def _compute_window_warnings(configuration: Configuration) -> Iterator[str]:
    """Windows that are short in blocks."""
    p = configuration.parameters
    least = WINDOW_BLOCKS * configuration.block_seconds
    for name in (
        "minimum_move_seconds",
        "draw_seconds",
        "commit_seconds",
        "open_seconds",
        "reveal_seconds",
        "round_seconds",
        "challenge_seconds",
    ):
        if getattr(p, name) < least:
            yield f"{name} is {getattr(p, name)}: less than {WINDOW_BLOCKS} blocks, {least:g}"
    final = configuration.confirmations * configuration.block_seconds
    if 2 * final > p.minimum_move_seconds:
        yield (
            f"minimum_move_seconds is {p.minimum_move_seconds}: {configuration.confirmations} "
            f"confirmations take {final:g}, and an agent reads only then"
        )


# --- Reading --------------------------------------------------------------------------------------


def _read_tables(path: Path) -> dict[str, Any]:
    try:
        if (size := path.stat().st_size) > FILE_BYTES_MAX:
            raise BadParameters(f"{path}: {size} bytes, parameters have at most {FILE_BYTES_MAX}")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        names = ", ".join(list_configurations())
        raise BadParameters(f"{path}: {error.strerror}; this checkout has {names}") from error
    except (ValueError, RecursionError) as error:
        raise BadParameters(f"{path}: no TOML: {error}") from error


class _Table:
    """A table whose faults are collected, so that a user sees all of them at once.

    A value that is missing or wrong reads as some value that nobody gets to see.
    """

    def __init__(self, name: str, content: Any, problems: list[str]):
        self.name = name
        self._problems = problems
        if content is None:
            problems.append(f"table {name} is missing")
        elif not isinstance(content, dict):
            problems.append(f"{name} is {content!r}, expected a table")
        self._content = dict(content) if isinstance(content, dict) else None

    def _take(self, name: str) -> Any:
        """The value; None where it is missing, which TOML cannot say otherwise."""
        if self._content is None:
            return None
        value = self._content.pop(name, None)
        if value is None:
            self._problems.append(f"{self.name}.{name} is missing")
        return value

    def _refuse(self, name: str, value: Any, expected: str) -> None:
        self._problems.append(f"{self.name}.{name} is {value!r}, expected {expected}")

    def get_number(self, name: str, low: int, high: int) -> int:
        value = self._take(name)
        # A bool is an int in Python.
        if type(value) is int and low <= value <= high:
            return value
        if value is not None:
            self._refuse(name, value, f"a whole number from {low} to {high}")
        return low

    def get_numbers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        value = self._take(name)
        if isinstance(value, list) and value:
            if all(type(item) is int and low <= item <= high for item in value):
                return tuple(value)
        if value is not None:
            self._refuse(name, value, f"a list of whole numbers from {low} to {high}")
        return (low,)

    def get_duration(self, name: str) -> float:
        value = self._take(name)
        if type(value) in (int, float) and 0 < value <= 3_600:
            return float(value)
        if value is not None:
            self._refuse(name, value, "a number above 0, at most 3600")
        return 1.0

    def get_beacon(self, name: str) -> Beacon | None:
        value = self._take(name)
        for beacon in Beacon:
            if value == beacon.label:
                return beacon
        if value is not None:
            self._refuse(name, value, " or ".join(repr(beacon.label) for beacon in Beacon))
        return None

    def close(self) -> None:
        """Whatever was not asked for is unknown."""
        for name in sorted(self._content or {}):
            self._problems.append(f"{self.name}.{name} is unknown")
