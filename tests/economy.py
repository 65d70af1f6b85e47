"""The contracts of the market in titanoboa, with a test account in the game's place."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import boa
from eth_utils import to_checksum_address

from protocol.merkle import Tree, compute_vector_tree

CONTRACTS = Path(__file__).resolve().parent.parent / "contracts"

# ABI values of the flags of ITaskEscrow and INodeRegistry.
POSTED, ASSIGNED, CLAIMED, FINALISED, EXPIRED, CANCELLED = (1 << i for i in range(6))
CLAIM_PENDING, CLAIM_FINALISED, CLAIM_SLASHED, CLAIM_VOID = 1, 2, 4, 8
WORKER, AUDITOR = 1, 2

ZERO_ADDRESS = "0x" + "00" * 20
BURN_ADDRESS = "0x000000000000000000000000000000000000dEaD"

# Of the deployment.
UNBONDING_SECONDS = 3_600
BURNED_BPS = 6_000
MIN_STAKE = 10
STAKE_RATE = 5
MIN_BOND = 7
BOND_RATE = 50
OPERATIONS_PER_SECOND = 10**6
CHALLENGE_SECONDS = 600
MAX_LEASE_SECONDS = 7_200
MAX_REEXECUTION_SECONDS = 900
AUDITS = 2
PENALTY = 50
WARMUP_SECONDS = 3_600
DRAW_SECONDS = 300
COMMIT_SECONDS = 100
OPEN_SECONDS = 200
REVEAL_SECONDS = 100
ROUND_SECONDS = 500
MAX_ROUNDS = 3
DELAY_BLOCKS = 2

# Of a task.
REWARD = 1_000
STAKE = 101
BOND = 1_001  # like `tests.disputes.BOND`
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
    step_operations: int = 1_000

    def as_tuple(self) -> tuple[bytes | int, ...]:
        return astuple(self)


@dataclass(frozen=True)
class Offer:
    """Of the maximum at once, without audits; an expiry of 0 is EXPIRY_SECONDS from now."""

    min_reward: int = REWARD
    max_reward: int = REWARD
    auction_seconds: int = 0
    audit_budget: int = 0
    attestations: int = 0
    stake: int = STAKE
    bond: int = BOND
    lease_seconds: int = LEASE_SECONDS
    heartbeat_seconds: int = LEASE_SECONDS
    expiry: int = 0


# From the default task's claim to its challenge deadline.
AUDIT_SECONDS = DRAW_SECONDS + COMMIT_SECONDS + OPEN_SECONDS + REVEAL_SECONDS
WINDOW_SECONDS = AUDIT_SECONDS + 2 * Terms.reexecution_seconds + CHALLENGE_SECONDS


def compute_claim_tree(segments: int = Terms.segments, run: str = "run") -> Tree:
    """A claim over made-up state roots."""
    return compute_vector_tree([compute_hash(f"{run} {i}") for i in range(segments)])


@dataclass
class Economy:
    """One deployment, its actors, and the steps of a task with sensible defaults."""

    token: Any
    registry: Any
    vault: Any
    splitter: Any
    escrow: Any
    beacon: Any
    lottery: Any
    availability: Any
    game: str
    submitter: str
    worker: str
    challenger: str
    auditor: str
    terms: Terms = field(default_factory=Terms)

    def fund(self, account: str, amount: int, spender: Any) -> None:
        self.token.mint(account, amount)
        self.token.approve(spender, 2**256 - 1, sender=account)

    def stake(self, account: str, amount: int) -> None:
        self.fund(account, amount, self.vault)
        self.vault.deposit(account, amount, sender=account)

    def register(self, account: str, roles: int = WORKER | AUDITOR) -> str:
        """Register a node; its payout."""
        payout = self.registry.payout_of(account)
        if payout == account:
            payout = boa.env.generate_address()
        self.registry.register(
            roles, b"cpu", compute_hash("conformance"), payout, "", sender=account
        )
        return payout

    def post(
        self, terms: Terms | None = None, shares: Sequence[tuple[str, int]] = (), **changes: int
    ) -> int:
        """Post a task; `changes` are fields of the offer."""
        offer = Offer(**changes)
        if offer.expiry == 0:
            offer = replace(offer, expiry=boa.env.timestamp + EXPIRY_SECONDS)
        self.fund(self.submitter, offer.max_reward + offer.audit_budget, self.escrow)
        arguments = ((terms or self.terms).as_tuple(), astuple(offer), list(shares))
        return self.escrow.post(*arguments, sender=self.submitter)

    def digest_of(self, task_id: int) -> bytes:
        return self.escrow.task_of(task_id).digest

    def assign(self, task_id: int, worker: str | None = None, reward: int = 0) -> None:
        """Assign to a worker, which registers and stakes what it has to."""
        worker = worker or self.worker
        if not self.registry.is_worker(worker):
            self.register(worker)
        missing = self.escrow.offer_of(task_id).stake - self.vault.free_of(worker)
        if missing > 0:
            self.stake(worker, missing)
        self.escrow.assign(task_id, self.digest_of(task_id), reward, sender=worker)

    def claim_tree(self, task_id: int, tree: Tree, worker: str | None = None) -> int:
        """Claim a run whose states at the segments' ends are the leaves of the tree."""
        last = self.escrow.terms_of(task_id).segments - 1
        arguments = (tree.root, tree.get_node(0, last), tree.get_path(last))
        digest = self.digest_of(task_id)
        return self.escrow.claim(task_id, digest, *arguments, sender=worker or self.worker)

    def claim(self, task_id: int, worker: str | None = None) -> int:
        tree = compute_claim_tree(self.escrow.terms_of(task_id).segments)
        return self.claim_tree(task_id, tree, worker)

    def claimed(self, **changes: Any) -> int:
        """A task that is posted, assigned and claimed; the claim's id."""
        task_id = self.post(**changes)
        self.assign(task_id)
        return self.claim(task_id)

    def pass_window(self, claim_id: int) -> None:
        """Go to the first second at which the claim can be finalised."""
        boa.env.timestamp = self.escrow.claim_of(claim_id).challenge_deadline + 1

    def attest(self, claim_id: int) -> None:
        """The submitter says that it has the result."""
        root = self.escrow.claim_of(claim_id).final_state_root
        self.availability.attest(claim_id, root, sender=self.submitter)

    def owed_to(self, account: str) -> int:
        """What the splitter owes to the account's payout."""
        return self.splitter.owed_to(self.registry.payout_of(account))

    def ensure_game(self) -> None:
        """Put the ChallengeGame into its place, if it is empty: the escrow tells it of defaults."""
        if not boa.env.get_code(self.game):
            deploy_game(self)

    def hook(self, name: str, *arguments: Any) -> Any:
        """Call a hook of the escrow as the contract that may."""
        if name == "process_audit_default":
            self.ensure_game()
        callers = {
            "process_audit_default": self.lottery,
            "pay_audit": self.lottery,
            "process_unavailable": self.availability,
        }
        caller = str(getattr(callers.get(name), "address", self.game))
        return getattr(self.escrow, name)(*arguments, sender=caller)


