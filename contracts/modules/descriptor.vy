# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title descriptor
@notice Opens descriptors one by one against a program root; mirrors `protocol/descriptor.py`.

        A program root hashes a header, the header names three vectors of descriptor hashes, and
        each operator's descriptor names the vector of its instructions'. Every descriptor is
        static, so its ABI encoding is its words one after the other.
"""


from ..interfaces import IStepVerifier
from . import merkle


MAX_PATH: constant(uint256) = 24
F32: constant(uint256) = 1
I64: constant(uint256) = 3


@internal
@pure
def hash_header(header: IStepVerifier.Header) -> bytes32:
    """
    @notice The program root.
    """
    return sha256(abi_encode(header))


@internal
@pure
def check_header(program_root: bytes32, header: IStepVerifier.Header):
    """
    @custom:reverts "verifier: wrong header"
    """
    assert sha256(abi_encode(header)) == program_root, "verifier: wrong header"


@internal
@pure
def is_height(height: uint256, count: uint256) -> bool:
    """
    @notice Whether `height`, at most 24, is that of a tree over `count` leaves, count > 0.
    """
    return ((1 << height) >= count) and ((1 << height) >> 1 < count)


@internal
@pure
def is_member(
    root: bytes32,
    count: uint256,
    index: uint256,
    leaf: bytes32,
    path: DynArray[bytes32, MAX_PATH],
) -> bool:
    """
    @notice Whether `leaf` is number `index` of the vector of `count` values with that root.
    @dev An index at `count` or above and a path that is not as long as the tree is high have
         reasons of their own: they could pass padding or a node off as a leaf.
    @custom:reverts "verifier: index out of range", "verifier: wrong path length"
    """
    assert index < count, "verifier: index out of range"
    assert self.is_height(len(path), count), "verifier: wrong path length"
    return merkle.compute_root_from_path(leaf, index, path) == root


@internal
@pure
def check_slot(
    slots_root: bytes32,
    slots: uint32,
    slot: uint256,
    descriptor: IStepVerifier.SlotDescriptor,
    path: DynArray[bytes32, MAX_PATH],
):
    """
    @custom:reverts "verifier: wrong slot", and what `is_member` reverts with.
    """
    leaf: bytes32 = sha256(abi_encode(descriptor))
    count: uint256 = convert(slots, uint256)
    assert self.is_member(slots_root, count, slot, leaf, path), "verifier: wrong slot"


@internal
@pure
def check_field(
    fields_root: bytes32,
    fields: uint32,
    field: uint256,
    descriptor: IStepVerifier.FieldDescriptor,
    path: DynArray[bytes32, MAX_PATH],
):
    """
    @custom:reverts "verifier: wrong field", and what `is_member` reverts with.
    """
    leaf: bytes32 = sha256(abi_encode(descriptor))
    count: uint256 = convert(fields, uint256)
    assert self.is_member(fields_root, count, field, leaf, path), "verifier: wrong field"


@internal
@pure
def check_operator(
    operators_root: bytes32,
    operators: uint32,
    operator: uint256,
    descriptor: IStepVerifier.OperatorDescriptor,
    path: DynArray[bytes32, MAX_PATH],
):
    """
    @custom:reverts "verifier: wrong operator", and what `is_member` reverts with.
    """
    leaf: bytes32 = sha256(abi_encode(descriptor))
    count: uint256 = convert(operators, uint256)
    assert self.is_member(operators_root, count, operator, leaf, path), "verifier: wrong operator"


@internal
@pure
def check_instruction(
    instructions_root: bytes32,
    instructions: uint32,
    instruction: uint256,
    descriptor: IStepVerifier.Instruction,
    path: DynArray[bytes32, MAX_PATH],
):
    """
    @custom:reverts "verifier: wrong instruction", and what `is_member` reverts with.
    """
    leaf: bytes32 = sha256(abi_encode(descriptor))
    count: uint256 = convert(instructions, uint256)
    found: bool = self.is_member(instructions_root, count, instruction, leaf, path)
    assert found, "verifier: wrong instruction"


@internal
@pure
def compute_element_shift(dtype: uint256) -> uint256:
    """
    @notice log2 of the bytes of one element: 2 or 3.
    @custom:reverts "verifier: unknown dtype"
    """
    assert dtype >= F32, "verifier: unknown dtype"
    assert dtype <= I64, "verifier: unknown dtype"
    if dtype == I64:
        return 3
    return 2


@internal
@pure
def compute_leaf_count(size: uint256, dtype: uint256) -> uint256:
    """
    @notice Leaves of a tensor of `size` elements, which is below 2**128, before padding.
    @custom:reverts "verifier: unknown dtype"
    """
    # unsafe: a leaf holds 2**8 or 2**7 elements
    leaf_shift: uint256 = unsafe_sub(10, self.compute_element_shift(dtype))
    per_leaf: uint256 = 1 << leaf_shift
    return unsafe_add(size, unsafe_sub(per_leaf, 1)) >> leaf_shift


@internal
@pure
def compute_tensor_height(size: uint256, dtype: uint256) -> uint256:
    """
    @notice Height of the tree over a tensor of `size` elements, which is below 2**64.
    @custom:reverts "verifier: unknown dtype"
    """
    return merkle.compute_height(self.compute_leaf_count(size, dtype))
