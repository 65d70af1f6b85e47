"""What an agent wants to do next. Deciding is pure; carrying out an intent is not."""

from dataclasses import dataclass

from offchain.agents.views import ClaimView, TaskView
from offchain.chain.games import GameView
from protocol import moves
from protocol.game_state import compute_deadline


@dataclass(frozen=True)
class Take:
    """Worker: stake and be assigned."""

    view: TaskView


@dataclass(frozen=True)
class Train:
    """Worker: run the next part of the task; claim when all of it is done."""

    view: TaskView


@dataclass(frozen=True)
class Finalise:
    """Worker: collect what nobody could refute."""

    view: ClaimView


@dataclass(frozen=True)
class Check:
    """Challenger: execute again and compare; challenge where a root differs."""

    view: ClaimView


@dataclass(frozen=True)
class Play:
    """Both: make the move that is owed."""

    view: ClaimView
    game: GameView


@dataclass(frozen=True)
class EndGame:
    """Both: time out a silent opponent, or drop a game about a refuted claim."""

    view: ClaimView
    game: GameView
    move: moves.Timeout | moves.Drop


@dataclass(frozen=True)
class WithdrawReward:
    """Both: take what the splitter owes."""


@dataclass(frozen=True)
class WithdrawBond:
    """Both: take what the game contract owes."""


def compute_deadline_of(intent: "Intent") -> int:
    """The last second at which the intent can be carried out; far off where none presses."""
    return compute_deadline(intent.game.game) if isinstance(intent, Play) else 2**63


Intent = Take | Train | Finalise | Check | Play | EndGame | WithdrawReward | WithdrawBond
