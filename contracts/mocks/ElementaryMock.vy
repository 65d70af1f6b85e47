# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title ElementaryMock
@notice Exposes the functions of `modules/elementary.vy` to tests.
"""


from ..modules import elementary


@external
@pure
def exp(a: uint256) -> uint256:
    return elementary.exp(a)


@external
@pure
def log_(a: uint256) -> uint256:
    return elementary.log_(a)


@external
@pure
def tanh(a: uint256) -> uint256:
    return elementary.tanh(a)


@external
@pure
def erf(a: uint256) -> uint256:
    return elementary.erf(a)
