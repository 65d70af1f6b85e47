# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title DescriptorMock
@notice Exposes the functions of `modules/descriptor.vy` to tests.
"""


from ..interfaces import IStepVerifier
from ..modules import descriptor


@external
@pure
def hash_header(header: IStepVerifier.Header) -> bytes32:
    return descriptor.hash_header(header)


@external
@pure
def check_slot(
    header: IStepVerifier.Header,
    slot: uint256,
    opened: IStepVerifier.SlotDescriptor,
    path: DynArray[bytes32, 24],
):
    descriptor.check_slot(header.slots_root, header.slots, slot, opened, path)


@external
@pure
def compute_tensor_height(size: uint256, dtype: uint256) -> uint256:
    return descriptor.compute_tensor_height(size, dtype)
