"""What a challenger does next: a pure function of what it sees."""

from offchain.agents.intents import Check, EndGame, Intent, Play, compute_deadline_of
from offchain.agents.views import AgentView, ClaimView
from offchain.agents.worker_policy import decide_money
from offchain.chain.records import ClaimId, ClaimStatus
from protocol import moves
from protocol.game_state import compute_deadline


def decide(view: AgentView, checked: frozenset[ClaimId] = frozenset()) -> list[Intent]:
    """Everything that is due, the most urgent first: games, money, claims to check.

    `checked` are claims that turned out to be true, or that cannot be executed again.
    """
    urgent = [intent for item in view.claims for intent in decide_games(item, view)]
    urgent.sort(key=compute_deadline_of)
    checks = [Check(item) for item in view.claims if _is_open(item, view, checked)]
    # The window that closes first is checked first.
    checks.sort(key=lambda check: check.view.claim.challenge_deadline)
    return [*urgent, *decide_money(view), *checks]


def decide_games(item: ClaimView, view: AgentView) -> list[Intent]:
    """What is due in the games that the agent has opened against a claim."""
    intents: list[Intent] = []
    for game in item.games:
        if game.game.challenger != view.address:
            continue
        late = view.now > compute_deadline(game.game)
        if game.game.claim_slashed:
            intents.append(EndGame(item, game, moves.Drop()))
        elif game.game.is_challenger_owing():
            if not late:
                intents.append(Play(item, game))
        elif late:
            intents.append(EndGame(item, game, moves.Timeout()))
    return intents


def _is_open(item: ClaimView, view: AgentView, checked: frozenset[ClaimId]) -> bool:
    claim = item.claim
    return (
        claim.status is ClaimStatus.PENDING
        and claim.worker != view.address
        and not item.challenged
        and view.now <= claim.challenge_deadline
        and claim.id not in checked
    )
