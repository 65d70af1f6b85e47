"""The worker: takes tasks, trains, claims, serves audits, defends its claims, collects."""

import logging

from offchain.agents import worker_policy
from offchain.agents.agent import Agent
from offchain.agents.audit_observation import WorkerLookout
from offchain.agents.bench import Bench
from offchain.agents.intents import (
    ExpireLease,
    Finalise,
    Intent,
    Measure,
    OpenLeaf,
    Play,
    Publish,
    Report,
    ServeAgain,
    Take,
    Train,
    Void,
)
from offchain.agents.views import AgentView, ClaimView, TaskView
from offchain.agents.worker_policy import Known, WorkerPolicy, find_misfit
from offchain.chain.client import Chain
from offchain.chain.records import ClaimId, TaskStatus, compute_digest
from offchain.chain.registry import Role
from offchain.runner.curve import encode_curve
from offchain.runner.speed import Speed
from offchain.runner.training import Progress
from offchain.store.errors import StoreError
from offchain.store.notes import CURVE, put_note
from protocol import moves
from protocol.merkle import compute_vector_root, compute_vector_tree
from protocol.strategy import compute_worker_move
from protocol.types import Root, Wei

log = logging.getLogger(__name__)


class Worker(Agent):
    """An honest worker, as long as its bench is."""

    role = "worker"
    registered_as = Role.WORKER

    def __init__(
        self,
        chain: Chain,
        bench: Bench,
        policy: WorkerPolicy | None = None,
        progress: Progress | None = None,
        silent_after: int | None = None,
    ):
        super().__init__(chain, bench, progress, WorkerLookout(chain))
        self.policy = policy or WorkerPolicy()
        self._silent_after = silent_after
        self._speeds: dict[Root, Speed] = {}
        # With the root: a reorganisation can give an id to another claim.
        self._published: set[tuple[ClaimId, Root, int]] = set()

    def decide(self, view: AgentView) -> list[Intent]:
        """Games and other moves with a deadline, money, training, new tasks."""
        claims = {(item.claim.id, item.claim.root) for item in view.claims}
        done = {
            item.task.id: self._count_done(item)
            for item in view.tasks
            if item.task.status is TaskStatus.ASSIGNED and item.task.worker == view.address
        }
        published = {(i, s) for i, root, s in self._published if (i, root) in claims}
        known = Known(frozenset(self.refused), self._speeds, done, frozenset(published))
        return worker_policy.decide(view, self.policy, known)

    def act(self, intent: Intent) -> bool:
        """Everything that is a worker's alone."""
        escrow = self.chain.escrow
        match intent:
            case Measure():
                self._measure(intent.view)
            case Take():
                self._take(intent.view, intent.reward)
            case Train():
                self._train(intent.view)
            case Report():
                roots = self.bench.get_roots(intent.view.terms)[: intent.segments]
                root = compute_vector_root(roots)
                escrow.report_progress(intent.view.task.id, len(roots), root)
            case ExpireLease():
                escrow.expire_lease(intent.view.task.id)
            case Publish():
                self._publish(intent.view, intent.segments)
            case OpenLeaf():
                self._open_leaf(intent.view, intent.segment)
            case ServeAgain():
                state = self.bench.get_state(intent.view.terms, intent.view.terms.segments)
                self.bench.store.put_state(state)
                self.chain.availability.serve_again(intent.view.claim.id)
            case Void():
                self.chain.availability.void(intent.view.claim.id)
            case Finalise():
                escrow.finalise(intent.view.claim.id)
            case _:
                raise AssertionError(intent)
        return True

    def compute_move(self, intent: Play) -> moves.Move | None:
        """The move that the protocol asks of the worker; None where a liar falls silent."""
        game = intent.game.game
        if self._silent_after is not None and game.move >= self._silent_after:
            return None
        return compute_worker_move(game, self.bench.get_evidence(intent.view.terms))

    def _count_done(self, item: TaskView) -> int:
        """Segments of a lease that are trained; none where the task cannot even be read."""
        try:
            return len(self.bench.get_roots(item.terms))
        except (StoreError, ValueError):
            return 0

    def _measure(self, view: TaskView) -> None:
        self.check_registered()
        # Before anything is spent: the task must be what it says, and one that can be done.
        self.bench.check_declared(view.terms)
        speed = self.bench.measure(view.terms)
        self._speeds[view.terms.program_root] = speed
        if misfit := find_misfit(view, speed, self.observer.rules):
            log.warning("task %d: not taken: %s", view.task.id, misfit)

    def _take(self, view: TaskView, reward: Wei) -> None:
        self.check_registered()
        self.bench.check_declared(view.terms)
        chain, me = self.chain, self.chain.access.address
        missing = view.offer.stake - chain.vault.get_free(me)
        if missing > 0:
            chain.token.check_balance(self.role, me, missing)
            chain.token.ensure_allowance(chain.vault.address, missing)
            chain.vault.deposit(me, missing)
        digest = compute_digest(view.task.submitter, view.terms, view.offer, view.shares)
        chain.escrow.assign(view.task.id, digest, reward)
        log.info("task %d: taken for %s", view.task.id, chain.token.format(reward))

    def _train(self, view: TaskView) -> None:
        try:
            trained = self.train(view.terms)
        except (ArithmeticError, ValueError):
            # It cannot be done: somebody else may try, and the stake is free again.
            self.chain.escrow.abandon(view.task.id)
            raise
        tree = compute_vector_tree(trained.roots)
        # Published before it is claimed: nobody is paid for what cannot be fetched. The states in
        # between are not, and neither are their roots: auditors could copy them.
        final_root = self.bench.store.put_state(trained.state)
        assert final_root == trained.roots[-1], "the stored state is not the claimed one"
        self._publish_curve(view, tree.root)
        digest = compute_digest(view.task.submitter, view.terms, view.offer, view.shares)
        path = tree.get_path(len(trained.roots) - 1)
        self.chain.escrow.claim(view.task.id, digest, tree.root, final_root, path)
        log.info("task %d: claimed", view.task.id)

    def _publish_curve(self, view: TaskView, claim_root: Root) -> None:
        """Losses and times, a courtesy that no claim waits for."""
        try:
            curve = encode_curve(self.bench.get_curve(view.terms))
            put_note(self.bench.store, CURVE, claim_root, curve.encode())
        except (StoreError, OSError) as error:
            log.warning("task %d: its curve is not published: %s", view.task.id, error)

    def _publish(self, view: ClaimView, segments: tuple[int, ...]) -> None:
        tree = self.bench.get_evidence(view.terms).claim_tree()
        for segment in segments:
            # Before the first segment there is genesis, which everybody has.
            if segment > 0:
                self.bench.store.put_state(self.bench.get_state(view.terms, segment))
                self.bench.store.put_path(tree, segment - 1)
            self._published.add((view.claim.id, view.claim.root, segment))
            log.info("task %d: states before segment %d are there", view.task.id, segment)

    def _open_leaf(self, view: ClaimView, segment: int) -> None:
        tree = self.bench.get_evidence(view.terms).claim_tree()
        leaf, path = tree.get_node(0, segment), tree.get_path(segment)
        self.chain.lottery.open_leaf(view.claim.id, segment, leaf, path)
