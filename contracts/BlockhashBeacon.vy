# pragma version ==0.4.3
# pragma nonreentrancy on
"""
@title BlockhashBeacon
@notice Seeds from the hashes of blocks after the claim.
        Documentation of every function, and who could bias it: IBeacon.vyi, IBlockhashBeacon.vyi.
"""


from .interfaces import IBeacon
from .interfaces import IBlockhashBeacon

implements: IBeacon
implements: IBlockhashBeacon


# The EVM knows the hashes of so many blocks.
WINDOW_BLOCKS: constant(uint256) = 2**8  # = 256
# More is a mistake in the units: no lottery waits that long.
MAX_DELAY_BLOCKS: constant(uint256) = 2**16


lottery: public(immutable(address))
delay_blocks: public(immutable(uint256))

seed_of: public(HashMap[uint256, bytes32])
target_of: public(HashMap[uint256, uint256])


@deploy
def __init__(lottery_: address, delay_blocks_: uint256):
    """
    @param lottery_ Where the AuditLottery will be.
    @param delay_blocks_ 1 to 65,536: more than the chain is likely to reorganise.
    """
    assert lottery_ != empty(address), "beacon: zero lottery"
    assert (
        delay_blocks_ != 0 and delay_blocks_ <= MAX_DELAY_BLOCKS
    ), "beacon: delay out of range"
    # Chains without block hashes cannot carry this beacon.
    assert block.number != 0, "beacon: no block hashes"
    assert blockhash(block.number - 1) != empty(bytes32), "beacon: no block hashes"
    lottery = lottery_
    delay_blocks = delay_blocks_


@external
def process_claimed(claim_id: uint256):
    assert msg.sender == lottery, "beacon: not lottery"
    self._set_target(claim_id)


@external
def fix(claim_id: uint256) -> bytes32:
    target: uint256 = self._get_open_target(claim_id)
    assert block.number > target, "beacon: too early"
    assert block.number - target <= WINDOW_BLOCKS, "beacon: too late"
    hash: bytes32 = blockhash(target)
    # A seed from nothing could be foreseen.
    assert hash != empty(bytes32), "beacon: no block hashes"
    seed: bytes32 = sha256(concat(hash, convert(claim_id, bytes32)))
    self.seed_of[claim_id] = seed
    log IBeacon.SeedFixed(claim_id=claim_id, seed=seed)
    return seed


@external
def restart(claim_id: uint256):
    target: uint256 = self._get_open_target(claim_id)
    assert block.number > target + WINDOW_BLOCKS, "beacon: not too late"
    self._set_target(claim_id)


@internal
@view
def _get_open_target(claim_id: uint256) -> uint256:
    target: uint256 = self.target_of[claim_id]
    assert target != 0, "beacon: unknown claim"
    assert self.seed_of[claim_id] == empty(bytes32), "beacon: seed known"
    return target


@internal
def _set_target(claim_id: uint256):
    target: uint256 = block.number + delay_blocks
    self.target_of[claim_id] = target
    log IBlockhashBeacon.TargetSet(claim_id=claim_id, target=target)
