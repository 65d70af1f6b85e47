"""Those who do not look: a challenger that contests the truth, an auditor that copies.

They exist for the demo and the tests: they must lose.
"""

from random import Random

from offchain.agents.auditor import Auditor, get_audit
from offchain.agents.bench import Bench
from offchain.agents.challenger import Challenger
from offchain.agents.intents import Commit, Intent, Play, Reveal
from offchain.agents.views import ClaimView
from offchain.chain.client import Chain
from offchain.chain.games import GameView
from protocol import moves
from protocol.descriptor import compute_element_bytes
from protocol.game_state import Stage
from protocol.merkle import compute_vector_tree
from protocol.types import LEAF_BYTES


class MaliciousChallenger(Challenger):
    """Challenges every claim without looking, and picks anywhere."""

    def __init__(self, chain: Chain, bench: Bench, seed: int = 0):
        super().__init__(chain, bench)
        self._random = Random(seed)

    def is_true(self, view: ClaimView) -> bool:
        """Never, to it."""
        return False

    def compute_move(self, intent: Play) -> moves.Move | None:
        """Any node that exists, any element that exists."""
        view = intent.game
        if view.game.stage is Stage.PICK_ELEMENT:
            return moves.PickElement(view.game.move, self._random.randrange(_count_elements(view)))
        child = self._random.randrange(_count_children(view))
        path = tuple(compute_vector_tree(view.nodes).get_path(child))
        return moves.Pick(view.game.move, child, view.nodes[child], path)


class CopyingAuditor(Auditor):
    """Executes nothing: commits to what another auditor committed to, and shows what it showed."""

    def act(self, intent: Intent) -> bool:
        """Copies in place of working; everything else is as ever."""
        lottery = self.chain.lottery
        match intent:
            case Commit():
                others = lottery.get_events("AuditCommitted", claim_id=intent.view.claim.id)
                if not others:
                    return False
                lottery.commit(intent.view.claim, others[0].values["commitment"])
            case Reveal():
                # The leaf is open for everybody to see, but the salt is not, and even with it the
                # commitment holds another's address.
                audit = get_audit(intent.view)
                assert audit.leaf is not None
                lottery.reveal(intent.view.claim.id, audit.leaf, self.compute_salt(intent.view))
            case _:
                return super().act(intent)
        return True


def _count_children(view: GameView) -> int:
    """Those of the revealed nodes that have a leaf below them which is no padding."""
    game = view.game
    below = game.height - game.depth
    first = (game.index << game.depth) << below
    return min(2**game.depth, -(-(game.count - first) // 2**below))


def _count_elements(view: GameView) -> int:
    """Elements of the tensor in the revealed leaf."""
    game = view.game
    per_leaf = LEAF_BYTES // compute_element_bytes(game.dtype)
    return min(per_leaf, game.size - game.index * per_leaf)
