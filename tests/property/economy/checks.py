"""What must hold after every call: every view as the model has it, and the invariants of money.

`check_views` compares what the contracts say with the model. The invariants are about the
contracts alone (their ids are those of protocol/INVARIANTS.md), so that a mistake that both have
in common is found as well.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.property.economy.driver import Difference, Driver, simplify
from tests.property.economy.ghost import Refused
from tests.property.economy.ghost.base import BURN_ADDRESS, ZERO_ADDRESS
from tests.property.economy.ghost.market import LIVE, ClaimStatus, TaskStatus

HOLDERS = {
    "escrow": "total_escrowed",  # E1
    "vault": "total_staked",  # V1
    "splitter": "total_owed",  # R1
    "game": "total_held",  # G6
}
# After every call, of those that it can have touched.
MONEY_VIEWS = [
    ("token", "balanceOf"),
    ("vault", "free_of"),
    ("vault", "locked_of"),
    ("vault", "unbonding_of"),
    ("splitter", "owed_to"),
    ("game", "owed_to"),
]
# The others, now and then.
ACCOUNT_VIEWS = [
    *MONEY_VIEWS,
    ("registry", "node_of"),
    ("registry", "record_of"),
    ("registry", "is_worker"),
    ("registry", "is_auditor"),
    ("registry", "payout_of"),
    ("registry", "is_retired"),
    ("vault", "ready_at"),
    ("lottery", "stake_of"),
    ("lottery", "active_from"),
    ("lottery", "unsettled_of"),
]
TASK_VIEWS = [
    ("escrow", "terms_of"),
    ("escrow", "offer_of"),
    ("escrow", "task_of"),
    ("escrow", "price_of"),
    ("splitter", "split_of"),
    ("lottery", "reserved_of"),
]
CLAIM_VIEWS = [
    ("escrow", "claim_of"),
    ("escrow", "subject_of"),
    ("availability", "question_of"),
    ("availability", "is_settled"),
    ("beacon", "seed_of"),
]
CLAIM_ACCOUNT_VIEWS = [
    ("lottery", "audit_of"),
    ("availability", "may_attest"),
    ("game", "game_id_of"),
]


class Checks:
    """The views and invariants of one sequence of calls."""

    def __init__(self, driver: Driver):
        self.driver, self.ghost = driver, driver.ghost
        self.actors = list(driver.world.actors.values())
        self.accounts = [*self.actors, *driver.addresses.values(), BURN_ADDRESS]
        self.told: dict[tuple[Any, ...], Any] = {}  # since the last call

    def ask(self, *question: Any) -> Any:
        """What a contract says, or the reasons of its refusal."""
        if question not in self.told:
            try:
                self.told[question] = self.driver.ask(*question)
            except Refused as refusal:
                self.told[question] = refusal.reasons
        return self.told[question]

    def compare(self, contract: str, view: str, *arguments: Any) -> Any:
        """The contract's answer, which must be the model's."""
        expected: Any
        try:
            expected = simplify(getattr(getattr(self.ghost, contract), view)(*arguments))
        except Refused as refusal:
            expected = refusal.reasons
        answer = self.ask(contract, view, *arguments)
        if answer != expected:
            raise Difference(f"{contract}.{view}{arguments} is {answer} instead of {expected}")
        return answer

    def _compare_all(self, views: list[tuple[str, str]], *arguments: Any) -> None:
        for contract, view in views:
            self.compare(contract, view, *arguments)

    # Parts of the state.

    def check_totals(self) -> None:
        """Solvency: nobody owes more than it holds."""
        for holder, total in HOLDERS.items():
            owed = self.compare(holder, total)
            held = self.compare("token", "balanceOf", self.driver.addresses[holder])
            assert held >= owed, f"{holder} holds {held} and owes {owed}"
        for contract, count in [
            ("escrow", "task_count"),
            ("escrow", "claim_count"),
            ("game", "game_count"),
            ("lottery", "total_stake"),
        ]:
            self.compare(contract, count)

    def check_account(self, account: str) -> None:
        self._compare_all(ACCOUNT_VIEWS, account)
        self.compare("vault", "lock_of", self.driver.addresses["lottery"], int(account, 16))

    def check_task(self, task_id: int) -> None:
        self._compare_all(TASK_VIEWS, task_id)
        self.compare("vault", "lock_of", self.driver.addresses["escrow"], task_id)
        if hasattr(self.ghost.beacon, "link_of"):
            self.compare("beacon", "link_of", task_id)
        terms = self.ghost.escrow.terms[task_id]
        least = self.ask("escrow", "minimums_of", simplify(terms))
        assert least == self.ghost.escrow.minimums_of(terms), (terms, least)
        self._check_lock(task_id)

    def _check_lock(self, task_id: int) -> None:
        """V3: a task that somebody works on has one lock, of its stake and its worker."""
        ask = self.ask
        status, worker = (ask("escrow", "task_of", task_id)[i] for i in (1, 5))
        stake = ask("escrow", "offer_of", task_id)[5]
        lock = ask("vault", "lock_of", self.driver.addresses["escrow"], task_id)
        is_taken = status in (TaskStatus.ASSIGNED, TaskStatus.CLAIMED)
        assert lock == ((worker, stake) if is_taken else (ZERO_ADDRESS, 0)), (task_id, lock)

    def check_claim(self, claim_id: int) -> None:
        self._compare_all(CLAIM_VIEWS, claim_id)
        self._check_draw(claim_id)
        if hasattr(self.ghost.beacon, "target_of"):
            self.compare("beacon", "target_of", claim_id)
        segments = {s for key, s in self.ghost.lottery.leaves if key == claim_id}
        for segment in {0, *segments}:
            self.compare("lottery", "leaf_of", claim_id, segment)

    def _check_draw(self, claim_id: int) -> None:
        if claim_id in self.ghost.lottery.draws:
            self.compare("lottery", "draw_of", claim_id)
        else:
            # Without a draw only the seed means something.
            assert self.ask("lottery", "draw_of", claim_id)[0] == bytes(32)

    def check_claim_account(self, claim_id: int, account: str) -> None:
        self._compare_all(CLAIM_ACCOUNT_VIEWS, claim_id, account)
        task_id = self.ghost.escrow.claims[claim_id].task_id
        self.compare("escrow", "had_lease", task_id, account)
        for widening in range(self.ghost.availability.max_rounds):
            self.compare("lottery", "is_drawn", claim_id, account, widening)
        self.compare("lottery", "stretch_of", claim_id, account)

    def check_game(self, game_id: int) -> None:
        self.compare("game", "deadline_of", game_id)
        position = self.ghost.game.entries[game_id].position
        told = self.ask("game", "game_of", game_id)
        stage, outcome, move = told[4], told[6], told[7]
        assert (stage, outcome, move) == (position.stage, position.outcome, position.move)

    # Everything.

    def check_all(self) -> None:
        self.told.clear()
        self.check_totals()
        self.check_sums()
        for account in self.accounts:
            self.check_account(account)
        for unknown in (0, len(self.ghost.escrow.tasks) + 1):
            self._compare_all(TASK_VIEWS, unknown)
        for task_id in self.ghost.escrow.tasks:
            self.check_task(task_id)
        self.compare("escrow", "claim_of", len(self.ghost.escrow.claims) + 1)
        for claim_id in self.ghost.escrow.claims:
            self.check_claim(claim_id)
            # One of these takes all views of a claim and an account in turn.
            account = self.actors[(self.driver.steps + claim_id) % len(self.actors)]
            self.check_claim_account(claim_id, account)
        for game_id in self.ghost.game.entries:
            self.check_game(game_id)

    def check_sums(self) -> None:
        """E2, E3, V2, R3, L6: what is told of the whole is the sum of what is told of the parts."""
        self._check_token()
        self._check_tasks()
        self._check_stakes()
        owed = sum(self.ask("splitter", "owed_to", a) for a in self.accounts)
        assert self.ask("splitter", "total_owed") == owed

    def _sum(self, contract: str, view: str) -> int:
        return sum(self.ask(contract, view, account) for account in self.accounts)

    def _check_token(self) -> None:
        assert self._sum("token", "balanceOf") == self.driver.world.minted

    def _check_tasks(self) -> None:
        ask, escrowed = self.ask, 0
        for task_id in range(1, ask("escrow", "task_count") + 1):
            task = ask("escrow", "task_of", task_id)
            if TaskStatus(task[1]) in LIVE:
                escrowed += ask("escrow", "offer_of", task_id)[1] + task[4]
                assert task[4] >= ask("lottery", "reserved_of", task_id)  # L3
            else:
                assert task[4] == 0, f"task {task_id} has ended and keeps a budget"
        assert ask("escrow", "total_escrowed") == escrowed
        self._check_life(ask("escrow", "claim_count"))

    def _check_life(self, claims: int) -> None:
        """E4, E5: one claim of a task is pending or finalised, and no more games than are open."""
        ask, current = self.ask, Counter[int]()
        for claim_id in range(1, claims + 1):
            claim = ask("escrow", "claim_of", claim_id)
            if claim[7] in (ClaimStatus.PENDING, ClaimStatus.FINALISED):
                current[claim[0]] += 1
                assert ask("escrow", "task_of", claim[0])[10] == claim_id
            games = [e for e in self.ghost.game.entries.values() if e.claim_id == claim_id]
            assert claim[6] == sum(not e.position.outcome for e in games)
        assert all(count == 1 for count in current.values()), current

    def _check_stakes(self) -> None:
        parts = sum(self._sum("vault", f"{part}_of") for part in ("free", "locked", "unbonding"))
        assert self.ask("vault", "total_staked") == parts
        assert self.ask("lottery", "total_stake") == self._sum("lottery", "stake_of")
        for account in self.actors:
            stake = self.ask("lottery", "stake_of", account)
            lottery = self.driver.addresses["lottery"]
            lock = self.ask("vault", "lock_of", lottery, int(account, 16))
            assert lock == ((account, stake) if stake else (ZERO_ADDRESS, 0))
            unsettled = self.ask("lottery", "unsettled_of", account)
            assert stake >= unsettled * self.ghost.lottery.limits.penalty  # L4

    def check_near(
        self, accounts: Iterable[str], tasks: Iterable[int], claims: Iterable[int]
    ) -> None:
        """What one call can have touched, and the totals."""
        self.told.clear()
        self.check_totals()
        for account in sorted(set(accounts)):
            self._compare_all(MONEY_VIEWS, account)
        for task_id in sorted(set(tasks)):
            self.compare("escrow", "task_of", task_id)
            self._check_lock(task_id)
        for claim_id in sorted(set(claims)):
            self.compare("escrow", "claim_of", claim_id)
