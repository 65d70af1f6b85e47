"""Chooses what happens next: a sequence that reaches every state and crosses every border.

Mostly a call that the state asks for, so that tasks, audits and games get to their ends; else any
function about any entity in any state, a call with one thing wrong, a hook, or time that passes,
preferably to the last second of something or the first after it.
"""

import pickle
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any

from protocol.game import Stage, compute_deadline
from tests.property.economy.actions import FREE_LOCKS, HOOKS, Builder
from tests.property.economy.coverage import find_functions
from tests.property.economy.driver import Call, Driver
from tests.property.economy.ghost import Ghost, Refused
from tests.property.economy.ghost.audits import UNSETTLED, AuditStatus
from tests.property.economy.ghost.ledger import AUDITOR, WORKER
from tests.property.economy.ghost.market import LIVE, ClaimStatus, TaskStatus

Build = Callable[[], Call | None]
Builds = list[Build]
Choice = tuple[float, Build]
Border = tuple[int, Builds]
LIVE_TASKS = 3  # as many are kept going
OLD_ENTITIES = 6  # calls about entities go to one of the latest

TASK_FUNCTIONS = "assign report_progress abandon expire_lease claim cancel expire".split()
CLAIM_FUNCTIONS = """
    finalise open draw commit open_leaf reveal declare_default settle attest serve_again void
""".split()
ACCOUNT_FUNCTIONS = """
    register retire set_payout deposit request_withdrawal withdraw_stake withdraw_reward
    withdraw_bond join leave post post_badly donate hook hook hook hook hook
""".split()


STAKES = (45, 60, 75, 90)  # of the auditors: some have the penalty for one audit only
CANDIDATES = 10  # of which the rarest is tried

# What a sequence gives its time to, by what is wanted.
AREAS = {
    "audit": "audits",
    "lottery": "audits",
    "availability": "audits",
    "game": "games",
    "clock": "games",
    "lottery: no audit budget": "",  # who looks for audits pays for them
}

# Builders of a function, where they are not called as it is.
ALIASES = {
    "withdraw": ["withdraw_stake", "withdraw_reward", "withdraw_bond"],
    "post": ["post", "post_badly"],
    **{function: ["hook"] for _, function in HOOKS},
}
# Calls that lead to a state which no call is named after.
WAYS = {"audit RELEASED": {"game.open", "lottery.commit", "game.timeout", "lottery.settle"}}
# What a contract of the economy calls only in the middle of its own calls. Where one goes through
# by itself, only a test can have made it.
HOOKS_INSIDE = {function for _, function in HOOKS}


def is_silent(who: str, claim_id: int) -> bool:
    """Some do not do what they owe about a claim."""
    return sha256(f"{who} {claim_id}".encode()).digest()[0] < 90


