"""Roots and trees of torch tensors, equal to `protocol.merkle` on the same bytes.

What is committed has canonical NaNs; kernels leave theirs as the device made them, so this is
where they are put right, once per commitment instead of once per instruction.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from offchain.kernels.cuda import checks
from offchain.kernels.maps import canonicalize
from offchain.kernels.sha256 import DIGEST_BYTES, compute_digests
from protocol.merkle import (
    ZERO_LEAF,
    Tree,
    compute_leaf,
    compute_node,
    compute_vector_tree,
    get_leaf_data,
)
from protocol.types import LEAF_BYTES, Array, Root, compute_ceil_log2

LEAF_PREFIX, NODE_PREFIX = 0, 1


def to_committed(tensor: Tensor) -> Array:
    """The tensor as it is committed: on the host, row-major, NaNs canonical."""
    tensor = tensor.detach()
    if tensor.dtype is torch.float32 and bool(torch.isnan(tensor.sum())):
        # Infinities of both signs make the sum NaN too; canonicalising is then only a copy.
        tensor = canonicalize(tensor)
    return tensor.contiguous().cpu().numpy()


class CompactTree(Tree):
    """A `Tree` that holds each level in one string: 64 bytes per leaf."""

    def __init__(self, level: bytes, padding: bytes):
        self.count = len(level) // DIGEST_BYTES
        self.height = compute_ceil_log2(self.count)
        self._paddings = [Root(padding)]
        self._blobs = [level]
        for _ in range(self.height):
            pad = self._paddings[-1]
            level = _compute_next_level(level, pad)
            self._blobs.append(level)
            self._paddings.append(compute_node(pad, pad))

    def get_node(self, height: int, index: int) -> Root:
        """The node `index` (from the left) at `height` above the leaves."""
        start = index * DIGEST_BYTES
        if start < len(self._blobs[height]):
            return Root(self._blobs[height][start : start + DIGEST_BYTES])
        return self._paddings[height]


def _compute_next_level(level: bytes, padding: bytes) -> bytes:
    if (len(level) // DIGEST_BYTES) % 2:
        level += padding
    return compute_digests(np.frombuffer(level, np.uint8), 2 * DIGEST_BYTES, NODE_PREFIX)


def compute_leaves(array: Array) -> bytes:
    """The hashes of a tensor's leaves, one after the other."""
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = data.size - data.size % LEAF_BYTES
    leaves = compute_digests(data[:whole], LEAF_BYTES, LEAF_PREFIX)
    if whole < data.size:
        leaves += compute_leaf(get_leaf_data(data.data, whole // LEAF_BYTES))
    return leaves or ZERO_LEAF


def compute_tensor_tree(tensor: Tensor) -> CompactTree:
    """Tree over a tensor's bytes as committed."""
    return CompactTree(compute_leaves(to_committed(tensor)), ZERO_LEAF)


def compute_tensor_root(tensor: Tensor) -> Root:
    """Root of a tensor; no level is kept."""
    return compute_tensor_roots([tensor])[0]


def compute_tensor_roots(tensors: Sequence[Tensor]) -> list[Root]:
    """Roots of tensors that lie on one device, computed there if it can."""
    if tensors and tensors[0].device.type == "cuda" and checks.has_trees(tensors[0].device):
        from offchain.kernels.cuda.sha256 import compute_roots

        return compute_roots(tensors)
    return [_compute_root(tensor) for tensor in tensors]


def _compute_root(tensor: Tensor) -> Root:
    level, padding = compute_leaves(to_committed(tensor)), ZERO_LEAF
    while len(level) > DIGEST_BYTES:
        level = _compute_next_level(level, padding)
        padding = compute_node(padding, padding)
    return Root(level)


def compute_state_tree(state: Sequence[Tensor]) -> Tree:
    """Vector tree over the slots' tensor roots."""
    return compute_vector_tree(compute_tensor_roots(state))


def compute_state_root(state: Sequence[Tensor]) -> Root:
    """Vector root over the slots' tensor roots."""
    return compute_state_tree(state).root
