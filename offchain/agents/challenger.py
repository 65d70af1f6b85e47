"""The challenger: executes claims again, and plays down those that are not true."""

import logging

from offchain.agents import challenger_policy
from offchain.agents.agent import Agent
from offchain.agents.bench import Bench
from offchain.agents.intents import Check, Intent, Play
from offchain.agents.views import AgentView, ClaimView
from offchain.chain.client import Chain
from offchain.chain.records import ClaimId
from offchain.runner.training import Progress
from protocol import moves
from protocol.strategy import compute_challenger_move
from protocol.types import Root

log = logging.getLogger(__name__)


class Challenger(Agent):
    """An honest challenger."""

    role = "challenger"
    past_nan = True  # a claim about a run that diverges can be false like any other

    def __init__(self, chain: Chain, bench: Bench, progress: Progress | None = None):
        super().__init__(chain, bench, progress)
        # With the root: a reorganisation can give an id to another claim.
        self._checked: set[tuple[ClaimId, Root]] = set()

    def decide(self, view: AgentView) -> list[Intent]:
        """Games, money, claims to check."""
        done = frozenset(
            item.claim.id
            for item in view.claims
            if item.task.id in self.refused or (item.claim.id, item.claim.root) in self._checked
        )
        return challenger_policy.decide(view, done)

    def act(self, intent: Intent) -> bool:
        """Check a claim, and challenge it where it is not true."""
        assert isinstance(intent, Check), intent
        if self.is_true(intent.view):
            self._checked.add((intent.view.claim.id, intent.view.claim.root))
            log.info("task %d: claim %d is true", intent.view.task.id, intent.view.claim.id)
            return False
        self._open(intent.view)
        return True

    def is_true(self, view: ClaimView) -> bool:
        """Whether executing the task again gives the claimed root."""
        return self.train(view.terms).claim == view.claim.root

    def compute_move(self, intent: Play) -> moves.Move | None:
        """Pick the first child that differs from the challenger's own."""
        game = intent.game
        evidence = self.bench.get_evidence(intent.view.terms)
        return compute_challenger_move(game.game, evidence, game.nodes or game.data)

    def _open(self, view: ClaimView) -> None:
        chain, bond = self.chain, self.chain.games.preset.bond
        chain.token.check_balance(self.role, chain.access.address, bond)
        chain.token.ensure_allowance(chain.games.address, bond)
        game_id, _ = chain.games.open(view.claim.id, view.claim.root)
        log.info("task %d: claim %d is false, game %d", view.task.id, view.claim.id, game_id)
