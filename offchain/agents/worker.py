"""The worker: takes tasks, trains, claims, defends its claims, collects."""

import logging

from offchain.agents import worker_policy
from offchain.agents.agent import Agent
from offchain.agents.bench import Bench
from offchain.agents.intents import Finalise, Intent, Play, Take, Train
from offchain.agents.views import AgentView, TaskView
from offchain.agents.worker_policy import WorkerPolicy
from offchain.chain.client import Chain
from offchain.runner.training import Progress
from protocol import moves
from protocol.merkle import compute_vector_tree
from protocol.strategy import compute_worker_move

log = logging.getLogger(__name__)


class Worker(Agent):
    """An honest worker, as long as its bench is."""

    role = "worker"

    def __init__(
        self,
        chain: Chain,
        bench: Bench,
        policy: WorkerPolicy | None = None,
        progress: Progress | None = None,
        silent_after: int | None = None,
    ):
        super().__init__(chain, bench, progress)
        self.policy = policy or WorkerPolicy()
        self._silent_after = silent_after

    def decide(self, view: AgentView) -> list[Intent]:
        """Games, money, training, new tasks."""
        return worker_policy.decide(view, self.policy, frozenset(self.refused))

    def act(self, intent: Intent) -> bool:
        """Take, train or finalise."""
        match intent:
            case Take():
                self._take(intent.view)
            case Train():
                self._train(intent.view)
            case Finalise():
                self.chain.escrow.finalise(intent.view.claim.id)
            case _:
                raise AssertionError(intent)
        return True

    def compute_move(self, intent: Play) -> moves.Move | None:
        """The move that the protocol asks of the worker; None where a liar falls silent."""
        game = intent.game.game
        if self._silent_after is not None and game.move >= self._silent_after:
            return None
        return compute_worker_move(game, self.bench.get_evidence(intent.view.terms))

    def _take(self, view: TaskView) -> None:
        # Before anything is spent: the task must be one that can be done.
        self.bench.load(view.terms)
        chain, stake = self.chain, view.task.stake
        missing = stake - chain.vault.get_free(chain.access.address)
        if missing > 0:
            chain.token.check_balance(self.role, chain.access.address, missing)
            chain.token.ensure_allowance(chain.vault.address, missing)
            chain.vault.deposit(missing)
        chain.escrow.assign(view.task.id)
        log.info("task %d: taken", view.task.id)

    def _train(self, view: TaskView) -> None:
        try:
            trained = self.train(view.terms)
        except (ArithmeticError, ValueError):
            # It cannot be done: somebody else may try, and the stake is free again.
            self.chain.escrow.abandon(view.task.id)
            raise
        tree = compute_vector_tree(trained.roots)
        # Published before it is claimed: nobody is paid for what cannot be fetched.
        final_root = self.bench.store.put_state(trained.state)
        self.bench.store.put_vector(trained.roots)
        assert final_root == trained.roots[-1], "the stored state is not the claimed one"
        self.chain.escrow.claim(
            view.task.id, tree.root, final_root, tree.get_path(len(trained.roots) - 1)
        )
        log.info("task %d: claimed", view.task.id)
