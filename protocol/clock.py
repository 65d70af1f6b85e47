"""Chess clocks: whose time runs, how much of it a move may use, what is charged for it.

Mirrored by `contracts/modules/clock.vy`. Times are seconds, points in time seconds since the
epoch; a side's clock runs only while it owes the move.
"""

from protocol.types import Seconds


def compute_allowance(left: Seconds, minimum: Seconds, extra: Seconds) -> Seconds:
    """Time that the owed move has: the side's budget, at least the minimum, plus the extra."""
    return Seconds(max(left, minimum) + extra)


def is_expired(since: Seconds, now: Seconds, allowance: Seconds) -> bool:
    """Whether a move owed since `since` is late; its last second is since + allowance."""
    return now > since + allowance


def compute_left(left: Seconds, elapsed: Seconds, extra: Seconds) -> Seconds:
    """The budget after a move that took `elapsed`; the extra time is not charged."""
    return Seconds(left - min(left, max(elapsed, extra) - extra))
