# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title opening
@notice Opens elements of a committed tensor, proved against the vector that its root belongs to;
        mirrors `protocol/opening.py`.
"""


from ..interfaces import IStepVerifier
from . import descriptor
from . import merkle


# Where a tensor is committed: leaf `index` of a vector of `count` roots; and what it holds.
struct Commitment:
    vector_root: bytes32
    count: uint256
    index: uint256
    # Elements.
    size: uint256
    dtype: uint256


MAX_RANK: constant(uint256) = 2**3  # = 8
MAX_PATH: constant(uint256) = 24
# A tree of at most 24 levels over 1 KiB leaves.
MAX_ELEMENTS: constant(uint256) = 2**32
LEAF_BYTES: constant(uint256) = 2**10  # = 1024
F32: constant(uint256) = 1
I32: constant(uint256) = 2
HALF: constant(uint256) = 2**32 - 1  # the lower half of an i64
# Every other byte, and every other pair of bytes, the lowest included.
ODD_BYTES: constant(uint256) = max_value(uint256) // (2**16 - 1) * (2**8 - 1)
ODD_PAIRS: constant(uint256) = max_value(uint256) // (2**32 - 1) * (2**16 - 1)


@internal
@pure
def compute_size(shape: uint64[MAX_RANK], rank: uint256) -> uint256:
    """
    @notice Elements of a tensor.
    @custom:reverts "verifier: tensor too large"
    """
    size: uint256 = 1
    for axis: uint256 in range(rank, bound=MAX_RANK):
        # unsafe: below 2**32 times below 2**64
        size = unsafe_mul(size, convert(shape[axis], uint256))
        assert size <= MAX_ELEMENTS, "verifier: tensor too large"
    return size


@internal
@pure
def compute_coordinates(
    shape: uint64[MAX_RANK], rank: uint256, element: uint256
) -> uint256[MAX_RANK]:
    """
    @notice The element's coordinates, row-major; zero beyond the rank.
    @custom:reverts "verifier: rank out of range", "verifier: element out of bounds"
    """
    assert rank <= MAX_RANK, "verifier: rank out of range"
    coordinates: uint256[MAX_RANK] = empty(uint256[MAX_RANK])
    rest: uint256 = element
    axis: uint256 = rank
    for _: uint256 in range(rank, bound=MAX_RANK):
        # unsafe: counts down from the rank, as often as the rank says
        axis = unsafe_sub(axis, 1)
        length: uint256 = convert(shape[axis], uint256)
        assert length != 0, "verifier: element out of bounds"
        coordinates[axis] = rest % length
        # unsafe: the length is not zero
        rest = unsafe_div(rest, length)
    assert rest == 0, "verifier: element out of bounds"
    return coordinates


@internal
@pure
def compute_position(
    operand: IStepVerifier.Operand, coordinates: uint256[MAX_RANK]
) -> int256:
    """
    @notice The index map at these coordinates; may lie outside the tensor.
    """
    position: int256 = convert(operand.offset, int256)
    for axis: uint256 in range(MAX_RANK):
        if coordinates[axis] != 0:
            stride: int256 = convert(operand.strides[axis], int256)
            # unsafe: a coordinate is below 2**65, a stride below 2**63 in size
            position = unsafe_add(
                position, unsafe_mul(convert(coordinates[axis], int256), stride)
            )
    return position


@internal
@pure
def open_elements(
    commitment: Commitment,
    opening: IStepVerifier.TensorOpening,
    position: int256,
    length: uint256,
) -> uint256[32]:
    """
    @notice 1 to 256 neighbouring elements, as the 32-byte words of their bytes; what follows the
            last element is arbitrary.
    @dev `length` elements of the type are at most 1024 bytes, and |position| is below 2**255.
    @custom:reverts "verifier: unknown dtype", "verifier: position out of bounds", "verifier: wrong
            tensor", "verifier: wrong number of leaves", "verifier: wrong leaf length", "verifier:
            wrong path length", "verifier: wrong leaf", "verifier: index out of range"
    """
    element_shift: uint256 = descriptor.compute_element_shift(commitment.dtype)
    assert position >= 0, "verifier: position out of bounds"
    first_element: uint256 = convert(position, uint256)
    # unsafe: both are below 2**255
    assert (
        unsafe_add(first_element, length) <= commitment.size
    ), "verifier: position out of bounds"
    found: bool = descriptor.is_member(
        commitment.vector_root,
        commitment.count,
        commitment.index,
        opening.root,
        opening.root_path,
    )
    assert found, "verifier: wrong tensor"

    # unsafe: the size of a tensor is below 2**128
    start: uint256 = first_element << element_shift
    first: uint256 = start >> 10
    last: uint256 = unsafe_sub(unsafe_add(start, length << element_shift), 1) >> 10
    count: uint256 = unsafe_add(unsafe_sub(last, first), 1)
    assert len(opening.leaves) == count, "verifier: wrong number of leaves"
    assert len(opening.leaf_paths) == count, "verifier: wrong number of leaves"
    leaf_count: uint256 = descriptor.compute_leaf_count(commitment.size, commitment.dtype)
    for i: uint256 in range(count, bound=2):
        assert len(opening.leaves[i]) == LEAF_BYTES, "verifier: wrong leaf length"
        assert (
            descriptor.is_height(len(opening.leaf_paths[i]), leaf_count)
        ), "verifier: wrong path length"
        root: bytes32 = merkle.compute_root_from_path(
            merkle.compute_leaf(opening.leaves[i]), unsafe_add(first, i), opening.leaf_paths[i]
        )
        assert root == opening.root, "verifier: wrong leaf"

    # A single leaf is doubled, so that 1024 bytes follow every start; the copy is never read.
    leaves: Bytes[2048] = concat(
        opening.leaves[0], opening.leaves[unsafe_sub(count, 1)]
    )
    return abi_decode(slice(leaves, start & (LEAF_BYTES - 1), LEAF_BYTES), uint256[32])


@internal
@pure
def swap_bytes(word: uint256) -> uint256:
    """
    @notice Reverses the bytes of each of the eight 4-byte groups of a word.
    """
    swapped: uint256 = ((word & ODD_BYTES) << 8) | ((word >> 8) & ODD_BYTES)
    return ((swapped & ODD_PAIRS) << 16) | ((swapped >> 16) & ODD_PAIRS)


@internal
@pure
def decode_word(word: uint256, dtype: uint256) -> uint256:
    """
    @notice The word of the element that the highest bytes of `word` hold: f32 bits zero-extended,
            integers sign-extended.
    """
    groups: uint256 = self.swap_bytes(word)
    if dtype == F32:
        return groups >> 224
    if dtype == I32:
        return self.extend_sign(groups >> 224)
    # An i64's lower half comes first.
    upper: uint256 = self.extend_sign((groups >> 192) & HALF)
    return (upper << 32) | (groups >> 224)


@internal
@pure
def extend_sign(word: uint256) -> uint256:
    """
    @notice The i32 that the lowest 32 bits hold, sign-extended.
    """
    lowest: uint256 = word & HALF
    # unsafe: takes 2**32 from what has its sign bit set
    return unsafe_sub(lowest, (lowest & 2**31) << 1)
