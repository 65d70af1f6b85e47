"""What an agent wants to do next. Deciding is pure; carrying out an intent is not."""

from dataclasses import dataclass

from offchain.agents.views import ClaimView, TaskView
from offchain.chain.games import GameView
from protocol import moves
from protocol.game_state import compute_deadline
from protocol.types import Wei

NEVER = 2**63  # the deadline of what does not press

# --- Tasks ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """Worker: find out how fast this machine is at a task."""

    view: TaskView


@dataclass(frozen=True)
class Take:
    """Worker: stake and be assigned, for at least the reward."""

    view: TaskView
    reward: Wei


@dataclass(frozen=True)
class Train:
    """Worker: run the next part of the task; claim when all of it is done."""

    view: TaskView


@dataclass(frozen=True)
class Report:
    """Worker: show the segments that are done, before the heartbeat ends."""

    view: TaskView
    segments: int


@dataclass(frozen=True)
class ExpireLease:
    """Worker: reopen a task whose lease ran out."""

    view: TaskView


# --- A worker's own claims ------------------------------------------------------------------------


@dataclass(frozen=True)
class Publish:
    """Store the states that auditors start from, each with its proof."""

    view: ClaimView
    segments: tuple[int, ...]


@dataclass(frozen=True)
class OpenLeaf:
    """Open a leaf of the claim that an auditor committed to."""

    view: ClaimView
    segment: int


@dataclass(frozen=True)
class ServeAgain:
    """Store the result once more, for another round of attestations."""

    view: ClaimView


@dataclass(frozen=True)
class Void:
    """Give a claim up whose result nobody attests, to get the stake back."""

    view: ClaimView


@dataclass(frozen=True)
class Finalise:
    """Collect what nobody could refute."""

    view: ClaimView


# --- Audits ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Join:
    """Auditor: lock stake for audits."""

    amount: Wei


@dataclass(frozen=True)
class FixSeed:
    """Auditor: make the beacon remember a claim's seed."""

    view: ClaimView


@dataclass(frozen=True)
class DrawAuditors:
    """Auditor: take the beacon's seed for a claim."""

    view: ClaimView


@dataclass(frozen=True)
class Commit:
    """Auditor: execute the stretch and commit to the state after it."""

    view: ClaimView


@dataclass(frozen=True)
class Reveal:
    """Auditor: show what was committed to."""

    view: ClaimView


@dataclass(frozen=True)
class DeclareDefault:
    """Auditor: end a claim whose worker has not opened the leaf."""

    view: ClaimView


@dataclass(frozen=True)
class Settle:
    """Auditor: end an audit that no reveal has paid."""

    view: ClaimView


@dataclass(frozen=True)
class Attest:
    """Auditor: fetch the result, verify it and say so."""

    view: ClaimView


# --- Games and money ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """Challenger: execute again and compare; challenge where a root differs."""

    view: ClaimView


@dataclass(frozen=True)
class Play:
    """Make the move that is owed."""

    view: ClaimView
    game: GameView


@dataclass(frozen=True)
class EndGame:
    """Time out a silent opponent, or drop a game about a refuted claim."""

    view: ClaimView
    game: GameView
    move: moves.Timeout | moves.Drop


@dataclass(frozen=True)
class WithdrawReward:
    """Take what the splitter owes, to the payout."""


@dataclass(frozen=True)
class WithdrawBond:
    """Take what the game contract owes."""


# What may turn out to be impossible for good, because of what a stranger wrote: such a task is
# left alone from then on. Everything else is tried again, whatever failed.
Optional = Measure | Take | Train | Check | Commit
# Short work with a deadline: it is looked for while something long is executed.
Pressing = Play | EndGame | Report | Publish | OpenLeaf | ServeAgain | Reveal
Audit = Join | FixSeed | DrawAuditors | Commit | Reveal | DeclareDefault | Settle | Attest
Duty = Publish | OpenLeaf | ServeAgain | Void | Finalise
Shared = Play | EndGame | WithdrawReward | WithdrawBond
Intent = Measure | Take | Train | Report | ExpireLease | Duty | Audit | Check | Shared


def compute_deadline_of(intent: Intent) -> int:
    """The last second at which the intent can be carried out; far off where none presses."""
    match intent:
        case Play():
            return compute_deadline(intent.game.game)
        case Report():
            return intent.view.task.deadline
        case Publish() | OpenLeaf() if intent.view.duty is not None:
            draw = intent.view.duty.draw
            return draw.commit_deadline if isinstance(intent, Publish) else draw.open_deadline
        case Commit() | Reveal() if intent.view.audit is not None:
            draw = intent.view.audit.draw
            return draw.commit_deadline if isinstance(intent, Commit) else draw.reveal_deadline
        case Attest() if intent.view.audit is not None:
            return intent.view.audit.attest_until or NEVER
    return NEVER
