# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title pricing
@notice What a task must at least be posted with, and what its auction offers; mirrors
        `protocol/pricing.py`. Amounts are in the token's smallest unit, times in seconds, rates
        in units for 10**9 operations.
"""


RATE_OPERATIONS: constant(uint256) = 10**9
# Three factors of 64 bits and a rate of 64 bits stay below 2**256 - 10**9: whatever is declared,
# no price overflows.
MAX_RATE: constant(uint256) = 2**64 - 1


@internal
@pure
def compute_segment_operations(segment_length: uint64, step_operations: uint64) -> uint256:
    """
    @notice Operations of one segment; below 2**128.
    """
    return convert(segment_length, uint256) * convert(step_operations, uint256)


@internal
@pure
def compute_run_operations(
    segments: uint64, segment_length: uint64, step_operations: uint64
) -> uint256:
    """
    @notice Operations of the whole run; below 2**192.
    """
    return convert(segments, uint256) * self.compute_segment_operations(
        segment_length, step_operations
    )


@internal
@pure
def compute_least_amount(least: uint256, rate: uint256, operations: uint256) -> uint256:
    """
    @notice The least stake or bond for that many operations, rounded up.
    @param least The least of any task.
    @param rate At most MAX_RATE.
    @param operations Below 2**192.
    """
    return max(least, (rate * operations + RATE_OPERATIONS - 1) // RATE_OPERATIONS)


@internal
@pure
def compute_least_seconds(operations: uint256, operations_per_second: uint256) -> uint256:
    """
    @notice Time in which that many operations can be executed, rounded up.
    @param operations Below 2**192.
    @param operations_per_second 1 to MAX_RATE.
    """
    return (operations + operations_per_second - 1) // operations_per_second


@internal
@pure
def compute_reward(
    min_reward: uint256, max_reward: uint256, auction_seconds: uint256, elapsed: uint256
) -> uint256:
    """
    @notice What the auction offers `elapsed` seconds after it began, rounded down.
    @param max_reward min_reward to 2**128 - 1.
    """
    if elapsed >= auction_seconds:
        return max_reward
    return min_reward + (max_reward - min_reward) * elapsed // auction_seconds
