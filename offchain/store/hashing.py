"""Roots of tensors of any size in bounded memory: 32 bytes are held for each MiB."""

from collections.abc import Callable

from protocol.merkle import ZERO_LEAF, Tree, compute_leaf, compute_leaf_count, get_leaf_data
from protocol.types import LEAF_BYTES, Root

BLOCK_HEIGHT = 10
BLOCK_BYTES = LEAF_BYTES * 2**BLOCK_HEIGHT  # = 1 MiB

Advance = Callable[[int], None]  # is told of each further number of bytes that are done


def compute_root(data: memoryview, advance: Advance | None = None) -> Root:
    """The tensor root of these bytes, as `protocol.merkle.compute_tensor_root` defines it."""
    if len(data) <= BLOCK_BYTES:
        root = Tree(_compute_leaves(data), ZERO_LEAF).root
        if advance is not None:
            advance(len(data))
        return root
    tops = []
    for start in range(0, len(data), BLOCK_BYTES):
        block = data[start : start + BLOCK_BYTES]
        tops.append(Tree(_compute_leaves(block), ZERO_LEAF, BLOCK_HEIGHT).root)
        if advance is not None:
            advance(len(block))
    return Tree(tops, Tree([], ZERO_LEAF, BLOCK_HEIGHT).root).root


def _compute_leaves(data: memoryview) -> list[Root]:
    return [compute_leaf(get_leaf_data(data, i)) for i in range(compute_leaf_count(len(data)))]
