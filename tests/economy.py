"""The contracts that hold tokens, in titanoboa, with a test account in the game's place."""

from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import boa

from protocol.merkle import Tree, compute_vector_tree

CONTRACTS = Path(__file__).resolve().parent.parent / "contracts"

# ABI values of the flags of ITaskEscrow.
POSTED, ASSIGNED, CLAIMED, FINALISED, EXPIRED, CANCELLED = (1 << i for i in range(6))
CLAIM_PENDING, CLAIM_FINALISED, CLAIM_SLASHED = 1, 2, 4

ZERO_ADDRESS = "0x" + "00" * 20
BURN_ADDRESS = "0x000000000000000000000000000000000000dEaD"

UNBONDING_SECONDS = 3_600
BURNED_BPS = 6_000
MIN_STAKE = 10
CHALLENGE_SECONDS = 600
MAX_LEASE_SECONDS = 7_200
MAX_REEXECUTION_SECONDS = 900

REWARD = 1_000
STAKE = 101
LEASE_SECONDS = 1_800
EXPIRY_SECONDS = 86_400


@cache
def get_deployer(name: str) -> Any:
    """Compiled once in a session."""
    return boa.load_partial(str(CONTRACTS / f"{name}.vy"))


def compute_hash(text: str) -> bytes:
    return sha256(text.encode()).digest()


@dataclass(frozen=True)
class Terms:
    program_root: bytes = compute_hash("program")
    genesis_root: bytes = compute_hash("genesis")
    dataset_root: bytes = compute_hash("dataset")
    seed: bytes = compute_hash("seed")
    records: int = 1_000
    segments: int = 5
    segment_length: int = 16
    reexecution_seconds: int = 60

    def as_tuple(self) -> tuple[bytes | int, ...]:
        return tuple(self.__dict__.values())


def compute_claim_tree(segments: int = Terms.segments, run: str = "run") -> Tree:
    """A claim over made-up state roots."""
    return compute_vector_tree([compute_hash(f"{run} {i}") for i in range(segments)])


@dataclass
class Economy:
    """One deployment, its actors, and the steps of a task with sensible defaults."""

    token: Any
    vault: Any
    splitter: Any
    escrow: Any
    game: str
    submitter: str
    worker: str
    challenger: str
    terms: Terms = field(default_factory=Terms)

    def fund(self, account: str, amount: int, spender: Any) -> None:
        self.token.mint(account, amount)
        self.token.approve(spender, 2**256 - 1, sender=account)

    def stake(self, account: str, amount: int) -> None:
        self.fund(account, amount, self.vault)
        self.vault.deposit(amount, sender=account)

    def post(self, terms: Terms | None = None, **changes: Any) -> int:
        values: dict[str, Any] = {
            "reward": REWARD,
            "stake": STAKE,
            "lease_seconds": LEASE_SECONDS,
            "expiry": boa.env.timestamp + EXPIRY_SECONDS,
            "shares": [],
        }
        values |= changes
        self.fund(self.submitter, values["reward"], self.escrow)
        arguments = ((terms or self.terms).as_tuple(), *values.values())
        return self.escrow.post(*arguments, sender=self.submitter)

    def assign(self, task_id: int, worker: str | None = None) -> None:
        worker = worker or self.worker
        missing = self.escrow.task_of(task_id).stake - self.vault.free_of(worker)
        if missing > 0:
            self.stake(worker, missing)
        self.escrow.assign(task_id, sender=worker)

    def claim(self, task_id: int, worker: str | None = None) -> int:
        tree = compute_claim_tree(self.escrow.terms_of(task_id).segments)
        last = tree.count - 1
        arguments = (task_id, tree.root, tree.get_node(0, last), tree.get_path(last))
        return self.escrow.claim(*arguments, sender=worker or self.worker)

    def claimed(self, **changes: Any) -> int:
        """A task that is posted, assigned and claimed; the claim's id."""
        task_id = self.post(**changes)
        self.assign(task_id)
        return self.claim(task_id)

    def hook(self, name: str, *arguments: Any) -> None:
        """Call a hook of the escrow as the ChallengeGame."""
        getattr(self.escrow, name)(*arguments, sender=self.game)


def deploy_economy(token: Any = None, **changes: int) -> Economy:
    """Deploy; `changes` replace the parameters of the constructors by name."""
    parameters = {
        "unbonding_seconds": UNBONDING_SECONDS,
        "burned_bps": BURNED_BPS,
        "min_stake": MIN_STAKE,
        "challenge_seconds": CHALLENGE_SECONDS,
        "max_lease_seconds": MAX_LEASE_SECONDS,
        "max_reexecution_seconds": MAX_REEXECUTION_SECONDS,
    }
    assert changes.keys() <= parameters.keys()
    parameters |= changes
    token = token or get_deployer("mocks/TestToken").deploy()
    game, escrow = boa.env.generate_address("game"), boa.env.generate_address("escrow")
    vault = get_deployer("StakeVault").deploy(
        token, escrow, parameters.pop("unbonding_seconds"), parameters.pop("burned_bps")
    )
    splitter = get_deployer("RewardSplitter").deploy(token, escrow)
    return Economy(
        token=token,
        vault=vault,
        splitter=splitter,
        escrow=get_deployer("TaskEscrow").deploy(
            token, vault, splitter, game, *parameters.values(), override_address=escrow
        ),
        game=game,
        submitter=boa.env.generate_address("submitter"),
        worker=boa.env.generate_address("worker"),
        challenger=boa.env.generate_address("challenger"),
    )


def get_event(contract: Any, name: str) -> dict[str, Any]:
    """The fields of the only event of that name in the last call of `contract`."""
    found = [log for log in contract.get_logs() if type(log).__name__ == name]
    assert len(found) == 1, f"{name}: {len(found)} in {contract.get_logs()}"
    return found[0]._asdict()


def get_transfers(contract: Any) -> list[tuple[str, str, int]]:
    """(sender, receiver, amount) of every token transfer in the last call of `contract`."""
    logs = [log for log in contract.get_logs() if type(log).__name__ == "Transfer"]
    return [(log.sender, log.receiver, log.value) for log in logs]