class Player:
    """Chooses by its random numbers and by what was met before, `seen` by earlier sequences.

    What is `wanted` comes before all that is rare.
    """

    def __init__(
        self, driver: Driver, seed: int, seen: Counter[str], wanted: frozenset[str] = frozenset()
    ):
        self.driver, self.ghost, self.seed, self.seen = driver, driver.ghost, seed, seen
        self.wanted = wanted.union(*(WAYS[name] for name in wanted if name in WAYS))
        names = {name.split(":")[0].partition(".")[2] for name in self.wanted}
        names = names.union(*map(find_functions, wanted))
        self.wanted_functions = {alias for name in names for alias in ALIASES.get(name, [name])}
        self.at_border: Build | None = None  # what is tried next
        self.random = Random(seed)
        is_late = "lottery: reveal window closed" in wanted
        self.are_reveals_late = is_late and self.random.random() < 0.5
        self.builder = Builder(driver, self.random)
        areas = sorted(
            {AREAS.get(name, AREAS.get(re.split("[ .:]", name)[0], "")) for name in wanted}
        )
        if any(areas):
            self.builder.focus = self.random.choice(areas)

    def prepare(self) -> list[Call]:
        """Nodes that are registered and have stake: where every sequence begins."""
        calls = []
        are_auditors_late = self.random.random() < 0.2 or "lottery: no auditors" in self.wanted
        for name, actor in self.builder.actors.items():
            roles = {"worker": WORKER, "auditor": AUDITOR}.get(name.split("_")[0])
            if name == "auditor_3":
                roles = WORKER | AUDITOR
            if roles is None:
                continue
            payout = self.builder.actors["payout_" + name[-1]]
            values = (roles, b"cpu".ljust(32, b"\0"), bytes(32), payout, "")
            calls.append(Call(actor, "registry", "register", values))
            calls.append(Call(actor, "vault", "deposit", (actor, 2_000)))
            if roles & AUDITOR and not are_auditors_late:
                calls.append(Call(actor, "lottery", "join", (STAKES[int(name[-1])],)))
        return calls

    def propose(self) -> Call | None:
        """The next call, or nothing where time has passed."""
        if self.at_border is not None:
            build, self.at_border = self.at_border, None
            return build()
        chance = self.random.random()
        if chance < 0.12:
            self.pass_time()
            return None
        if chance < 0.6:
            call = self.propose_due()
            if call is None:
                self.pass_time()
            return call
        return self.propose_rare()

    def propose_rare(self) -> Call | None:
        """Of some calls, legal and illegal, the one whose outcome is the rarest so far."""
        state = pickle.dumps(self.ghost)
        best: Call | None = None
        rarest: tuple[int, bytes] | None = None
        ghost = pickle.loads(state)
        for _ in range(CANDIDATES):
            is_due = self.random.random() < 0.4
            call = self.propose_due() if is_due else self.propose_any()
            if call is None:
                continue
            if is_due or self.random.random() < 0.3:
                call = self.spoil(call)
            rank, has_changed = self._foresee(ghost, call)
            if has_changed:
                ghost = pickle.loads(state)
            if rank is not None and (rarest is None or rank < rarest):
                best, rarest = call, rank
        return best

    def _foresee(self, ghost: Ghost, call: Call) -> tuple[tuple[int, bytes] | None, bool]:
        """How often the outcome was met (nothing: nobody can make the call), and if it changed."""
        is_hook = call.function in HOOKS_INSIDE
        try:
            self.driver.foresee(ghost, call)
        except Refused as refusal:
            # Where several reasons apply, which one is given is not promised.
            ranks = [self._rank(f"{call.name}: {reason}", reason) for reason in refusal.reasons]
            return (-1, b"") if f"{call.name} refused" in self.wanted else max(ranks), False
        is_fooled = is_hook and not self._is_harmless(call)
        return None if is_fooled else self._rank(call.name, call.name), True

    def _is_harmless(self, call: Call) -> bool:
        """Hooks that the test may call in a contract's place, because nothing relies on them."""
        if call.function == "pay_audit":
            # Of a task without open audits: none can be promised the budget that this takes.
            claim = self.ghost.escrow.claims[call.arguments[0]]
            status = self.ghost.escrow.tasks[claim.task_id].status
            is_quiet = self.ghost.lottery.reserved_of(claim.task_id) == 0
            return is_quiet and status != TaskStatus.CLAIMED
        is_free = call.contract == "vault" and call.arguments[0] == FREE_LOCKS
        return is_free and call.sender == self.driver.addresses["escrow"]

    def _rank(self, outcome: str, name: str) -> tuple[int, bytes]:
        """Of outcomes that are as rare every sequence prefers others."""
        if name in self.wanted or outcome in self.wanted:
            return -1, b""
        preference = sha256(f"{self.seed} {outcome}".encode()).digest()
        return self.driver.met[outcome] + self.seen[outcome], preference

    # What the state asks for.

    def propose_due(self) -> Call | None:
        choices = [*self._get_money(), *self._get_posts()]
        for task_id, task in self.ghost.escrow.tasks.items():
            if task.status in LIVE:
                choices += self._get_task(task_id)
        for claim_id in self.ghost.escrow.claims:
            choices += self._get_claim(claim_id)
        for game_id, entry in self.ghost.game.entries.items():
            if entry.position.stage is not Stage.ENDED:
                choices += self._get_game(game_id)
        if not choices:
            return None
        weights = [weight for weight, _ in choices]
        return self.random.choices(choices, weights)[0][1]()

    def _get_money(self) -> list[Choice]:
        b, choices = self.builder, list[Choice]()
        for account, owed in self.ghost.splitter.owed.items():
            if owed:
                choices.append((0.1, lambda a=account: b.withdraw_reward(a)))
        for account, owed in self.ghost.game.owed.items():
            if owed:
                choices.append((0.1, lambda a=account: b.withdraw_bond(a)))
        for account, ready in self.ghost.vault.ready.items():
            if 0 < ready <= self.driver.now:
                choices.append((0.3, lambda a=account: b.withdraw_stake(a)))
            if ready and account in self.ghost.registry.nodes:
                choices.append((0.3, lambda a=account: b.request_withdrawal(a, 1)))
        nodes = list(self.ghost.registry.nodes)
        choices.append((0.1, lambda: b.request_withdrawal(self.random.choice(nodes), 1)))
        return choices

    def _get_posts(self) -> list[Choice]:
        live = sum(task.status in LIVE for task in self.ghost.escrow.tasks.values())
        return [(1.5 if live < LIVE_TASKS else 0.05, self.builder.post)]

    def _get_task(self, task_id: int) -> list[Choice]:
        b, task, now = self.builder, self.ghost.escrow.tasks[task_id], self.driver.now
        offer = self.ghost.escrow.offers[task_id]
        if task.status == TaskStatus.POSTED:
            choices: list[Choice] = [(0.03, lambda: b.cancel(task_id))]
            if hasattr(self.ghost.beacon, "link_of") and offer.audit_budget:
                if not any(self.ghost.beacon.link_of(task_id)):
                    choices.append((6, lambda: b.commit_link(task_id)))
            if now > offer.expiry:
                return [*choices, (1, lambda: b.expire(task_id))]
            return [*choices, (2, lambda: b.assign(task_id, self._find_worker(task_id)))]
        if task.status == TaskStatus.ASSIGNED:
            if now > task.heartbeat_end:
                return [(1, lambda: b.expire_lease(task_id))]
            return [
                (2, lambda: b.claim(task_id)),
                (0.5, lambda: b.report_progress(task_id)),
                (0.05, lambda: b.abandon(task_id)),
            ]
        return []

    def _find_worker(self, task_id: int) -> str:
        nodes = [
            account
            for account in self.ghost.registry.nodes
            if self.ghost.registry.is_worker(account)
            and not self.ghost.escrow.had_lease(task_id, account)
        ]
        return self.random.choice(nodes) if nodes else self.builder.pick("worker")

    def _get_claim(self, claim_id: int) -> list[Choice]:
        b, claim, now = self.builder, self.ghost.escrow.claims[claim_id], self.driver.now
        choices = self._get_audits(claim_id)
        if claim.status != ClaimStatus.PENDING:
            return choices
        asked = self.ghost.escrow.offers[claim.task_id].attestations
        settled = self.ghost.availability.is_settled(claim_id)
        if now > claim.challenge_deadline:
            is_ripe = claim.open_games == 0 and (settled or not asked)
            choices.append((1 if is_ripe else 0.2, lambda: b.finalise(claim_id)))
        else:
            weight = {"games": 1.5, "audits": 0.3}.get(b.focus, 0.15)
            choices.append((weight, lambda: b.open(claim_id)))
        if asked and not settled:
            choices += self._get_question(claim_id)
        if claim_id not in self.ghost.lottery.draws and claim_id in self.ghost.lottery.totals:
            choices += self._get_draw(claim_id)
        return choices

    def _get_question(self, claim_id: int) -> list[Choice]:
        b, now = self.builder, self.driver.now
        claim = self.ghost.escrow.claims[claim_id]
        submitter = self.ghost.escrow.tasks[claim.task_id].submitter
        question = self.ghost.availability._get(claim_id)
        choices: list[Choice] = [(0.04, lambda: b.attest(claim_id, submitter))]
        for name in ("auditor_0", "auditor_1", "auditor_2", "auditor_3"):
            account = b.actors[name]
            if self.ghost.availability.may_attest(claim_id, account):
                choices.append((0.3, lambda a=account: b.attest(claim_id, a)))
        if now > question.deadline:
            choices.append((1, lambda: b.serve_again(claim_id)))
            if now > claim.challenge_deadline:
                choices.append((0.5, lambda: b.void(claim_id)))
        return choices

    def _get_draw(self, claim_id: int) -> list[Choice]:
        b, beacon = self.builder, self.ghost.beacon
        claim = self.ghost.escrow.claims[claim_id]
        if any(beacon.seed_of(claim_id)):
            is_late = self.driver.now > claim.claimed_at + self.ghost.lottery.draw_seconds()
            return [(0.05 if is_late else 3, lambda: b.draw(claim_id))]
        if hasattr(beacon, "target_of"):
            block = self.ghost.common.block
            if block > beacon.target_of(claim_id) + 256:
                return [(0.3, lambda: b.restart(claim_id))]
            return [(3 if block > beacon.target_of(claim_id) else 0.3, lambda: b.fix(claim_id))]
        return [(3, lambda: b.show(claim_id))]

    def _get_audits(self, claim_id: int) -> list[Choice]:
        b, lottery, now = self.builder, self.ghost.lottery, self.driver.now
        draw = lottery.draws.get(claim_id)
        if draw is None:
            return []
        choices = list[Choice]()
        is_worker_silent = is_silent("worker", claim_id)
        if now <= draw.commit_deadline:
            for name in ("auditor_0", "auditor_1", "auditor_2", "auditor_3"):
                account = b.actors[name]
                if lottery.is_drawn(claim_id, account, 0):
                    if (claim_id, account) not in lottery.audits:
                        choices.append((2, lambda a=account: b.commit(claim_id, a)))
            return choices
        for account, audit in b.get_audits(claim_id).items():
            if audit.status not in UNSETTLED:
                continue
            settling = 0.01 if self.are_reveals_late else 0.4
            choices.append((settling, lambda a=account: b.settle(claim_id, a)))
            is_open = any(lottery.leaf_of(claim_id, audit.segment))
            if now <= draw.open_deadline and not is_open and not is_worker_silent:
                choices.append((3, lambda s=audit.segment: b.open_leaf(claim_id, s)))
            is_owed = audit.status == AuditStatus.COMMITTED and is_open
            is_quiet = self.are_reveals_late or is_silent(account, claim_id)
            if is_owed and now <= draw.reveal_deadline and not is_quiet:
                choices.append((3, lambda a=account: b.reveal(claim_id, a)))
            if now > draw.open_deadline and not is_open:
                choices.append((1, lambda s=audit.segment: b.declare_default(claim_id, s)))
        return choices

    def _get_game(self, game_id: int) -> list[Choice]:
        b, position = self.builder, self.ghost.game.entries[game_id].position
        if position.claim_slashed:
            return [(1, lambda: b.drop(game_id))]
        if self.driver.now > compute_deadline(position):
            return [(1, lambda: b.timeout(game_id))]
        return [(6 if b.focus == "games" else 2, lambda: b.move(game_id))]

    # Anything.

    def propose_any(self) -> Call | None:
        """Any function about any of the latest entities."""
        tasks = list(self.ghost.escrow.tasks)[-OLD_ENTITIES:]
        claims = list(self.ghost.escrow.claims)[-OLD_ENTITIES:]
        games = list(self.ghost.game.entries)[-OLD_ENTITIES:]
        functions = list(ACCOUNT_FUNCTIONS)
        functions += TASK_FUNCTIONS if tasks else []
        functions += CLAIM_FUNCTIONS if claims else []
        functions += ["move", "timeout", "drop"] if games else []
        if hasattr(self.ghost.beacon, "link_of"):
            functions += ["commit_link"] * bool(tasks) + ["show"] * bool(claims)
        else:
            functions += ["fix", "restart"] if claims else []
        searched = [name for name in functions if name in self.wanted_functions]
        function = self.random.choice(functions)
        if searched and self.random.random() < 0.5:
            function = self.random.choice(searched)
        build: Callable[..., Call | None] = getattr(self.builder, function)
        if function in ("move", "timeout", "drop"):
            return build(self.random.choice(games))
        if function in (*TASK_FUNCTIONS, "commit_link"):
            return build(self.random.choice(tasks))
        if function in (*CLAIM_FUNCTIONS, "fix", "restart", "show"):
            return build(self.random.choice(claims))
        return build()

    # One thing wrong.

    def spoil(self, call: Call) -> Call:
        """Another sender, or one argument changed; moves of a game keep theirs."""
        if call.contract == "token":
            return call  # no contract of the economy gives its tokens away
        if self.random.random() < 0.35 or not call.arguments:
            return replace(call, sender=self.builder.pick_anybody())
        arguments = list(call.arguments)
        if call.contract == "game" and len(arguments) == 2:
            arguments[0] = self._spoil_value(arguments[0])
        else:
            place = self.random.randrange(len(arguments))
            arguments[place] = self._spoil_value(arguments[place])
        return replace(call, arguments=tuple(arguments))

    def _spoil_value(self, value: Any) -> Any:
        match value:
            case int():
                return self.random.choice([max(0, value - 1), value + 1, 0, 2**128])
            case bytes() if len(value) == 32:
                return self.random.choice([bytes(32), sha256(value).digest()])
            case tuple() if value and isinstance(value[0], bytes):
                return self.random.choice([value[1:], (*value[:-1], bytes(32))])
            case tuple():
                return value[1:]
            case str() if value.startswith("0x"):
                return self.builder.pick_anybody()
        return value

    # Time.

    def pass_time(self) -> None:
        """To a border: the last second at which something can be done, or the first after it."""
        borders = [border for border in self._get_borders() if border[0] >= self.driver.now]
        target = self.driver.now + self.random.choice([1, 12, 40, 40, 4_000])
        if borders and self.random.random() < 0.75:
            borders.sort(key=lambda border: border[0])
            last, builds = self.random.choice(borders[: self.random.choice([1, 1, 1, 3, 8])])
            target = last + self.random.choice([0, 1])
            if builds and self.random.random() < 0.8:
                self.at_border = self.random.choice(builds)
        self.driver.set_time(max(target, self.driver.now))

    def _get_borders(self) -> list[Border]:
        """Last seconds, with calls that are refused there, or from the next second on."""
        b, ghost, borders = self.builder, self.ghost, list[Border]()
        for account, ready in ghost.vault.ready.items():
            if ready:
                borders.append((ready - 1, [lambda a=account: b.withdraw_stake(a)]))
        for account, start in ghost.lottery.active.items():
            borders.append((start - 1, [lambda a=account: b.leave(a)]))
        for task_id in ghost.escrow.tasks:
            borders += self._get_task_borders(task_id)
        for claim_id in ghost.escrow.claims:
            borders += self._get_claim_borders(claim_id)
        for game_id, entry in ghost.game.entries.items():
            builds = [lambda g=game_id: b.timeout(g), lambda g=game_id: b.move(g)]
            borders.append((compute_deadline(entry.position), builds))
        return borders

    def _get_task_borders(self, task_id: int) -> list[Border]:
        b, task = self.builder, self.ghost.escrow.tasks[task_id]
        offer = self.ghost.escrow.offers[task_id]
        if task.status == TaskStatus.ASSIGNED:
            builds: Builds = [lambda: b.expire_lease(task_id), lambda: b.claim(task_id)]
            return [(task.heartbeat_end, builds)]
        if task.status != TaskStatus.POSTED:
            return []
        worker = self._find_worker(task_id)
        builds = [lambda: b.expire(task_id), lambda: b.assign(task_id, worker)]
        return [(offer.expiry, builds), (task.posted_at + offer.auction_seconds, builds[1:])]

    def _get_claim_borders(self, claim_id: int) -> list[Border]:
        b, ghost, claim = self.builder, self.ghost, self.ghost.escrow.claims[claim_id]
        draw, borders = ghost.lottery.draw_of(claim_id), list[Border]()
        if claim_id in ghost.lottery.draws and b.get_audits(claim_id):
            commit: Builds = [lambda: b.open_leaf(claim_id), lambda: b.commit(claim_id)]
            leaf: Builds = [lambda: b.declare_default(claim_id), lambda: b.open_leaf(claim_id)]
            reveal: Builds = [lambda: b.settle(claim_id), lambda: b.reveal(claim_id)]
            borders.append((draw.commit_deadline, commit))
            borders.append((draw.open_deadline, leaf))
            borders.append((draw.reveal_deadline, reveal))
        if claim.status != ClaimStatus.PENDING:
            return borders
        late: Builds = [lambda: b.finalise(claim_id), lambda: b.open(claim_id)]
        borders.append((claim.challenge_deadline, [*late, lambda: b.void(claim_id)]))
        drawn_until = claim.claimed_at + ghost.lottery.draw_seconds()
        borders.append((drawn_until, [lambda: b.draw(claim_id), lambda: b.attest(claim_id)]))
        if ghost.escrow.offers[claim.task_id].attestations:
            deadline = ghost.availability._get(claim_id).deadline
            serve: Builds = [lambda: b.serve_again(claim_id), lambda: b.void(claim_id)]
            borders.append((deadline, [*serve, lambda: b.attest(claim_id)]))
            borders.append((deadline + ghost.availability.round_seconds, serve))
        return borders
