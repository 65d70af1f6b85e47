# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title MerkleMock
@notice Exposes the functions of `modules/merkle.vy` to tests.
"""


from ..modules import merkle


@external
@pure
def compute_node(left: bytes32, right: bytes32) -> bytes32:
    return merkle.compute_node(left, right)


@external
@pure
def compute_leaf(data: Bytes[1024]) -> bytes32:
    return merkle.compute_leaf(data)


@external
@pure
def compute_height(count: uint256) -> uint256:
    return merkle.compute_height(count)


@external
@pure
def compute_root_from_path(
    leaf: bytes32, index: uint256, path: DynArray[bytes32, 24]
) -> bytes32:
    return merkle.compute_root_from_path(leaf, index, path)


@external
@pure
def compute_root_from_descendants(values: DynArray[bytes32, 32]) -> bytes32:
    return merkle.compute_root_from_descendants(values)
