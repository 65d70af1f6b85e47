# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title stake
@notice Who challenges in a game and with what bond, in one word: a pick, which must come from the
        challenger, reads it in one storage slot. The escrow keeps bonds below 2**96.
"""


BOND: constant(uint256) = 160  # the challenger is at 0
MASK_160: constant(uint256) = 2**160 - 1


@internal
@pure
def pack(challenger: address, bond: uint256) -> uint256:
    """
    @notice The challenger and its bond in one word.
    """
    return convert(challenger, uint256) | (bond << BOND)


@internal
@pure
def get_challenger(word: uint256) -> address:
    """
    @notice Who put the bond up.
    """
    return convert(word & MASK_160, address)


@internal
@pure
def get_bond(word: uint256) -> uint256:
    """
    @notice The bond.
    """
    return word >> BOND
