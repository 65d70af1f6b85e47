# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title ThreefryMock
@notice Exposes the functions of `modules/threefry.vy` to tests.
"""


from ..modules import threefry


@external
@pure
def threefry2x32(key: uint256[2], counter: uint256[2]) -> (uint256, uint256):
    return threefry.threefry2x32(key, counter)


@external
@pure
def random24(key0: uint256, key1: uint256, position: uint256, counter: uint256) -> uint256:
    return threefry.random24(key0, key1, position, counter)
