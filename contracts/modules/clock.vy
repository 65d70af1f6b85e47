# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title clock
@notice Chess clocks: whose time runs, how much of it a move may use, what is charged for it.
        Mirrors `protocol/clock.py`. Times are seconds, points in time seconds since the epoch; a
        side's clock runs only while it owes the move.
"""


@internal
@pure
def compute_allowance(left: uint256, minimum: uint256, extra: uint256) -> uint256:
    """
    @notice Time that the owed move has: the side's budget, at least the minimum, plus the extra.
    """
    return max(left, minimum) + extra


@internal
@pure
def is_expired(since: uint256, now: uint256, allowance: uint256) -> bool:
    """
    @notice Whether a move owed since `since` is late; its last second is since + allowance.
    """
    return now > since + allowance


@internal
@pure
def compute_left(left: uint256, elapsed: uint256, extra: uint256) -> uint256:
    """
    @notice The budget after a move that took `elapsed`; the extra time is not charged.
    """
    # unsafe: no more is taken away than there is
    charged: uint256 = unsafe_sub(max(elapsed, extra), extra)
    return unsafe_sub(left, min(left, charged))
