"""What the contracts hold, as frozen records. Names and units are those of the interfaces.

Each `from_` function takes what the node decoded and refuses what lies outside the protocol's
bounds with `BadAnswer`: a node is not trusted to be sane.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Any, NewType, TypeVar

from eth_abi import encode
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
Digest = NewType("Digest", bytes)  # 32 bytes, Keccak-256

NO_ADDRESS = Address("0x" + "0" * 40)
_Status = TypeVar("_Status", bound=IntEnum)

TIME_MAX = 2**63  # a timestamp or duration beyond it is no honest answer
AMOUNT_MAX = 2**128 - 1  # of a task's rewards and stakes
BOND_MAX = 2**96 - 1
ATTESTATIONS_MAX = 2**4
SHARES_MAX = 2**3
WHOLE_BPS = 10_000  # basis points of a whole

# ITaskEscrow.Terms, ITaskEscrow.Offer and IRewardSplitter.Share.
DIGEST_TYPES = (
    "address",
    f"({','.join(['bytes32'] * 4 + ['uint64'] * 5)})",
    f"({','.join(['uint256'] * 10)})",
    "(address,uint256)[]",
)


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
    VOID = 8


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
    step_operations: int  # declared; the program must not take more

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.segments * self.segment_length


@dataclass(frozen=True)
class Offer:
    """What the submitter pays and asks for."""

    min_reward: Wei
    max_reward: Wei
    auction_seconds: Seconds
    audit_budget: Wei
    attestations: int
    stake: Wei
    bond: Wei
    lease_seconds: Seconds
    heartbeat_seconds: Seconds
    expiry: Timestamp

    @property
    def escrowed(self) -> Wei:
        """What the submitter pays in."""
        return Wei(self.max_reward + self.audit_budget)


@dataclass(frozen=True)
class Task:
    """A task and where it stands."""

    id: TaskId
    submitter: Address
    status: TaskStatus
    digest: Digest
    posted_at: Timestamp
    audit_budget: Wei  # what is left of it
    worker: Address
    reward: Wei  # what the auction came to; zero while the task is open
    lease_end: Timestamp
    heartbeat_end: Timestamp
    progress: int  # segments shown
    claim_id: ClaimId

    @property
    def deadline(self) -> Timestamp:
        """The last second of the lease: its end, or that of the heartbeat where that is sooner."""
        return min(self.lease_end, self.heartbeat_end)


@dataclass(frozen=True)
class Claim:
    """A worker's commitment for a task."""

    id: ClaimId
    task_id: TaskId
    worker: Address
    root: Root
    final_state_root: Root
    claimed_at: Timestamp
    challenge_deadline: Timestamp
    open_games: int
    status: ClaimStatus


@dataclass(frozen=True)
class Balances:
    """Where an account's tokens are."""

    wallet: Wei
    free_stake: Wei
    locked_stake: Wei
    unbonding_stake: Wei
    owed: Wei

    @property
    def total(self) -> Wei:
        """All of it."""
        stake = self.free_stake + self.locked_stake + self.unbonding_stake
        return Wei(self.wallet + stake + self.owed)


def compute_digest(
    submitter: Address, terms: Terms, offer: Offer, shares: Sequence[Share]
) -> Digest:
    """What a worker agrees to: keccak256 of the ABI-encoded (submitter, terms, offer, shares)."""
    split = [astuple(share) for share in shares]
    words = encode(DIGEST_TYPES, (submitter, astuple(terms), astuple(offer), split))
    return Digest(bytes(Web3.keccak(words)))


def from_terms(values: Sequence[Any]) -> Terms:
    """Terms out of the decoded tuple."""
    program, genesis, dataset, seed, records, segments, length, seconds, operations = values
    return Terms(
        Root(program),
        Root(genesis),
        Root(dataset),
        Seed(seed),
        check("records", records, 1, RECORDS_MAX),
        check("segments", segments, 1, SEGMENTS_MAX),
        check("segment length", length, 1, SEGMENT_LENGTH_MAX),
        Seconds(check("re-execution seconds", seconds, 0, TIME_MAX)),
        check("step operations", operations, 1, 2**64 - 1),
    )


def from_offer(values: Sequence[Any]) -> Offer:
    """Offer out of the decoded tuple."""
    low, high, auction, budget, attestations, stake, bond, lease, heartbeat, expiry = values
    return Offer(
        check_amount("least reward", low),
        check_amount("largest reward", high),
        check_seconds("auction", auction),
        check_amount("audit budget", budget),
        check("attestations", attestations, 0, ATTESTATIONS_MAX),
        check_amount("stake", stake),
        check_amount("bond", bond),
        check_seconds("lease", lease),
        check_seconds("heartbeat", heartbeat),
        Timestamp(expiry),
    )


def from_task(task_id: TaskId, values: Sequence[Any]) -> Task:
    """Task out of the decoded tuple."""
    submitter, status, digest, posted_at, budget, worker, reward, *rest = values
    lease_end, heartbeat_end, progress, claim_id = rest
    return Task(
        task_id,
        check_address(submitter),
        check_status(TaskStatus, status),
        Digest(digest),
        check_time("posted at", posted_at),
        check_amount("audit budget", budget),
        check_address(worker),
        check_amount("reward", reward),
        check_time("lease end", lease_end),
        check_time("heartbeat end", heartbeat_end),
        check("progress", progress, 0, SEGMENTS_MAX),
        ClaimId(claim_id),
    )


def from_claim(claim_id: ClaimId, values: Sequence[Any]) -> Claim:
    """Claim out of the decoded tuple."""
    task_id, worker, root, final_state_root, claimed_at, deadline, games, status = values
    return Claim(
        claim_id,
        TaskId(task_id),
        check_address(worker),
        Root(root),
        Root(final_state_root),
        check_time("claimed at", claimed_at),
        check_time("challenge deadline", deadline),
        games,
        check_status(ClaimStatus, status),
    )


def check_address(value: Any) -> Address:
    """A checksummed address. Raises `BadAnswer`."""
    if not isinstance(value, str) or not Web3.is_address(value):
        raise BadAnswer(f"address: {value!r}")
    return Address(Web3.to_checksum_address(value))


def check(name: str, value: int, low: int, high: int) -> int:
    """The value, if it is in the bounds. Raises `BadAnswer`."""
    if not low <= value <= high:
        raise BadAnswer(f"{name}: {value} is outside {low} to {high}")
    return value


def check_amount(name: str, value: int) -> Wei:
    """An amount of a task's. Raises `BadAnswer`."""
    return Wei(check(name, value, 0, AMOUNT_MAX))


def check_seconds(name: str, value: int) -> Seconds:
    """A duration. Raises `BadAnswer`."""
    return Seconds(check(name, value, 0, TIME_MAX))


def check_time(name: str, value: int) -> Timestamp:
    """A point in time. Raises `BadAnswer`."""
    return Timestamp(check(name, value, 0, TIME_MAX))


def check_status(kind: type[_Status], value: int) -> _Status:
    """A flag with one member set. Raises `BadAnswer`."""
    try:
        return kind(value)
    except ValueError:
        raise BadAnswer(f"{kind.__name__}: {value} is none") from None
