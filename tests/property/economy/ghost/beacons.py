"""The two beacons: the seed of a claim, fixed by what comes after the claim."""

from dataclasses import dataclass, field
from hashlib import sha256

from tests.property.economy.ghost.base import ZERO_ADDRESS, ZERO_VALUE, Common, require
from tests.property.economy.ghost.market import ClaimStatus, Escrow

HASHES_KEPT = 256  # blocks whose hash can be had


def compute_block_hash(block: int) -> bytes:
    """The chain of these tests."""
    return sha256(f"block {block}".encode()).digest()


def compute_seed(secret: bytes, *more: bytes, claim_id: int) -> bytes:
    return sha256(b"".join([secret, *more, claim_id.to_bytes(32, "big")])).digest()


@dataclass
class Seeds:
    """What both have."""

    common: Common
    seeds: dict[int, bytes] = field(default_factory=dict)

    def seed_of(self, claim_id: int) -> bytes:
        return self.seeds.get(claim_id, ZERO_VALUE)

    def _is_lottery(self, sender: str) -> dict[str, bool]:
        return {"beacon: not lottery": sender == self.common.addresses["lottery"]}

    def _fix(self, claim_id: int, seed: bytes) -> bytes:
        self.seeds[claim_id] = seed
        self.common.note("beacon", "SeedFixed", claim_id=claim_id, seed=seed)
        return seed

    def process_claimed(self, sender: str, claim_id: int) -> None:
        require(self._is_lottery(sender))


@dataclass
class BlockhashBeacon(Seeds):
    delay_blocks: int = 2
    targets: dict[int, int] = field(default_factory=dict)

    def target_of(self, claim_id: int) -> int:
        return self.targets.get(claim_id, 0)

    def process_claimed(self, sender: str, claim_id: int) -> None:
        super().process_claimed(sender, claim_id)
        self._set_target(claim_id)

    def _set_target(self, claim_id: int) -> None:
        self.targets[claim_id] = self.common.block + self.delay_blocks
        self.common.note("beacon", "TargetSet", claim_id=claim_id, target=self.targets[claim_id])

    def _is_late(self, claim_id: int) -> bool:
        return self.common.block > self.target_of(claim_id) + HASHES_KEPT

    def _is_open(self, claim_id: int) -> dict[str, bool]:
        return {
            "beacon: unknown claim": claim_id in self.targets,
            "beacon: seed known": claim_id not in self.seeds,
        }

    def fix(self, sender: str, claim_id: int) -> bytes:
        require(
            {
                **self._is_open(claim_id),
                "beacon: too early": self.common.block > self.target_of(claim_id),
                "beacon: too late": not self._is_late(claim_id),
            }
        )
        block_hash = compute_block_hash(self.targets[claim_id])
        return self._fix(claim_id, compute_seed(block_hash, claim_id=claim_id))

    def restart(self, sender: str, claim_id: int) -> None:
        require({**self._is_open(claim_id), "beacon: not too late": self._is_late(claim_id)})
        self._set_target(claim_id)


@dataclass
class SubmitterBeacon(Seeds):
    links: dict[int, bytes] = field(default_factory=dict)
    escrow: Escrow = field(init=False, repr=False)

    def link_of(self, task_id: int) -> bytes:
        return self.links.get(task_id, ZERO_VALUE)

    def commit(self, sender: str, task_id: int, link: bytes) -> None:
        self.escrow.task_of(task_id)
        task = self.escrow.tasks.get(task_id)
        submitter = task.submitter if task else ZERO_ADDRESS
        require(
            {
                "beacon: not the submitter": sender == submitter,
                "beacon: zero link": link != ZERO_VALUE,
                "beacon: already committed": self.link_of(task_id) == ZERO_VALUE,
                "beacon: task claimed": task is None or task.claim_id == 0,
            }
        )
        self.links[task_id] = link
        self.common.note("beacon", "LinkCommitted", task_id=task_id, link=link)

    def show(self, sender: str, claim_id: int, preimage: bytes) -> bytes:
        claim = self.escrow.claim_of(claim_id)
        link = self.link_of(claim.task_id)
        require(
            {
                "beacon: claim not pending": claim.status == ClaimStatus.PENDING,
                "beacon: seed known": claim_id not in self.seeds,
                "beacon: no link": link != ZERO_VALUE,
                "beacon: not the preimage": sha256(preimage).digest() == link,
            }
        )
        self.links[claim.task_id] = preimage
        return self._fix(claim_id, compute_seed(preimage, claim.root, claim_id=claim_id))
