"""One sequence of calls with all its checks, and the counters of what was met."""

from collections import Counter

import boa

from protocol.game import Outcome
from tests.property.economy.checks import Checks
from tests.property.economy.deployment import World
from tests.property.economy.driver import Call, Driver
from tests.property.economy.ghost.audits import AuditStatus
from tests.property.economy.ghost.market import ClaimStatus, TaskStatus
from tests.property.economy.player import Player

WHOLE_CHECK_STEPS = 100  # everything is compared after as many steps, and at the end


class Session:
    """A world of its own, until it is closed."""

    def __init__(
        self, world: World, seed: int, seen: Counter[str], wanted: frozenset[str] = frozenset()
    ):
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.driver = Driver(world.branch())
        self.player = Player(self.driver, seed, seen, wanted)
        self.checks = Checks(self.driver)
        self.ghost = self.driver.ghost
        for call in self.player.prepare():
            assert self.driver.do(call), call

    @property
    def met(self) -> Counter[str]:
        return self.driver.met

    def step(self) -> None:
        call = self.player.propose()
        if call is None:
            return
        self.checks.told.clear()
        before = set(self.ghost.escrow.claims)
        self.driver.do(call)
        self._note_states()
        self._check(call, before)

    def _check(self, call: Call, before: set[int]) -> None:
        if self.driver.steps % WHOLE_CHECK_STEPS == 0:
            self.checks.check_all()
            return
        ghost, checks = self.ghost, self.checks
        accounts, tasks = {call.sender}, set[int]()
        claims = set(ghost.escrow.claims) - before
        for argument in call.arguments[:2]:
            if isinstance(argument, str) and argument.startswith("0x"):
                accounts.add(argument)
        first = call.arguments[0] if call.arguments else None
        if isinstance(first, int):
            if call.contract in ("lottery", "availability", "beacon", "game"):
                claims.add(first)
            else:
                tasks.add(first)
                claims.add(first)
        for event in ghost.events:
            accounts.update(
                v for v in event.fields.values() if isinstance(v, str) and v[:2] == "0x"
            )
            tasks.update(v for k, v in event.fields.items() if k == "task_id")
            claims.update(v for k, v in event.fields.items() if k == "claim_id")
            if "game_id" in event.fields:
                checks.check_game(event.fields["game_id"])
        known = {claim for claim in claims if claim in ghost.escrow.claims}
        tasks |= {ghost.escrow.claims[claim].task_id for claim in known}
        checks.check_near(accounts, tasks & ghost.escrow.tasks.keys(), known)

    def _note_states(self) -> None:
        """States that the last call has reached."""
        ghost, met = self.ghost, self.met
        for event in ghost.events:
            values = event.fields
            if "task_id" in values and values["task_id"] in ghost.escrow.tasks:
                task = ghost.escrow.tasks[values["task_id"]]
                met[f"task {TaskStatus(task.status).name}"] += 1
            if "claim_id" in values and values["claim_id"] in ghost.escrow.claims:
                claim = ghost.escrow.claims[values["claim_id"]]
                met[f"claim {ClaimStatus(claim.status).name}"] += 1
            if event.name == "GameEnded":
                met[f"game {Outcome(values['outcome']).name}"] += 1
            if event.name == "AuditSettled":
                met[f"audit {AuditStatus(values['status']).name}"] += 1
            if event.name == "AuditRevealed" and not values["matches"]:
                met["audit MISMATCHED"] += 1
            if event.name == "ServedAgain":
                met[f"round {values['round']}"] += 1
            if event.name == "ClaimSlashed" and claim.open_games:
                met["slashed with games open"] += 1

    def close(self, check: bool = True) -> None:
        try:
            if check:
                self.checks.check_all()
        finally:
            self.anchor.__exit__(None, None, None)


def play(
    world: World, seed: int, steps: int, seen: Counter[str], wanted: frozenset[str]
) -> Counter[str]:
    """A sequence of that length that looks for what is wanted; what it has met."""
    session = Session(world, seed, seen, wanted)
    is_sound = False
    try:
        for _ in range(steps):
            session.step()
        is_sound = True
    finally:
        session.close(check=is_sound)
    return session.met
