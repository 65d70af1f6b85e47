"""Committing a state: its root, beside plain SHA-256 over the same bytes.

`python -m scripts.bench.hashing` prints the table. The peer hashes the bytes in one stream on one
core; the tree hashes 1 KiB leaves and their nodes, about 9% more bytes.
"""

import hashlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from offchain.runner.commitments import compute_tensor_root

MEBIBYTES = (1, 16, 64)
REPETITIONS = 5
Hashed = TypeVar("Hashed")


@dataclass(frozen=True)
class HashFigure:
    """Medians for a tensor of some size."""

    mebibytes: int
    tree_seconds: float
    plain_seconds: float

    @property
    def ratio(self) -> float:
        """Speed of the tree over the speed of plain SHA-256."""
        return self.plain_seconds / self.tree_seconds


def _time(action: Callable[[Hashed], object], data: Hashed) -> float:
    start = time.perf_counter()
    action(data)
    return time.perf_counter() - start


def measure_hashing() -> list[HashFigure]:
    """Alternate the two; medians."""
    figures = []
    for mebibytes in MEBIBYTES:
        tensor = torch.randn(mebibytes * 2**18)
        data = tensor.numpy().tobytes()
        times = [
            (_time(compute_tensor_root, tensor), _time(hashlib.sha256, data))
            for _ in range(REPETITIONS + 1)
        ][1:]
        figures.append(
            HashFigure(
                mebibytes,
                statistics.median(t for t, _ in times),
                statistics.median(t for _, t in times),
            )
        )
    return figures


def format_table(figures: list[HashFigure]) -> str:
    """Markdown."""
    lines = ["| MiB | tensor root GB/s | plain SHA-256 GB/s | ratio |", "|---|---|---|---|"]
    for f in figures:
        size = f.mebibytes * 2**20 / 1e9
        lines.append(
            f"| {f.mebibytes} | {size / f.tree_seconds:.2f} | {size / f.plain_seconds:.2f} "
            f"| {f.ratio:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(format_table(measure_hashing()))
