"""Registry, vault and splitter: who somebody is, what it staked, what it is owed."""

from collections import Counter
from dataclasses import dataclass, field

from tests.property.economy.ghost.base import (
    BURN_ADDRESS,
    NO_REASON,
    WHOLE,
    ZERO_ADDRESS,
    ZERO_VALUE,
    Common,
    divide_up,
    require,
)

WORKER, AUDITOR = 1, 2  # roles


@dataclass
class Node:
    roles: int = 0
    hardware_class: bytes = ZERO_VALUE
    conformance_digest: bytes = ZERO_VALUE
    payout: str = ZERO_ADDRESS
    metadata_uri: str = ""


@dataclass
class Record:
    finalised: int = 0
    lost: int = 0
    abandoned: int = 0


@dataclass
class Registry:
    common: Common
    nodes: dict[str, Node] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)

    def node_of(self, account: str) -> Node:
        return self.nodes.get(account, Node())

    def record_of(self, account: str) -> Record:
        return self.records.get(account, Record())

    def is_worker(self, account: str) -> bool:
        return self.node_of(account).roles & WORKER != 0

    def is_auditor(self, account: str) -> bool:
        return self.node_of(account).roles & AUDITOR != 0

    def is_retired(self, account: str) -> bool:
        return account in self.retired

    def payout_of(self, account: str) -> str:
        return self.nodes[account].payout if account in self.nodes else account

    def register(
        self, sender: str, roles: int, hardware: bytes, digest: bytes, payout: str, uri: str
    ) -> None:
        known = self.nodes.get(sender)
        require(
            {
                NO_REASON: roles <= WORKER | AUDITOR,
                "registry: retired": sender not in self.retired,
                "registry: zero payout": payout != ZERO_ADDRESS,
                "registry: payout is the node": payout != sender,
                "registry: not the payout": known is None or known.payout == payout,
            }
        )
        self.nodes[sender] = Node(roles, hardware, digest, payout, uri)
        self.common.note(
            "registry",
            "NodeRegistered",
            node=sender,
            payout=payout,
            roles=roles,
            hardware_class=hardware,
            conformance_digest=digest,
            metadata_uri=uri,
        )

    def retire(self, sender: str, node: str) -> None:
        require(
            {
                "registry: not the payout": self.node_of(node).payout == sender,
                "registry: retired": node not in self.retired,
            }
        )
        self.retired.add(node)
        self.nodes[node].roles = 0
        self.common.note("registry", "NodeRetired", node=node)

    def set_payout(self, sender: str, node: str, payout: str) -> None:
        require(
            {
                "registry: not the payout": self.node_of(node).payout == sender,
                "registry: zero payout": payout != ZERO_ADDRESS,
                "registry: payout is the node": payout != node,
            }
        )
        self.nodes[node].payout = payout
        self.common.note("registry", "PayoutChanged", node=node, payout=payout)

    def record_finalised(self, sender: str, worker: str) -> None:
        self._record(sender, worker, "finalised")

    def record_lost(self, sender: str, worker: str) -> None:
        self._record(sender, worker, "lost")

    def record_abandoned(self, sender: str, worker: str) -> None:
        self._record(sender, worker, "abandoned")

    def _record(self, sender: str, worker: str, name: str) -> None:
        require({"registry: not escrow": sender == self.common.addresses["escrow"]})
        record = self.records.setdefault(worker, Record())
        setattr(record, name, getattr(record, name) + 1)
        told = (record.finalised, record.lost, record.abandoned)
        self.common.note("registry", "NodeRecorded", node=worker, record=told)


@dataclass
class Lock:
    account: str = ZERO_ADDRESS
    amount: int = 0


