"""Any sequence of calls on vault, escrow and splitter, against a ghost model of the money.

The hooks of game, lottery and availability are called as these contracts, so claims end in any way
at any moment. After each step the contracts must hold what they owe (E1, V1, R1) and owe what the
ghost says, to the unit and to the account (E2, V2, R3), and no token may appear or vanish (E3).
Counters say that everything interesting was met.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from random import Random
from typing import Any

import boa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from protocol.pricing import compute_reward
from tests import economy as eco

# What happens, about as often as it stands here.
ACTIONS = """
    deposit request_withdrawal withdraw_stake withdraw_reward post post assign assign assign
    end_lease end_lease end_lease expire_lease report_progress cancel expire expire finalise
    finalise play play play play play play audit audit audit pass_time pass_time donate
""".split()
LIVE = (eco.POSTED, eco.ASSIGNED, eco.CLAIMED)


@dataclass
class GhostTask:
    offer: eco.Offer
    budget: int
    posted_at: int
    beneficiary: str | None
    basis_points: int
    submitter: str
    status: int = eco.POSTED
    worker: str | None = None
    reward: int = 0
    lease_end: int = 0
    heartbeat_end: int = 0
    progress: int = 0
    had_lease: set[str] = field(default_factory=set)

    @property
    def escrowed(self) -> int:
        return self.offer.max_reward + self.budget


@dataclass
class GhostClaim:
    task_id: int
    worker: str
    deadline: int
    open_games: int = 0
    status: int = eco.CLAIM_PENDING


def choose(random: Random, likely: list[int], count: int) -> int:
    """Seven times of eight one of `likely`, else any id up to `count`."""
    if likely and random.randrange(8):
        return random.choice(likely)
    return random.randint(1, count)


class EconomyMachine(RuleBasedStateMachine):
    met: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.eco = eco.deploy_economy()
        self.actors = [boa.env.generate_address() for _ in range(3)]
        for actor in self.actors:
            for spender in (self.eco.vault, self.eco.escrow):
                self.eco.fund(actor, 10_000, spender)
            self.eco.vault.deposit(actor, 400, sender=actor)
        self.payouts = {actor: self.eco.register(actor) for actor in self.actors}
        self.minted = self.eco.token.totalSupply()
        self.tasks: dict[int, GhostTask] = {}
        self.claims: dict[int, GhostClaim] = {}
        self.free: Counter[str] = Counter(dict.fromkeys(self.actors, 400))
        self.unbonding: Counter[str] = Counter()
        self.ready_at: Counter[str] = Counter()
        self.owed: Counter[str] = Counter()
        self.burned = 0

    def teardown(self) -> None:
        self.check_states()
        self.anchor.__exit__(None, None, None)

    def attempt(self, name: str, is_allowed: bool, call: Callable[[], Any]) -> bool:
        """Make the call; it must do what the ghost says. True where it went through."""
        try:
            call()
        except boa.BoaError as error:
            assert not is_allowed, f"{name} was refused: {error}"
            self.met[f"{name} refused"] += 1
            return False
        assert is_allowed, f"{name} was not refused"
        self.met[name] += 1
        return True

    def get_task(self, random: Random, wanted: int) -> tuple[int, GhostTask]:
        """Mostly one in the wanted state, where there is one, sometimes any."""
        likely = [key for key, task in self.tasks.items() if task.status == wanted]
        task_id = choose(random, likely, len(self.tasks))
        return task_id, self.tasks[task_id]

    def get_claim(self, random: Random, likely: list[int]) -> tuple[int, GhostClaim, GhostTask]:
        claim_id = choose(random, likely, len(self.claims))
        claim = self.claims[claim_id]
        return claim_id, claim, self.tasks[claim.task_id]

    def choose_account(self, random: Random, entitled: str | None) -> str:
        """Mostly the one that may."""
        return entitled if entitled and random.randrange(4) else random.choice(self.actors)

    def reopen(self, task: GhostTask) -> None:
        task.status, task.worker, task.posted_at = eco.POSTED, None, boa.env.timestamp

    @rule(seed=st.integers(0, 2**64 - 1))
    def act(self, seed: int) -> None:
        """One rule for all actions: of several, hypothesis leaves some out of most runs."""
        random = Random(seed)
        getattr(self, random.choice(ACTIONS))(random)

    # Stake.

    def deposit(self, random: Random) -> None:
        account, amount = random.choice(self.actors), random.randint(1, 300)
        can = self.eco.token.balanceOf(account) >= amount
        deposit = self.eco.vault.deposit
        if self.attempt("deposit", can, lambda: deposit(account, amount, sender=account)):
            self.free[account] += amount

    def request_withdrawal(self, random: Random) -> None:
        account, amount = random.choice(self.actors), random.randint(1, 200)
        request = self.eco.vault.request_withdrawal
        caller = random.choice([account, self.payouts[account], *self.actors])
        can = self.free[account] >= amount and caller in (account, self.payouts[account])
        if self.attempt("request_withdrawal", can, lambda: request(account, amount, sender=caller)):
            self.free[account] -= amount
            self.unbonding[account] += amount
            self.ready_at[account] = boa.env.timestamp + eco.UNBONDING_SECONDS

    def withdraw_stake(self, random: Random) -> None:
        account = random.choice(self.actors)
        can = self.unbonding[account] > 0 and boa.env.timestamp >= self.ready_at[account]
        call = self.eco.vault.withdraw
        if self.attempt("withdraw_stake", can, lambda: call(account)):
            self.unbonding[account] = 0

    def withdraw_reward(self, random: Random) -> None:
        account = random.choice([*self.actors, *self.payouts.values()])
        call = self.eco.splitter.withdraw
        if self.attempt("withdraw_reward", self.owed[account] > 0, lambda: call(account)):
            self.owed[account] = 0

    # Tasks.

    def post(self, random: Random) -> None:
        account, beneficiary = random.choice(self.actors), random.choice(self.actors)
        least, now = random.randint(1, 600), boa.env.timestamp
        lease_seconds = random.choice([500, 5_000])
        offer = eco.Offer(
            min_reward=least,
            max_reward=least + random.randint(0, 400),
            auction_seconds=random.choice([0, 300, 5_000]),
            audit_budget=random.choice([0, 0, 30, 300]),
            stake=random.randint(10, 150),
            lease_seconds=lease_seconds,
            heartbeat_seconds=random.choice([300, lease_seconds]),
            expiry=now + random.choice([1_000, 50_000]),
        )
        points = random.choice([0, 1, 3_333, 9_999])
        shares = [(beneficiary, points)] if points else []
        arguments = (self.eco.terms.as_tuple(), astuple(offer), shares)
        can = self.eco.token.balanceOf(account) >= offer.max_reward + offer.audit_budget
        if self.attempt("post", can, lambda: self.eco.escrow.post(*arguments, sender=account)):
            self.tasks[len(self.tasks) + 1] = GhostTask(
                offer, offer.audit_budget, now, beneficiary, points, account
            )

    def assign(self, random: Random) -> None:
        if not self.tasks:
            return
        task_id, task = self.get_task(random, eco.POSTED)
        account, now, offer = random.choice(self.actors), boa.env.timestamp, task.offer
        price = compute_reward(
            offer.min_reward, offer.max_reward, offer.auction_seconds, now - task.posted_at
        )
        asked = price + random.choice([0, 0, 0, 1])
        can = task.status == eco.POSTED and now <= offer.expiry and asked == price
        can = can and account not in task.had_lease and self.free[account] >= offer.stake
        arguments = (task_id, self.eco.digest_of(task_id), asked)
        if self.attempt("assign", can, lambda: self.eco.escrow.assign(*arguments, sender=account)):
            self.free[account] -= offer.stake
            task.status, task.worker, task.reward = eco.ASSIGNED, account, price
            task.lease_end, task.progress = now + offer.lease_seconds, 0
            task.heartbeat_end = now + offer.heartbeat_seconds

    def report_progress(self, random: Random) -> None:
        if not self.tasks:
            return
        task_id, task = self.get_task(random, eco.ASSIGNED)
        account, now = self.choose_account(random, task.worker), boa.env.timestamp
        segments = task.progress + random.choice([0, 1, 1, 2])
        can = task.status == eco.ASSIGNED and account == task.worker and now <= task.heartbeat_end
        can = can and task.progress < segments <= self.eco.terms.segments
        arguments = (task_id, segments, bytes(32))
        report = self.eco.escrow.report_progress
        if self.attempt("report_progress", can, lambda: report(*arguments, sender=account)):
            task.progress = segments
            task.heartbeat_end = min(now + task.offer.heartbeat_seconds, task.lease_end)

    def end_lease(self, random: Random) -> None:
        name = random.choice(["claim", "claim", "claim", "abandon"])
        if not self.tasks:
            return
        task_id, task = self.get_task(random, eco.ASSIGNED)
        account = self.choose_account(random, task.worker)
        can = task.status == eco.ASSIGNED and account == task.worker
        now = boa.env.timestamp
        if name == "claim":
            can = can and now <= task.heartbeat_end
            if self.attempt(name, can, lambda: self.eco.claim(task_id, account)):
                deadline = now + eco.WINDOW_SECONDS
                self.claims[len(self.claims) + 1] = GhostClaim(task_id, account, deadline)
                task.status = eco.CLAIMED
        elif self.attempt(name, can, lambda: self.eco.escrow.abandon(task_id, sender=account)):
            self.free[account] += task.offer.stake
            task.had_lease.add(account)
            self.reopen(task)

    def expire_lease(self, random: Random) -> None:
        if not self.tasks:
            return
        task_id, task = self.get_task(random, eco.ASSIGNED)
        can = task.status == eco.ASSIGNED and boa.env.timestamp > task.heartbeat_end
        if self.attempt("expire_lease", can, lambda: self.eco.escrow.expire_lease(task_id)):
            assert task.worker is not None
            self.free[task.worker] += task.offer.stake
            task.had_lease.add(task.worker)
            self.reopen(task)

    def cancel(self, random: Random) -> None:
        if not self.tasks:
            return
        task_id, task = self.get_task(random, eco.POSTED)
        account = self.choose_account(random, task.submitter)
        can = task.status == eco.POSTED and account == task.submitter
        if self.attempt("cancel", can, lambda: self.eco.escrow.cancel(task_id, sender=account)):
            task.status, task.budget = eco.CANCELLED, 0

    def expire(self, random: Random) -> None:
        if not self.tasks:
            return
        task_id, task = self.get_task(random, eco.POSTED)
        can = task.status == eco.POSTED and boa.env.timestamp > task.offer.expiry
        if self.attempt("expire", can, lambda: self.eco.escrow.expire(task_id)):
            task.status, task.budget = eco.EXPIRED, 0

    def finalise(self, random: Random) -> None:
        if not self.claims:
            return
        likely = [key for key, claim in self.claims.items() if claim.open_games == 0]
        claim_id, claim, task = self.get_claim(random, likely)
        can = claim.status == eco.CLAIM_PENDING and claim.open_games == 0
        can = can and boa.env.timestamp > claim.deadline
        if self.attempt("finalise", can, lambda: self.eco.escrow.finalise(claim_id)):
            claim.status, task.status = eco.CLAIM_FINALISED, eco.FINALISED
            self.free[claim.worker] += task.offer.stake
            part = task.reward * task.basis_points // 10_000
            assert task.beneficiary is not None
            self.owed[task.beneficiary] += part
            self.owed[self.payouts[claim.worker]] += task.reward - part
            self.owed[task.submitter] += task.escrowed - task.reward
            task.budget = 0

    # Games.

    def play(self, random: Random) -> None:
        name = random.choice(["opened", "opened", "lost", "worker", "dropped", "dropped"])
        if not self.claims:
            return
        wanted = eco.CLAIM_SLASHED if name == "dropped" else eco.CLAIM_PENDING
        likely = [
            key
            for key, claim in self.claims.items()
            if claim.status == wanted and (name == "opened" or claim.open_games)
        ]
        claim_id, claim, task = self.get_claim(random, likely)
        challenger = random.choice(self.actors)
        is_pending = claim.status == eco.CLAIM_PENDING
        if name == "opened":
            can = is_pending and boa.env.timestamp <= claim.deadline
            call = ("process_game_opened", claim_id)
        elif name == "lost":
            can = is_pending and claim.open_games > 0
            call = ("process_game_lost", claim_id)
        elif name == "worker":
            can = is_pending and claim.open_games > 0
            call = ("process_worker_lost", claim_id, challenger)
        else:
            can = claim.status == eco.CLAIM_SLASHED and claim.open_games > 0
            call = ("process_game_dropped", claim_id)
        if not self.attempt(call[0], can, lambda: self.eco.hook(*call)):
            return
        claim.open_games += 1 if name == "opened" else -1
        if name == "worker":
            claim.status = eco.CLAIM_SLASHED
            self.owed[self.payouts[challenger]] += self.slash(task)
            self.reopen(task)

    def slash(self, task: GhostTask) -> int:
        """What is awarded of the stake."""
        awarded = task.offer.stake * (10_000 - eco.BURNED_BPS) // 10_000
        self.burned += task.offer.stake - awarded
        return awarded

    # Audits and availability.

    def audit(self, random: Random) -> None:
        name = random.choice(["pay_audit", "pay_audit", "default", "unavailable"])
        if not self.claims:
            return
        likely = [key for key, claim in self.claims.items() if claim.status == eco.CLAIM_PENDING]
        claim_id, claim, task = self.get_claim(random, likely)
        is_pending = claim.status == eco.CLAIM_PENDING
        if name == "pay_audit":
            auditor, amount = random.choice(self.actors), random.choice([0, 7, 200])
            paid = min(amount, task.budget)
            assert self.eco.hook("pay_audit", claim_id, auditor, amount) == paid
            task.budget -= paid
            self.owed[self.payouts[auditor]] += paid
            self.met["pay_audit beyond the budget" if paid < amount else "pay_audit"] += 1
        elif name == "default":
            call = ("process_audit_default", claim_id)
            if self.attempt(call[0], is_pending, lambda: self.eco.hook(*call)):
                claim.status = eco.CLAIM_SLASHED
                task.budget += self.slash(task)
                self.reopen(task)
        else:
            can, call = is_pending and claim.open_games == 0, ("process_unavailable", claim_id)
            if self.attempt(call[0], can, lambda: self.eco.hook(*call)):
                claim.status = eco.CLAIM_VOID
                self.free[claim.worker] += task.offer.stake
                self.reopen(task)

    def pass_time(self, random: Random) -> None:
        boa.env.time_travel(seconds=random.choice([1, 100, 601, 3_600]))

    def donate(self, random: Random) -> None:
        """Tokens that nobody asked for must not confuse the books."""
        to = random.choice(["vault", "escrow", "splitter"])
        account = random.choice(self.actors)
        if self.eco.token.balanceOf(account):
            self.eco.token.transfer(getattr(self.eco, to), 1, sender=account)
            self.met["donate"] += 1

    # What must hold, at the end and after every step.

    def check_states(self) -> None:
        for task_id, task in self.tasks.items():
            found = self.eco.escrow.task_of(task_id)
            assert (found.status, found.audit_budget) == (task.status, task.budget)
        for claim_id, claim in self.claims.items():
            found = self.eco.escrow.claim_of(claim_id)
            assert (found.status, found.open_games) == (claim.status, claim.open_games)

    @invariant()
    def money_is_where_the_ghost_says(self) -> None:
        e = self.eco
        live = [task for task in self.tasks.values() if task.status in LIVE]
        locked: Counter[str] = Counter()
        for task in live:
            if task.worker is not None:
                locked[task.worker] += task.offer.stake
        staked = self.free.total() + self.unbonding.total() + locked.total()
        assert e.escrow.total_escrowed() == sum(task.escrowed for task in live)
        assert e.vault.total_staked() == staked
        assert e.splitter.total_owed() == self.owed.total()

        accounts = [*self.actors, *self.payouts.values()]
        holders = [e.escrow, e.vault, e.splitter, eco.BURN_ADDRESS, *accounts]
        balances = [e.token.balanceOf(holder) for holder in holders]
        assert balances[0] >= e.escrow.total_escrowed()  # E1
        assert balances[1] >= e.vault.total_staked()  # V1
        assert balances[2] >= e.splitter.total_owed()  # R1
        assert balances[3] == self.burned
        assert sum(balances) == self.minted  # E3
        for account in accounts:
            assert e.splitter.owed_to(account) == self.owed[account]
        for account in self.actors:
            assert e.vault.free_of(account) == self.free[account]
            assert e.vault.unbonding_of(account) == self.unbonding[account]
            assert e.vault.locked_of(account) == locked[account]


MET = [
    "deposit",
    "request_withdrawal",
    "withdraw_stake",
    "withdraw_reward",
    "post",
    "assign",
    "claim",
    "abandon",
    "expire_lease",
    "cancel",
    "expire",
    "finalise",
    "process_game_opened",
    "process_game_lost",
    "process_worker_lost",
    "process_game_dropped",
    "report_progress",
    "process_audit_default",
    "process_unavailable",
]
PAYMENTS = ["donate", "pay_audit", "pay_audit beyond the budget"]


def test_economy__any_sequence_of_calls__is_solvent():
    EconomyMachine.met.clear()
    run_state_machine_as_test(
        EconomyMachine, settings=settings(max_examples=12, stateful_step_count=200)
    )
    met = EconomyMachine.met
    missed = [name for name in (*MET, *PAYMENTS) if not met[name]]
    refusals_missed = [name for name in MET[1:] if not met[f"{name} refused"] and name != "post"]
    assert not missed and not refusals_missed, (missed, refusals_missed, met)
