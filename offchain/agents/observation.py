"""Reading an agent's view off the chain. A bad answer about one task leaves out that task."""

import logging
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeVar

from offchain.agents.views import AgentView, ClaimView, Rules, TaskView
from offchain.chain.client import Chain
from offchain.chain.errors import ChainError, NetworkUnreachable
from offchain.chain.games import GameView
from offchain.chain.records import (
    Claim,
    ClaimId,
    ClaimStatus,
    GameId,
    Offer,
    Share,
    TaskId,
    TaskStatus,
    Terms,
)
from protocol.game_state import Stage

log = logging.getLogger(__name__)
Key = TypeVar("Key", TaskId, ClaimId)
Item = TypeVar("Item", TaskView, ClaimView)

OPEN_STATUSES = (TaskStatus.POSTED, TaskStatus.ASSIGNED)
OVER_STATUSES = (TaskStatus.FINALISED, TaskStatus.EXPIRED, TaskStatus.CANCELLED)
Posted = tuple[Terms, Offer, tuple[Share, ...]]  # what is fixed with a task


class Lookout(Protocol):
    """What a role looks at besides tasks, claims and games (`audit_observation`)."""

    def complete(self, item: ClaimView) -> ClaimView:
        """The claim with what the role has to know of its audits."""

    def is_left_over(self, claim: Claim) -> bool:
        """Whether a claim that is settled is still of concern."""

    def look(self, view: AgentView) -> AgentView:
        """The view with what the role has to know besides."""


@dataclass
class Observer:
    """Looks at the chain, and remembers only what can never change again."""

    chain: Chain
    lookout: Lookout | None = None
    _over: set[TaskId] = field(default_factory=set)
    _settled: set[ClaimId] = field(default_factory=set)
    _slashed: set[TaskId] = field(default_factory=set)  # by claims of the agent's own
    _posted: dict[TaskId, Posted] = field(default_factory=dict)
    _claims: dict[GameId, ClaimId] = field(default_factory=dict)  # what games are about

    @cached_property
    def rules(self) -> Rules:
        """What the deployment has fixed."""
        chain = self.chain
        return Rules(
            move_seconds=chain.games.preset.minimum_move_seconds,
            draw_seconds=chain.lottery.draw_seconds,
            audits=chain.lottery.audits,
            penalty=chain.lottery.penalty,
            max_rounds=chain.availability.max_rounds,
            round_seconds=chain.availability.round_seconds,
        )

    def observe(self) -> AgentView:
        """Everything as of one block. Raises `NetworkUnreachable`, `BadAnswer`, `Reverted`."""
        chain = self.chain
        chain.access.refresh()
        address = chain.access.address
        tasks = self._collect(self._observe_task, chain.escrow.get_task_ids(), self._over, "task")
        claim_ids = chain.escrow.get_claim_ids()
        claims = self._collect(self._observe_claim, claim_ids, self._settled, "claim")
        view = AgentView(
            address=address,
            now=chain.access.time,
            rules=self.rules,
            tasks=tasks,
            claims=claims,
            owed_rewards=chain.splitter.get_owed(chain.registry.get_payout(address)),
            owed_bonds=chain.games.get_owed(address),
            slashed=frozenset(self._slashed),
        )
        return view if self.lookout is None else self.lookout.look(view)

    @staticmethod
    def _collect(
        observe: Callable[[Key], Item | None], keys: Iterable[Key], done: Container[Key], kind: str
    ) -> tuple[Item, ...]:
        """What there is to see of each, the oldest first: its lease or window ends first."""
        found: list[Item] = []
        for key in keys:
            if key in done:
                continue
            try:
                item = observe(key)
            except NetworkUnreachable:
                raise
            except ChainError as error:
                log.warning("%s %d: %s", kind, key, error)
                continue
            found += [item] if item is not None else []
        return tuple(reversed(found))

    def _observe_task(self, task_id: TaskId) -> TaskView | None:
        chain = self.chain
        task = chain.escrow.get_task(task_id)
        if task.status in OVER_STATUSES:
            self._over.add(task_id)
        if task.status not in OPEN_STATUSES:
            return None
        had_lease = chain.escrow.had_lease(task_id, chain.access.address)
        return TaskView(task, *self._get_posted(task_id), had_lease)

    def _observe_claim(self, claim_id: ClaimId) -> ClaimView | None:
        chain = self.chain
        claim = chain.escrow.get_claim(claim_id)
        if claim.status is ClaimStatus.SLASHED and claim.worker == chain.access.address:
            self._slashed.add(claim.task_id)
        is_over = claim.status is not ClaimStatus.PENDING and claim.open_games == 0
        if is_over and not (self.lookout is not None and self.lookout.is_left_over(claim)):
            self._settled.add(claim_id)
            return None
        terms, offer, _ = self._get_posted(claim.task_id)
        item = ClaimView(
            chain.escrow.get_task(claim.task_id),
            terms,
            offer,
            claim,
            self._observe_games(claim, terms),
            chain.games.get_game_id(claim_id, chain.access.address) is not None,
        )
        return item if self.lookout is None else self.lookout.complete(item)

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

    def _get_posted(self, task_id: TaskId) -> Posted:
        # Where the view is not final a reorganisation can give an id to another task.
        if self.chain.access.confirmations == 0 or task_id not in self._posted:
            chain = self.chain
            self._posted[task_id] = (
                chain.escrow.get_terms(task_id),
                chain.escrow.get_offer(task_id),
                chain.splitter.get_split(task_id),
            )
        return self._posted[task_id]
