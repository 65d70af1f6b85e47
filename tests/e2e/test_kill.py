"""Agents are killed at every kind of transaction, and finish what they began all the same."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess

from offchain.chain.anvil import Anvil
from offchain.chain.lottery import AuditStatus, Draw
from offchain.chain.network import connect
from offchain.chain.records import ClaimId, TaskStatus
from offchain.chain.registry import Role
from offchain.demo import acts
from offchain.demo.town import Town, build_town
from protocol.game_state import Outcome
from protocol.types import Seconds
from tests.e2e.agent_process import AFTER, BEFORE, Job, read_diary, run_agent
from tests.small_run import save_small_task

SECONDS_MAX = 600.0  # a minute on an idle machine
WORKER_KINDS = {
    *("allow", "deposit", "assign", "claim"),
    *("reveal", "expand_step", "expand_slot", "expand_operator", "expand_instruction"),
    *("expand_element", "reveal_leaf", "expand_chunk", "prove"),
}
CHALLENGER_KINDS = {"allow", "challenge", "pick", "pick_element", "withdraw"}
# Between a commitment and its disclosure nothing is kept but what the chain knows.
AUDITOR_KINDS = {
    *("allow", "deposit", "join", "fix_beacon", "draw", "commit", "disclose"),
    *("attest", "withdraw"),
}
AUDITED_KINDS = {"allow", "deposit", "assign", "claim", "open_leaf"}


def compute_deaths(**kinds: set[str]) -> set[str]:
    """Once before and once after each kind of transaction of each role."""
    return {
        f"{role} {moment} {kind}"
        for role, names in kinds.items()
        for kind in names
        for moment in (BEFORE, AFTER)
    }


class Household:
    """Processes of agents, each started again whenever it has been killed."""

    def __init__(self, jobs: list[Job]):
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([run_agent.__module__])
        self._running = {job: self._start(job) for job in jobs}
        self.deaths = 0

    def _start(self, job: Job) -> BaseProcess:
        process = self._context.Process(target=run_agent, args=(job,))
        process.start()
        return process

    def revive(self) -> None:
        """Start again whoever has died; an agent never ends by itself."""
        for job, process in self._running.items():
            if process.exitcode is not None:
                assert process.exitcode == -9, f"{job.role} ended with {process.exitcode}"
                self.deaths += 1
                self._running[job] = self._start(job)

    def stop(self) -> None:
        """Kill all of them, for good."""
        for process in self._running.values():
            process.kill()
            process.join()


def build_job(town: Town, url: str, role: str, lie: str | None = None) -> Job:
    """A process for the person of that name."""
    account = f"test:{1 + list(town.people).index(role)}"
    folders = (town.folder / "runs" / role, town.folder / "diary")
    manifest = town.folder / "deployment.json"
    return Job(role, account, url, manifest, town.store.files.url, *folders, lie)


def is_over(town: Town) -> bool:
    """Whether the game has been decided and the challenger has its money."""
    town.bank.access.refresh()
    if not list(town.bank.games.get_game_ids()):
        return False
    challenger = town.people["challenger"].address
    decided = acts.get_game(town, 1).game.outcome is not Outcome.NONE
    balances = town.bank.get_balances(challenger)
    return decided and balances.owed == 0


def run_until(household: Household, is_done: Callable[[], bool]) -> None:
    """Let the processes work, and die, and work again."""
    deadline = time.monotonic() + SECONDS_MAX
    while not is_done():
        assert time.monotonic() < deadline, "the agents did not come to an end"
        household.revive()
        time.sleep(0.05)


def test_agents__killed_at_every_kind_of_move__finish_the_dispute(tmp_path):
    with Anvil() as anvil, connect(anvil.url) as network:
        town = build_town(network, tmp_path)
        for name, roles in acts.PEOPLE.items():
            town.add(name, roles)
        terms = save_small_task(town.store)
        task_id = acts.post(town, terms)
        # A liar whose dispute goes down to the last level, and an honest challenger.
        jobs = [build_job(town, anvil.url, "worker", "element")]
        household = Household([*jobs, build_job(town, anvil.url, "challenger")])
        try:
            run_until(household, lambda: is_over(town))
        finally:
            household.stop()
        deaths = read_diary(tmp_path / "diary")
        game = acts.get_game(town, 1)
        town.bank.access.refresh()
        assert game.game.outcome is Outcome.CHALLENGER_WON
        # By proof and not by the clock: no move was lost.
        assert town.bank.games.get_verdict(game.id) is not None
        assert town.bank.escrow.get_task(task_id).status is TaskStatus.POSTED
        # Nothing was done twice: one stake, one bond, one game.
        assert len(list(town.bank.games.get_game_ids())) == 1
        assert town.bank.get_balances(town.people["worker"].address).total == 98 * 10**18
        assert town.bank.get_balances(town.people["challenger"].address).total == 101 * 10**18
        assert deaths >= compute_deaths(worker=WORKER_KINDS, challenger=CHALLENGER_KINDS)
        assert household.deaths == len(deaths)


def test_auditor__killed_at_every_kind_of_transaction__is_paid_once(tmp_path):
    with Anvil() as anvil, connect(anvil.url) as network:
        town = build_town(network, tmp_path)
        for name, roles in acts.PEOPLE.items():
            town.add(name, roles)
        auditor = town.add("auditor", Role.AUDITOR)
        lottery, claim_id = town.bank.lottery, ClaimId(1)
        household = Household([build_job(town, anvil.url, n) for n in ("worker", "auditor")])

        def look() -> Draw:
            town.bank.access.refresh()
            return lottery.get_draw(claim_id)

        def now() -> int:
            return town.bank.access.time

        def is_attested() -> bool:
            return town.bank.availability.get_question(claim_id).settled

        def is_paid() -> bool:
            draw = look()
            if list(town.bank.escrow.get_claim_ids()) and not draw.is_drawn:
                town.pass_time(Seconds(1))  # mines the block that decides
            elif draw.commitments and is_attested() and now() <= draw.commit_deadline:
                town.pass_time(Seconds(draw.commit_deadline - now() + 1))
            assert auditor.payout is not None
            return town.bank.token.get_balance(auditor.payout) == 2 * draw.fee > 0

        try:
            run_until(household, lambda: bool(look()) and lottery.get_total_stake() > 0)
            town.pass_time(Seconds(town.deployment.parameters.warmup_seconds + 1))
            terms = save_small_task(town.store, segments=5)
            acts.post(town, terms, audit_budget=acts.AUDIT_BUDGET, attestations=1)
            run_until(household, is_paid)
        finally:
            household.stop()
        deaths = read_diary(tmp_path / "diary")
        assert deaths >= compute_deaths(worker=AUDITED_KINDS, auditor=AUDITOR_KINDS)
        assert household.deaths == len(deaths)
        audit = lottery.get_audit(claim_id, auditor.address)
        assert audit.status is AuditStatus.PAID
        # Nothing was done twice: one stake, no penalty.
        stake = 4 * lottery.penalty
        assert lottery.get_stake(auditor.address) == stake
        assert town.bank.get_balances(auditor.address).total == 100 * 10**18
