"""Reading an agent's view off the chain. A bad answer about one task leaves out that task."""

import logging
from dataclasses import dataclass, field

from offchain.agents.views import AgentView, ClaimView, TaskView
from offchain.chain.client import Chain
from offchain.chain.errors import ChainError, NetworkUnreachable
from offchain.chain.games import GameView
from offchain.chain.records import (
    Claim,
    ClaimId,
    ClaimStatus,
    GameId,
    Task,
    TaskId,
    TaskStatus,
    Terms,
)
from protocol.game_state import Stage
from protocol.types import Wei

log = logging.getLogger(__name__)

OPEN_STATUSES = (TaskStatus.POSTED, TaskStatus.ASSIGNED)
OVER_STATUSES = (TaskStatus.FINALISED, TaskStatus.EXPIRED, TaskStatus.CANCELLED)


@dataclass
class Observer:
    """Looks at the chain, and remembers only what can never change again."""

    chain: Chain
    _over: set[TaskId] = field(default_factory=set)
    _settled: set[ClaimId] = field(default_factory=set)
    _slashed: set[TaskId] = field(default_factory=set)  # by claims of the agent's own
    _terms: dict[TaskId, Terms] = field(default_factory=dict)
    _claims: dict[GameId, ClaimId] = field(default_factory=dict)  # what games are about

    def observe(self) -> AgentView:
        """Everything as of one block. Raises `NetworkUnreachable`."""
        chain = self.chain
        chain.access.refresh()
        address = chain.access.address
        tasks: list[TaskView] = []
        claims: list[ClaimView] = []
        for task_id in chain.escrow.get_task_ids():
            if task_id not in self._over:
                tasks += self._observe_task(task_id)
        for claim_id in chain.escrow.get_claim_ids():
            if claim_id not in self._settled:
                claims += self._observe_claim(claim_id)
        return AgentView(
            address=address,
            now=chain.access.time,
            # The oldest first: its lease or window ends first.
            tasks=tuple(reversed(tasks)),
            claims=tuple(reversed(claims)),
            owed_rewards=Wei(chain.splitter.get_owed(address)),
            owed_bonds=Wei(chain.games.get_owed(address)),
            slashed=frozenset(self._slashed),
        )

    def _observe_task(self, task_id: TaskId) -> list[TaskView]:
        try:
            task = self.chain.escrow.get_task(task_id)
            if task.status in OVER_STATUSES:
                self._over.add(task_id)
            if task.status not in OPEN_STATUSES:
                return []
            return [TaskView(task, self._get_terms(task_id))]
        except NetworkUnreachable:
            raise
        except ChainError as error:
            log.warning("task %d: %s", task_id, error)
            return []

    def _observe_claim(self, claim_id: ClaimId) -> list[ClaimView]:
        try:
            claim = self.chain.escrow.get_claim(claim_id)
            if claim.status is ClaimStatus.SLASHED and claim.worker == self.chain.access.address:
                self._slashed.add(claim.task_id)
            if claim.status is not ClaimStatus.PENDING and claim.open_games == 0:
                self._settled.add(claim_id)
                return []
            task: Task = self.chain.escrow.get_task(claim.task_id)
            terms = self._get_terms(claim.task_id)
            address = self.chain.access.address
            return [
                ClaimView(
                    task,
                    terms,
                    claim,
                    self._observe_games(claim, terms),
                    self.chain.games.get_game_id(claim_id, address) is not None,
                )
            ]
        except NetworkUnreachable:
            raise
        except ChainError as error:
            log.warning("claim %d: %s", claim_id, error)
            return []

    def _observe_games(self, claim: Claim, terms: Terms) -> tuple[GameView, ...]:
        if claim.open_games == 0:
            return ()
        games: list[GameView] = []
        for game_id in self._get_game_ids(claim.id):
            try:
                game = self.chain.games.get_game(game_id, claim, terms)
            except NetworkUnreachable:
                raise
            except ChainError as error:
                # After a reorganisation a game can be about another claim: read that again.
                self._claims.pop(game_id, None)
                log.warning("task %d: game %d: %s", claim.task_id, game_id, error)
                continue
            if game.game.stage is not Stage.ENDED:
                games.append(game)
        return tuple(games)

    def _get_game_ids(self, claim_id: ClaimId) -> list[GameId]:
        for game_id in self.chain.games.get_game_ids():
            if game_id not in self._claims:
                self._claims[game_id] = self.chain.games.get_claim_id(game_id)
        return sorted(game for game, claim in self._claims.items() if claim == claim_id)

    def _get_terms(self, task_id: TaskId) -> Terms:
        # Where the view is not final a reorganisation can give an id to another task.
        if self.chain.access.confirmations == 0 or task_id not in self._terms:
            self._terms[task_id] = self.chain.escrow.get_terms(task_id)
        return self._terms[task_id]
