"""What the contracts hold, as frozen records. Names and units are those of the interfaces.

Each `from_` function takes what the node decoded and refuses what lies outside the protocol's
bounds with `BadAnswer`: a node is not trusted to be sane.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NewType, TypeVar

from web3 import Web3

from offchain.chain.errors import BadAnswer
from protocol.types import (
    RECORDS_MAX,
    SEGMENT_LENGTH_MAX,
    SEGMENTS_MAX,
    Root,
    Seconds,
    Seed,
    Wei,
)

TaskId = NewType("TaskId", int)
ClaimId = NewType("ClaimId", int)
GameId = NewType("GameId", int)
Timestamp = NewType("Timestamp", int)  # seconds since the epoch
Address = NewType("Address", str)  # checksummed

NO_ADDRESS = Address("0x" + "0" * 40)
_Status = TypeVar("_Status", bound=IntEnum)

TIME_MAX = 2**63  # a timestamp or duration beyond it is no honest answer


class TaskStatus(IntEnum):
    """ITaskEscrow.TaskStatus; 0 is no task."""

    POSTED = 1
    ASSIGNED = 2
    CLAIMED = 4
    FINALISED = 8
    EXPIRED = 16
    CANCELLED = 32


class ClaimStatus(IntEnum):
    """ITaskEscrow.ClaimStatus; 0 is no claim."""

    PENDING = 1
    FINALISED = 2
    SLASHED = 4


@dataclass(frozen=True)
class Share:
    """Part of a reward that goes to somebody besides the worker."""

    beneficiary: Address
    basis_points: int


@dataclass(frozen=True)
class Terms:
    """What has to be computed."""

    program_root: Root
    genesis_root: Root
    dataset_root: Root
    seed: Seed
    records: int
    segments: int
    segment_length: int
    reexecution_seconds: Seconds

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.segments * self.segment_length


@dataclass(frozen=True)
class Task:
    """A task and where it stands."""

    id: TaskId
    submitter: Address
    status: TaskStatus
    reward: Wei
    stake: Wei
    lease_seconds: Seconds
    expiry: Timestamp
    worker: Address
    lease_end: Timestamp
    claim_id: ClaimId


@dataclass(frozen=True)
class Claim:
    """A worker's commitment for a task."""

    id: ClaimId
    task_id: TaskId
    worker: Address
    root: Root
    final_state_root: Root
    challenge_deadline: Timestamp
    open_games: int
    status: ClaimStatus


@dataclass(frozen=True)
class Balances:
    """Where an account's tokens are."""

    wallet: Wei
    free_stake: Wei
    locked_stake: Wei
    owed: Wei

    @property
    def total(self) -> Wei:
        """All of it."""
        return Wei(self.wallet + self.free_stake + self.locked_stake + self.owed)


def from_terms(values: Sequence[Any]) -> Terms:
    """Terms out of the decoded tuple."""
    program, genesis, dataset, seed, records, segments, length, seconds = values
    return Terms(
        Root(program),
        Root(genesis),
        Root(dataset),
        Seed(seed),
        _check("records", records, 1, RECORDS_MAX),
        _check("segments", segments, 1, SEGMENTS_MAX),
        _check("segment length", length, 1, SEGMENT_LENGTH_MAX),
        Seconds(_check("re-execution seconds", seconds, 0, TIME_MAX)),
    )


def from_task(task_id: TaskId, values: Sequence[Any]) -> Task:
    """Task out of the decoded tuple."""
    submitter, status, reward, stake, lease, expiry, worker, lease_end, claim_id = values
    return Task(
        task_id,
        check_address(submitter),
        _check_status(TaskStatus, status),
        Wei(reward),
        Wei(stake),
        Seconds(_check("lease", lease, 0, TIME_MAX)),
        Timestamp(expiry),
        check_address(worker),
        Timestamp(lease_end),
        ClaimId(claim_id),
    )


def from_claim(claim_id: ClaimId, values: Sequence[Any]) -> Claim:
    """Claim out of the decoded tuple."""
    task_id, worker, root, final_state_root, deadline, games, status = values
    return Claim(
        claim_id,
        TaskId(task_id),
        check_address(worker),
        Root(root),
        Root(final_state_root),
        Timestamp(_check("challenge deadline", deadline, 0, TIME_MAX)),
        games,
        _check_status(ClaimStatus, status),
    )


def check_address(value: Any) -> Address:
    """A checksummed address. Raises `BadAnswer`."""
    if not isinstance(value, str) or not Web3.is_address(value):
        raise BadAnswer(f"address: {value!r}")
    return Address(Web3.to_checksum_address(value))


def _check(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise BadAnswer(f"{name}: {value} is outside {low} to {high}")
    return value


def _check_status(kind: type[_Status], value: int) -> _Status:
    try:
        return kind(value)
    except ValueError:
        raise BadAnswer(f"{kind.__name__}: {value} is none") from None
