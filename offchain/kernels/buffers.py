"""Memory for large tensors on the CPU, kept between steps.

Every step allocates the same tensors again. The C library's allocator spreads them over twice the
memory that is in use at a time, or, told to give it back at once, spends a third of the step on
page faults. Here a tensor's memory comes from regions that stay, from the smallest gap that it
fits in, and goes back when its last reference does.
"""

import ctypes
import mmap
import threading
from collections import deque
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor

LARGE_BYTES = 2**18  # smaller tensors are the C library's
REGION_BYTES = 2**26
PAGE_BYTES = 2**12

Gap = tuple[int, int]  # region, first byte


class Pool:
    """Blocks of regions of anonymous memory; safe to use by several threads."""

    def __init__(self, region_bytes: int = REGION_BYTES):
        self.region_bytes = region_bytes
        self.regions: list[mmap.mmap] = []
        self._gaps: dict[Gap, int] = {}  # to the number of bytes
        self._ends: dict[Gap, int] = {}  # region, end -> first byte
        self._lock = threading.Lock()
        # A block may be returned by the collector at any moment, also while the lock is held.
        self._returned: deque[tuple[int, int, int]] = deque()

    def allocate(self, size: int) -> Any:
        """A buffer of at least `size` bytes, whose memory is free again when it is gone."""
        size = -(-size // PAGE_BYTES) * PAGE_BYTES
        with self._lock:
            self._take_back()
            fitting = [(own, gap) for gap, own in self._gaps.items() if own >= size]
            own, (region, start) = min(fitting) if fitting else self._grow(size)
            self._remove((region, start))
            if own > size:
                self._add(region, start + size, own - size)
        block = _get_block_type(size).from_buffer(self.regions[region], start)
        block.place = (self, region, start)
        return block

    def give_back(self, region: int, start: int, size: int) -> None:
        """Called when a block is gone."""
        self._returned.append((region, start, size))

    def count_used(self) -> int:
        """Bytes of blocks that are in use."""
        with self._lock:
            self._take_back()
            return sum(len(region) for region in self.regions) - sum(self._gaps.values())

    def release(self) -> None:
        """Give the memory of all gaps back to the system."""
        with self._lock:
            self._take_back()
            for (region, start), size in self._gaps.items():
                if hasattr(mmap, "MADV_DONTNEED"):
                    self.regions[region].madvise(mmap.MADV_DONTNEED, start, size)

    def _grow(self, size: int) -> tuple[int, Gap]:
        size = max(self.region_bytes, size)
        # Private, so that a child of a fork writes to pages of its own.
        region = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.regions.append(region)
        number = len(self.regions) - 1
        self._add(number, 0, size)
        return size, (number, 0)

    def _take_back(self) -> None:
        while self._returned:
            region, start, size = self._returned.popleft()
            after = self._gaps.get((region, start + size))
            if after is not None:
                self._remove((region, start + size))
                size += after
            before = self._ends.get((region, start))
            if before is not None:
                self._remove((region, before))
                start, size = before, size + start - before
            self._add(region, start, size)

    def _add(self, region: int, start: int, size: int) -> None:
        self._gaps[region, start] = size
        self._ends[region, start + size] = start

    def _remove(self, gap: Gap) -> None:
        region, start = gap
        del self._ends[region, start + self._gaps.pop(gap)]


@cache
def _get_block_type(size: int) -> Any:
    class Block(ctypes.c_char * size):  # type: ignore[misc]
        __slots__ = ("place",)

        def __del__(self) -> None:
            pool, region, start = self.place
            pool.give_back(region, start, size)

    return Block


POOL = Pool()


CPU = torch.device("cpu")


def empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device = CPU) -> Tensor:
    """A contiguous tensor of any content."""
    count = prod(shape)
    size = count * dtype.itemsize
    if size < LARGE_BYTES or device != CPU:
        return torch.empty(shape, dtype=dtype, device=device)
    block = POOL.allocate(size)
    return torch.frombuffer(block, dtype=dtype, count=count).view(shape)
