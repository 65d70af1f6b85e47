"""Worker and challenger are killed at every kind of move, and finish the dispute all the same."""

import multiprocessing
import time
from multiprocessing.process import BaseProcess

from offchain.chain.anvil import Anvil
from offchain.chain.network import connect
from offchain.chain.records import TaskStatus
from offchain.demo import acts
from offchain.demo.town import Town, build_town
from protocol.game_state import Outcome
from tests.e2e.agent_process import AFTER, BEFORE, Job, read_diary, run_agent
from tests.small_run import save_small_task

SECONDS_MAX = 150.0
WORKER_KINDS = {
    *("allow", "deposit", "assign", "claim"),
    *("reveal", "expand_step", "expand_slot", "expand_operator", "expand_instruction"),
    *("expand_element", "reveal_leaf", "expand_chunk", "prove"),
}
CHALLENGER_KINDS = {"allow", "challenge", "pick", "pick_element", "withdraw"}
DEATHS = {
    f"{role} {moment} {kind}"
    for role, kinds in (("worker", WORKER_KINDS), ("challenger", CHALLENGER_KINDS))
    for kind in kinds
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


def build_jobs(town: Town, url: str) -> list[Job]:
    """A lying worker and an honest challenger."""
    diary = town.folder / "diary"
    return [
        Job(
            role,
            f"test:{number}",
            url,
            town.folder / "deployment.json",
            town.store.files.url,
            town.folder / "runs" / role,
            diary,
        )
        for role, number in (("worker", 2), ("challenger", 5))
    ]


def is_over(town: Town) -> bool:
    """Whether the game has been decided and the challenger has its money."""
    town.bank.access.refresh()
    if not list(town.bank.games.get_game_ids()):
        return False
    challenger = town.people["challenger"].address
    decided = acts.get_game(town, 1).game.outcome is not Outcome.NONE
    balances = town.bank.get_balances(challenger)
    return decided and balances.owed == 0


def test_agents__killed_at_every_kind_of_move__finish_the_dispute(tmp_path):
    with Anvil() as anvil, connect(anvil.url) as network:
        town = build_town(network, tmp_path)
        for name in ("submitter", "worker", "data provider", "treasury", "challenger"):
            town.add(name)
        terms = save_small_task(town.store)
        task_id = acts.post(town, terms)
        household = Household(build_jobs(town, anvil.url))
        try:
            deadline = time.monotonic() + SECONDS_MAX
            while not is_over(town) and time.monotonic() < deadline:
                household.revive()
                time.sleep(0.05)
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
        assert deaths >= DEATHS
        assert household.deaths == len(deaths)