@dataclass
class Vault:
    common: Common
    registry: Registry
    unbonding_seconds: int
    burned_bps: int
    free: Counter[str] = field(default_factory=Counter)
    unbonding: Counter[str] = field(default_factory=Counter)
    ready: Counter[str] = field(default_factory=Counter)
    locks: dict[tuple[str, int], Lock] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.common.addresses["vault"]

    def free_of(self, account: str) -> int:
        return self.free[account]

    def locked_of(self, account: str) -> int:
        return sum(lock.amount for lock in self.locks.values() if lock.account == account)

    def unbonding_of(self, account: str) -> int:
        return self.unbonding[account]

    def ready_at(self, account: str) -> int:
        return self.ready[account]

    def lock_of(self, locker: str, lock_id: int) -> Lock:
        return self.locks.get((locker, lock_id), Lock())

    def total_staked(self) -> int:
        locked = sum(lock.amount for lock in self.locks.values())
        return self.free.total() + self.unbonding.total() + locked

    def deposit(self, sender: str, account: str, amount: int) -> None:
        require(
            {
                "vault: zero amount": amount != 0,
                "vault: zero account": account != ZERO_ADDRESS,
                **self.common.can_pull(sender, amount),
            }
        )
        self.common.pay(sender, self.address, amount)
        self.free[account] += amount
        self.common.note("vault", "Deposited", account=account, amount=amount)

    def request_withdrawal(self, sender: str, account: str, amount: int) -> None:
        payout = self.registry.payout_of(account)
        require(
            {
                "vault: not yours": sender in (account, payout),
                "vault: withdrawal pending": sender == payout or self.ready[account] == 0,
                "vault: zero amount": amount != 0,
                "vault: insufficient stake": self.free[account] >= amount,
            }
        )
        self.free[account] -= amount
        self.unbonding[account] += amount
        self.ready[account] = self.common.now + self.unbonding_seconds
        self.common.note(
            "vault",
            "WithdrawalRequested",
            account=account,
            amount=amount,
            ready_at=self.ready[account],
        )

    def withdraw(self, sender: str, account: str) -> int:
        amount = self.unbonding[account]
        require({"vault: nothing requested": amount != 0})
        require({"vault: still unbonding": self.common.now >= self.ready[account]})
        payout = self.registry.payout_of(account)
        self.unbonding[account] = self.ready[account] = 0
        self.common.pay(self.address, payout, amount)
        self.common.note("vault", "Withdrawn", account=account, payout=payout, amount=amount)
        return amount

    def _is_locker(self, sender: str) -> dict[str, bool]:
        lockers = self.common.addresses["escrow"], self.common.addresses["lottery"]
        return {"vault: not a locker": sender in lockers}

    def can_lock(self, locker: str, lock_id: int, account: str, amount: int) -> dict[str, bool]:
        held = self.lock_of(locker, lock_id)
        return {
            **self._is_locker(locker),
            "vault: zero amount": amount != 0,
            "vault: another account's lock": held.account in (ZERO_ADDRESS, account),
            "vault: insufficient stake": self.free[account] >= amount,
        }

    def lock(self, sender: str, lock_id: int, account: str, amount: int) -> None:
        require(self.can_lock(sender, lock_id, account, amount))
        self.free[account] -= amount
        held = self.lock_of(sender, lock_id).amount
        self.locks[sender, lock_id] = Lock(account, held + amount)
        self.common.note(
            "vault", "StakeLocked", locker=sender, lock_id=lock_id, account=account, amount=amount
        )

    def release(self, sender: str, lock_id: int) -> None:
        lock = self.lock_of(sender, lock_id)
        require({**self._is_locker(sender), "vault: no lock": lock.amount != 0})
        del self.locks[sender, lock_id]
        self.free[lock.account] += lock.amount
        self.common.note(
            "vault",
            "StakeReleased",
            locker=sender,
            lock_id=lock_id,
            account=lock.account,
            amount=lock.amount,
        )

    def slash(self, sender: str, lock_id: int, amount: int, recipient: str) -> int:
        lock = self.lock_of(sender, lock_id)
        require(
            {
                **self._is_locker(sender),
                "vault: no lock": lock.amount != 0,
                "vault: slash exceeds lock": lock.amount >= amount or lock.amount == 0,
            }
        )
        lock.amount -= amount
        if lock.amount == 0:
            del self.locks[sender, lock_id]
        burned = divide_up(amount * self.burned_bps, WHOLE)
        self.common.pay(self.address, BURN_ADDRESS, burned)
        self.common.pay(self.address, recipient, amount - burned)
        self.common.note(
            "vault",
            "StakeSlashed",
            locker=sender,
            lock_id=lock_id,
            account=lock.account,
            burned=burned,
            awarded=amount - burned,
        )
        return amount - burned


Shares = tuple[tuple[str, int], ...]


@dataclass
class Splitter:
    common: Common
    owed: Counter[str] = field(default_factory=Counter)
    splits: dict[int, Shares] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.common.addresses["splitter"]

    def owed_to(self, account: str) -> int:
        return self.owed[account]

    def total_owed(self) -> int:
        return self.owed.total()

    def split_of(self, task_id: int) -> Shares:
        return self.splits.get(task_id, ())

    def _is_escrow(self, sender: str) -> dict[str, bool]:
        return {"splitter: not escrow": sender == self.common.addresses["escrow"]}

    def _is_funded(self, amount: int) -> dict[str, bool]:
        held = self.common.balances[self.address]
        return {"splitter: not funded": held >= self.total_owed() + amount}

    @staticmethod
    def is_well_formed(shares: Shares) -> dict[str, bool]:
        return {
            "splitter: zero beneficiary": all(account != ZERO_ADDRESS for account, _ in shares),
            "splitter: zero share": all(points != 0 for _, points in shares),
            "splitter: shares exceed whole": sum(points for _, points in shares) < WHOLE,
        }

    def set_split(self, sender: str, task_id: int, shares: Shares) -> None:
        require(
            {
                **self._is_escrow(sender),
                "splitter: split is set": not self.split_of(task_id),
                **self.is_well_formed(shares),
            }
        )
        self.splits[task_id] = shares
        self.common.note("splitter", "SplitSet", task_id=task_id, shares=list(shares))

    def credit(self, sender: str, task_id: int, worker: str, amount: int) -> None:
        require({**self._is_escrow(sender), **self._is_funded(amount)})
        rest = amount
        for beneficiary, points in self.split_of(task_id):
            part = amount * points // WHOLE
            rest -= part
            self._credit(task_id, beneficiary, part)
        self._credit(task_id, worker, rest)

    def credit_account(self, sender: str, task_id: int, account: str, amount: int) -> None:
        require({**self._is_escrow(sender), **self._is_funded(amount)})
        self._credit(task_id, account, amount)

    def _credit(self, task_id: int, account: str, amount: int) -> None:
        self.owed[account] += amount
        self.common.note("splitter", "Credited", task_id=task_id, account=account, amount=amount)

    def withdraw(self, sender: str, account: str) -> int:
        amount = self.owed[account]
        require({"splitter: nothing owed": amount != 0})
        self.owed[account] = 0
        self.common.pay(self.address, account, amount)
        self.common.note("splitter", "Withdrawn", account=account, amount=amount)
        return amount
