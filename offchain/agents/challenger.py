"""The challenger: executes claims again, and plays down those that are not true."""

import logging

from offchain.agents import challenger_policy
from offchain.agents.agent import Agent
from offchain.agents.bench import Bench
from offchain.agents.intents import Check, Intent, Play
from offchain.agents.observation import Lookout
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

    def __init__(
        self,
        chain: Chain,
        bench: Bench,
        progress: Progress | None = None,
        lookout: Lookout | None = None,
    ):
        super().__init__(chain, bench, progress, lookout)
        # With the root: a reorganisation can give an id to another claim.
        self._checked: set[tuple[ClaimId, Root]] = set()

    def decide(self, view: AgentView) -> list[Intent]:
        """Games, money, claims to check."""
        refused = {item.claim.id for item in view.claims if item.task.id in self.refused}
        return challenger_policy.decide(view, self.get_checked(view) | refused)

    def act(self, intent: Intent) -> bool:
        """Check a claim, and challenge it where it is not true."""
        assert isinstance(intent, Check), intent
        return self.check(intent.view)

    def check(self, view: ClaimView) -> bool:
        """Whether the claim was not true, and is challenged now."""
        if self.is_true(view):
            self._checked.add((view.claim.id, view.claim.root))
            log.info("task %d: claim %d is true", view.task.id, view.claim.id)
            return False
        self._open(view)
        return True

    def get_checked(self, view: AgentView) -> frozenset[ClaimId]:
        """The claims that turned out to be true."""
        claims = [item.claim for item in view.claims]
        return frozenset(c.id for c in claims if (c.id, c.root) in self._checked)

    def is_true(self, view: ClaimView) -> bool:
        """Whether executing the task again gives the claimed root."""
        return self.train(view.terms).claim == view.claim.root

    def compute_move(self, intent: Play) -> moves.Move | None:
        """Pick the first child that differs from the challenger's own."""
        game = intent.game
        evidence = self.bench.get_evidence(intent.view.terms)
        return compute_challenger_move(game.game, evidence, game.nodes or game.data)

    def _open(self, view: ClaimView) -> None:
        chain, bond = self.chain, self.chain.escrow.get_offer(view.task.id).bond
        chain.token.check_balance(self.role, chain.access.address, bond)
        chain.token.ensure_allowance(chain.games.address, bond)
        game_id, _ = chain.games.open(view.claim.id, view.claim.root)
        log.info("task %d: claim %d is false, game %d", view.task.id, view.claim.id, game_id)
