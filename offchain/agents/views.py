"""What an agent sees of the chain in one tick: everything it decides from, and nothing else."""

from dataclasses import dataclass

from offchain.chain.games import GameView
from offchain.chain.records import Address, Claim, Task, TaskId, Terms, Timestamp
from protocol.types import Wei


@dataclass(frozen=True)
class TaskView:
    """A task that is posted or assigned."""

    task: Task
    terms: Terms


@dataclass(frozen=True)
class ClaimView:
    """A claim that is not settled: pending, or slashed with games left to drop."""

    task: Task
    terms: Terms
    claim: Claim
    games: tuple[GameView, ...] = ()  # those that have not ended
    challenged: bool = False  # by the agent itself, now or before


@dataclass(frozen=True)
class AgentView:
    """One pinned block."""

    address: Address
    now: Timestamp
    tasks: tuple[TaskView, ...] = ()
    claims: tuple[ClaimView, ...] = ()
    owed_rewards: Wei = Wei(0)
    owed_bonds: Wei = Wei(0)
    # Tasks about which a claim of the agent's own was refuted.
    slashed: frozenset[TaskId] = frozenset()
