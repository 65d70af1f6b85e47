# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title merkle
@notice SHA-256 trees over tensors and over vectors of roots; mirrors `protocol/merkle.py`.

        Node = H(0x01 || left || right). A vector's leaves are the 32-byte values themselves,
        padded with zeros; a tensor's leaves are H(0x00 || 1 KiB of data), padded with
        H(0x00 || zeros). Callers know every tree's height from the program, and must check that
        a path has that length: only then can no leaf be passed off as a node.
"""


MAX_PATH: constant(uint256) = 24
LEAF_BYTES: constant(uint256) = 2**10  # = 1024
REVEAL_ARITY: constant(uint256) = 2**5  # = 32
# A bytes1 costs 50 gas less in `concat` than a literal of one byte.
LEAF_PREFIX: constant(bytes1) = 0x00
NODE_PREFIX: constant(bytes1) = 0x01


@internal
@pure
def compute_node(left: bytes32, right: bytes32) -> bytes32:
    """
    @notice H(0x01 || left || right).
    """
    return sha256(concat(NODE_PREFIX, left, right))


@internal
@pure
def compute_leaf(data: Bytes[1024]) -> bytes32:
    """
    @notice H(0x00 || data) for exactly one leaf of tensor data.
    @custom:reverts "merkle: leaf is not 1024 bytes"
    """
    assert len(data) == LEAF_BYTES, "merkle: leaf is not 1024 bytes"
    return sha256(concat(LEAF_PREFIX, data))


@internal
@pure
def compute_height(count: uint256) -> uint256:
    """
    @notice The smallest d with 2**d >= count: the height of a tree over `count` leaves.
    """
    # The bits of count - 1, halving the place where the highest one may be.
    rest: uint256 = max(count, 1) - 1
    height: uint256 = convert(rest >= 2**32, uint256) << 5
    height |= convert((rest >> height) >= 2**16, uint256) << 4
    height |= convert((rest >> height) >= 2**8, uint256) << 3
    height |= convert((rest >> height) >= 2**4, uint256) << 2
    height |= convert((rest >> height) >= 2**2, uint256) << 1
    height |= convert((rest >> height) >= 2, uint256)
    return height + convert(rest != 0, uint256)


@internal
@pure
def compute_root_from_path(
    leaf: bytes32, index: uint256, path: DynArray[bytes32, MAX_PATH]
) -> bytes32:
    """
    @notice Re-hash a value upwards along its siblings; bits of `index` from the lowest say the
            side. An index beyond 2**len(path) counts modulo that: callers bound it.
    """
    node: bytes32 = leaf
    position: uint256 = index
    for sibling: bytes32 in path:
        if position & 1 == 1:
            node = sha256(concat(NODE_PREFIX, sibling, node))
        else:
            node = sha256(concat(NODE_PREFIX, node, sibling))
        position = position >> 1
    return node


@internal
@pure
def compute_root_from_descendants(values: DynArray[bytes32, REVEAL_ARITY]) -> bytes32:
    """
    @notice The node above 2**d values.
    @custom:reverts "merkle: not a power of two"
    """
    length: uint256 = len(values)
    assert length != 0 and length & (length - 1) == 0, "merkle: not a power of two"
    level: DynArray[bytes32, REVEAL_ARITY] = values
    # Two generations at a time: fewer reads and writes of the array, which checks each.
    for _: uint256 in range(2):
        if length < 4:
            break
        length = length >> 2
        for i: uint256 in range(length, bound=8):
            # unsafe: i < 8
            first: uint256 = i << 2
            level[i] = sha256(
                concat(
                    NODE_PREFIX,
                    sha256(concat(NODE_PREFIX, level[first], level[unsafe_add(first, 1)])),
                    sha256(
                        concat(
                            NODE_PREFIX, level[unsafe_add(first, 2)], level[unsafe_add(first, 3)]
                        )
                    ),
                )
            )
    if length == 1:
        return level[0]
    return sha256(concat(NODE_PREFIX, level[0], level[1]))
