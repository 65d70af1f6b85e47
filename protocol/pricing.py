"""What a task must at least be posted with, and what its auction offers.

Mirrored by `contracts/modules/pricing.vy`. The submitter declares the operations of one step, and
a worker refuses a program that takes more (`protocol.cost`). Stake, bond and re-execution time
follow from what is declared, all rounded up: a lie costs in proportion to what it saves, a
frivolous challenge in proportion to what it makes others do, and no segment is too long for the
clock of a game.
"""

from dataclasses import dataclass

from protocol.types import Seconds, Wei

RATE_OPERATIONS = 10**9  # what rates are for: an operation costs less than the smallest unit
# Three factors of 64 bits and a rate of 64 bits stay below 2**256 - 10**9, where the chain
# calculates: whatever is declared, no price overflows.
RATE_MAX = 2**64 - 1


@dataclass(frozen=True)
class Rates:
    """What a deployment asks for."""

    min_stake: Wei
    stake_rate: Wei  # for 10**9 operations of the run, at most RATE_MAX
    min_bond: Wei
    bond_rate: Wei  # for 10**9 operations of a segment, at most RATE_MAX
    operations_per_second: int  # that anybody who plays can execute, 1 to RATE_MAX


@dataclass(frozen=True)
class Minimums:
    """The least that a task can be posted with."""

    stake: Wei
    bond: Wei
    reexecution_seconds: Seconds


def compute_segment_operations(segment_length: int, step_operations: int) -> int:
    """Operations of one segment."""
    return segment_length * step_operations


def compute_run_operations(segments: int, segment_length: int, step_operations: int) -> int:
    """Operations of the whole run."""
    return segments * compute_segment_operations(segment_length, step_operations)


def compute_least_amount(least: Wei, rate: Wei, operations: int) -> Wei:
    """The least stake or bond for that many operations, rounded up."""
    return Wei(max(least, -(-rate * operations // RATE_OPERATIONS)))


def compute_least_seconds(operations: int, operations_per_second: int) -> Seconds:
    """Time in which that many operations can be executed, rounded up."""
    return Seconds(-(-operations // operations_per_second))


def compute_minimums(
    rates: Rates, segments: int, segment_length: int, step_operations: int
) -> Minimums:
    """The least that a task with these terms can be posted with."""
    run = compute_run_operations(segments, segment_length, step_operations)
    segment = compute_segment_operations(segment_length, step_operations)
    return Minimums(
        stake=compute_least_amount(rates.min_stake, rates.stake_rate, run),
        bond=compute_least_amount(rates.min_bond, rates.bond_rate, segment),
        reexecution_seconds=compute_least_seconds(segment, rates.operations_per_second),
    )


def compute_reward(
    min_reward: Wei, max_reward: Wei, auction_seconds: Seconds, elapsed: Seconds
) -> Wei:
    """What the auction offers `elapsed` seconds after it began, rounded down."""
    if elapsed >= auction_seconds:
        return max_reward
    return Wei(min_reward + (max_reward - min_reward) * elapsed // auction_seconds)
