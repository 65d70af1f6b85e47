"""The loop that all agents share: look, decide, act, and begin anew.

Nothing that matters is remembered between ticks, so an agent may be killed at any moment: the
next process sees on the chain what was done and what is due. A failure costs at most the task
that it belongs to.
"""

import logging
import time
from collections.abc import Callable

from offchain.agents.bench import Bench
from offchain.agents.intents import (
    EndGame,
    Intent,
    Join,
    Optional,
    Play,
    Pressing,
    WithdrawBond,
    WithdrawReward,
)
from offchain.agents.observation import Lookout, Observer
from offchain.agents.views import AgentView
from offchain.chain.client import Chain
from offchain.chain.errors import ChainError, NetworkUnreachable, NonceTaken, Reverted
from offchain.chain.records import TaskId, Terms
from offchain.chain.registry import Role
from offchain.runner.training import Progress, Reported, Trained
from offchain.store.errors import StoreError, StoreUnavailable
from protocol import moves

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
BACKOFF_SECONDS_MAX = 60.0


class Agent:
    """One account's agent. Subclasses decide and carry out what is theirs alone."""

    role = "agent"
    registered_as: Role | None = None  # what the account has to be registered as
    past_nan = False  # whether a run that diverges is executed to its end

    def __init__(
        self,
        chain: Chain,
        bench: Bench,
        progress: Progress | None = None,
        lookout: Lookout | None = None,
    ):
        self.chain = chain
        self.bench = bench
        self.progress = progress
        self.observer = Observer(chain, lookout)
        # Tasks that cannot be executed here: not tried again until the agent is started anew.
        self.refused: set[TaskId] = set()
        self._told: set[str] = set()

    def decide(self, view: AgentView) -> list[Intent]:
        """What is due, the most urgent first."""
        raise NotImplementedError

    def act(self, intent: Intent) -> bool:
        """Carry out an intent that is not shared; whether anything was done."""
        raise NotImplementedError

    def compute_move(self, intent: Play) -> moves.Move | None:
        """The move that the agent owes in a game, or None to be silent."""
        raise NotImplementedError

    def check_registered(self) -> None:
        """Raises `NotRegistered` where the account cannot act in the role."""
        if self.registered_as is not None:
            self.chain.registry.check_role(self.chain.access.address, self.registered_as)

    def tick(self) -> bool:
        """Look once and do everything that is due; whether anything was done.

        Raises `NetworkUnreachable`, and nothing else.
        """
        done = [self._attempt(intent) for intent in self._look()]
        return any(done)

    def _look(self) -> list[Intent]:
        """What is due now; nothing where the chain gives no sane answer."""
        try:
            return self.decide(self.observer.observe())
        except NetworkUnreachable:
            raise
        except ChainError as error:
            self.tell(str(error))
            return []

    def train(self, terms: Terms) -> Trained:
        """Execute a task. Raises as `Bench.train`."""
        return self.bench.train(terms, self.build_watch(), self.past_nan)

    def build_watch(self) -> Progress:
        """To look up from work now and then: no game and no heartbeat waits for it."""
        looked = time.monotonic()

        def watch(done: int, steps: int, reported: Reported) -> None:
            nonlocal looked
            if self.progress is not None:
                self.progress(done, steps, reported)
            if time.monotonic() - looked > POLL_SECONDS:
                self._tick_pressing()
                looked = time.monotonic()

        return watch

    def _tick_pressing(self) -> None:
        try:
            for intent in self._look():
                if isinstance(intent, Pressing):
                    self._attempt(intent)
        except NetworkUnreachable as error:
            self.tell(str(error))

    def run(self, is_over: Callable[[], bool], poll_seconds: float = POLL_SECONDS) -> None:
        """Tick until `is_over`; wait longer and longer while the node does not answer."""
        backoff = poll_seconds
        while not is_over():
            try:
                if not self.tick() and not is_over():
                    time.sleep(poll_seconds)
                backoff = poll_seconds
            except NetworkUnreachable as error:
                log.warning("%s; next try in %.0f s", error, backoff)
                time.sleep(backoff)
                backoff = min(BACKOFF_SECONDS_MAX, 2 * backoff)

    def _attempt(self, intent: Intent) -> bool:
        """Carry out one intent; its failure is logged with its task's id and stays its own."""
        place = _describe(intent)
        try:
            return self._carry_out(intent)
        except NetworkUnreachable:
            raise
        except (Reverted, NonceTaken) as error:
            # The chain moved on between looking and acting: the next tick sees how.
            log.info("%s%s", place, error)
        except (ChainError, StoreUnavailable) as error:
            self.tell(f"{place}{error}")
        except (StoreError, ValueError, ArithmeticError) as error:
            self._refuse(intent, f"{place}{error}")
        except Exception as error:
            # A stranger's task must not stop the agent, whatever it provokes.
            log.exception("%s%s", place, type(error).__name__)
            self._refuse(intent, f"{place}{type(error).__name__}: {error}")
        return False

    def _carry_out(self, intent: Intent) -> bool:
        chain = self.chain
        match intent:
            case Play():
                move = self.compute_move(intent)
                if move is None:
                    return False
                chain.games.make(intent.game.id, move)
            case EndGame():
                chain.games.make(intent.game.id, intent.move)
            case WithdrawReward():
                chain.splitter.withdraw(chain.registry.get_payout(chain.access.address))
            case WithdrawBond():
                chain.games.withdraw()
            case _:
                return self.act(intent)
        return True

    def _refuse(self, intent: Intent, reason: str) -> None:
        log.error("%s", reason)
        # A game and what is owed are never given up: what failed may be gone at the next tick.
        if isinstance(intent, Optional):
            self.refused.add(intent.view.task.id)

    def tell(self, message: str) -> None:
        """Log once what would otherwise come again with every tick."""
        if message not in self._told:
            self._told.add(message)
            log.warning("%s", message)


def _describe(intent: Intent) -> str:
    match intent:
        case Play() | EndGame():
            return f"task {intent.view.task.id}: game {intent.game.id}: "
        case WithdrawReward() | WithdrawBond() | Join():
            return ""
        case _:
            return f"task {intent.view.task.id}: "