def deploy_by_name(contract: str, values: Mapping[str, Any], address: str) -> Any:
    """Deploy to an address that others already know; nothing depends on the arguments' order."""
    deployer = get_deployer(contract)
    inputs = deployer.compiler_data.global_ctx.init_function.arguments
    arguments = [values[item.name.removesuffix("_")] for item in inputs]
    return deployer.deploy(*arguments, override_address=address)


def deploy_game(economy: Economy, **changes: int) -> Any:
    """The ChallengeGame in the place that the economy keeps for it."""
    verifier = get_deployer("StepVerifier").deploy(get_deployer("MapUnit").deploy())
    values = {
        "token": economy.token,
        "escrow": economy.escrow,
        "verifier": verifier,
        "worker_award_bps": 6_000,
        "worker_seconds": 20,
        "challenger_seconds": 20,
        "minimum_move_seconds": 5,
    }
    return deploy_by_name("ChallengeGame", values | changes, economy.game)


def open_game(economy: Economy, contract: Any, claim_id: int, challenger: str) -> int:
    """Challenge a claim with a bond of the challenger's own."""
    economy.token.approve(contract, 2**256 - 1, sender=challenger)
    root = economy.escrow.claim_of(claim_id).root
    return contract.open(claim_id, root, sender=challenger)


def deploy_economy(token: Any = None, **changes: int) -> Economy:
    """Deploy; `changes` replace the parameters of the constructors by name."""
    parameters = {
        "unbonding_seconds": UNBONDING_SECONDS,
        "burned_bps": BURNED_BPS,
        "min_stake": MIN_STAKE,
        "stake_rate": STAKE_RATE,
        "min_bond": MIN_BOND,
        "bond_rate": BOND_RATE,
        "operations_per_second": OPERATIONS_PER_SECOND,
        "challenge_seconds": CHALLENGE_SECONDS,
        "max_lease_seconds": MAX_LEASE_SECONDS,
        "max_reexecution_seconds": MAX_REEXECUTION_SECONDS,
        "audits": AUDITS,
        "penalty": PENALTY,
        "warmup_seconds": WARMUP_SECONDS,
        "draw_seconds": DRAW_SECONDS,
        "commit_seconds": COMMIT_SECONDS,
        "open_seconds": OPEN_SECONDS,
        "reveal_seconds": REVEAL_SECONDS,
        "round_seconds": ROUND_SECONDS,
        "max_rounds": MAX_ROUNDS,
        "delay_blocks": DELAY_BLOCKS,
    }
    assert changes.keys() <= parameters.keys(), changes.keys() - parameters.keys()
    parameters |= changes
    names = ("game", "registry", "vault", "splitter", "escrow", "beacon", "lottery", "availability")
    at = {name: boa.env.generate_address(name) for name in names}
    values = {
        "token": token or get_deployer("mocks/TestToken").deploy(),
        **at,
        **parameters,
    }

    def deploy(name: str, contract: str) -> Any:
        return deploy_by_name(contract, values, at[name])

    return Economy(
        token=values["token"],
        registry=deploy("registry", "NodeRegistry"),
        vault=deploy("vault", "StakeVault"),
        splitter=deploy("splitter", "RewardSplitter"),
        escrow=deploy("escrow", "TaskEscrow"),
        beacon=deploy("beacon", "BlockhashBeacon"),
        lottery=deploy("lottery", "AuditLottery"),
        availability=deploy("availability", "Availability"),
        game=at["game"],
        submitter=boa.env.generate_address("submitter"),
        worker=boa.env.generate_address("worker"),
        challenger=boa.env.generate_address("challenger"),
        auditor=boa.env.generate_address("auditor"),
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


def get_callees(contract: Any) -> list[str]:
    """Whom the last call of `contract` has called itself, in this order."""
    return [to_checksum_address(child.msg.to) for child in contract._computation.children]
