"""Commitments: SHA-256 trees over tensors and over vectors of roots.

Both trees are the same: node = H(0x01 || left || right), leaves padded to a power of two. A
vector's leaves are the 32-byte values themselves, padded with zeros; a tensor's leaves are
H(0x00 || 1 KiB of little-endian row-major data), padded with H(0x00 || zeros). Heights are fixed
by the program, so a leaf can never be passed off as a node.
"""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from protocol.types import LEAF_BYTES, Array, Root, compute_ceil_log2

ZERO_VALUE = Root(bytes(32))


def compute_node(left: bytes, right: bytes) -> Root:
    """H(0x01 || left || right)."""
    return Root(sha256(b"\x01" + left + right).digest())


def compute_leaf(data: bytes) -> Root:
    """H(0x00 || data) for exactly one leaf of tensor data."""
    if len(data) != LEAF_BYTES:
        raise ValueError(f"leaf: {len(data)} bytes, expected {LEAF_BYTES}")
    return Root(sha256(b"\x00" + data).digest())


ZERO_LEAF = compute_leaf(bytes(LEAF_BYTES))


class Tree:
    """A tree held level by level; levels[0] are the leaves without padding.

    A tree without leaves is all padding: the root of no values is the zero value.
    """

    def __init__(self, leaves: Sequence[bytes], padding: bytes, height: int | None = None):
        self.count = len(leaves)
        self.height = compute_ceil_log2(len(leaves)) if height is None else height
        if len(leaves) > 2**self.height:
            raise ValueError(f"tree: {len(leaves)} leaves exceed height {self.height}")
        self._paddings = [Root(padding)]
        self._levels: list[list[Root]] = [[Root(leaf) for leaf in leaves]]
        for _ in range(self.height):
            pad, level = self._paddings[-1], self._levels[-1]
            ends = [*level, pad] if len(level) % 2 else level
            self._levels.append(
                [compute_node(ends[i], ends[i + 1]) for i in range(0, len(ends), 2)]
            )
            self._paddings.append(compute_node(pad, pad))

    @property
    def root(self) -> Root:
        """The commitment."""
        return self.get_node(self.height, 0)

    def get_node(self, height: int, index: int) -> Root:
        """The node `index` (from the left) at `height` above the leaves."""
        level = self._levels[height]
        return level[index] if index < len(level) else self._paddings[height]

    def get_path(self, index: int, height: int = 0, top: int | None = None) -> list[Root]:
        """Siblings from node (height, index) up to, not including, its ancestor at `top`."""
        top = self.height if top is None else top
        return [self.get_node(h, (index >> (h - height)) ^ 1) for h in range(height, top)]

    def get_descendants(self, height: int, index: int, depth: int) -> list[Root]:
        """The 2**depth descendants of node (height, index), left to right."""
        return [self.get_node(height - depth, (index << depth) + i) for i in range(2**depth)]


def compute_root_from_path(value: bytes, index: int, path: Sequence[bytes]) -> Root:
    """Re-hash a value upwards along its siblings; bits of `index` from the lowest say the side."""
    node = Root(value)
    for sibling in path:
        node = compute_node(sibling, node) if index & 1 else compute_node(node, sibling)
        index >>= 1
    return node


def compute_root_from_descendants(values: Sequence[bytes]) -> Root:
    """The node above 2**d values."""
    level = list(values)
    while len(level) > 1:
        level = [compute_node(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return Root(level[0])


def compute_vector_tree(values: Sequence[bytes]) -> Tree:
    """Tree over 32-byte values."""
    return Tree(values, ZERO_VALUE)


def compute_vector_root(values: Sequence[bytes]) -> Root:
    """Root of the tree over 32-byte values."""
    return compute_vector_tree(values).root


def compute_leaf_count(size_bytes: int) -> int:
    """Leaves that a tensor of so many bytes has before padding (at least one)."""
    return max(1, -(-size_bytes // LEAF_BYTES))


def get_leaf_data(data: bytes | memoryview, index: int) -> bytes:
    """The 1 KiB of leaf `index`, padded with zeros; all zero beyond the data."""
    return bytes(data[index * LEAF_BYTES : (index + 1) * LEAF_BYTES]).ljust(LEAF_BYTES, b"\0")


def compute_tensor_tree(array: Array) -> Tree:
    """Tree over a tensor's little-endian row-major bytes."""
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    leaves = [compute_leaf(get_leaf_data(data, i)) for i in range(compute_leaf_count(len(data)))]
    return Tree(leaves, ZERO_LEAF)


def compute_tensor_root(array: Array) -> Root:
    """Root of a tensor; its shape and type are the program's business."""
    return compute_tensor_tree(array).root
