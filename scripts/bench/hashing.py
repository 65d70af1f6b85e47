"""Committing a state: its root, beside plain SHA-256 over the same bytes.

`python -m scripts.bench.hashing` prints the table. The peer is `hashlib.sha256` of one slice of the
bytes per thread, on as many threads as the tree uses; the tree hashes 1 KiB leaves and their nodes,
19 blocks for 16. What else the machine does meets both alike.
"""

import hashlib
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch

from offchain.runner.commitments import compute_tensor_root
from protocol.types import Array
from scripts.bench.goals import note

MEBIBYTES = {"cpu": (1, 16, 64, 256), "cuda": (16, 256, 2048)}
REPETITIONS = 15
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


def measure_hashing(device: str) -> list[HashFigure]:
    """Alternate the two; medians."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return [_measure(mebibytes, pool, device) for mebibytes in MEBIBYTES[device]]


def _measure(mebibytes: int, pool: ThreadPoolExecutor, device: str) -> HashFigure:
    tensor = torch.randn(mebibytes * 2**18)
    lying = tensor.to(device)
    slices = [part.numpy() for part in tensor.chunk(torch.get_num_threads())]

    def hash_slices(parts: list[Array]) -> None:
        for _ in pool.map(hashlib.sha256, parts):
            pass

    times = [
        (_time(compute_tensor_root, lying), _time(hash_slices, slices))
        for _ in range(REPETITIONS + 1)
    ][1:]
    return HashFigure(
        mebibytes,
        statistics.median(t for t, _ in times),
        statistics.median(t for _, t in times),
    )


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


def measure_table(device: str) -> str:
    """Markdown."""
    figures = measure_hashing(device)
    for f in figures:
        if device == "cpu" and f.mebibytes >= 16:
            note(f"root of {f.mebibytes} MiB, of SHA-256 on all cores", f.ratio, 0.8, is_least=True)
    if device == "cuda":
        best = max(f.mebibytes * 2**20 / f.tree_seconds / 1e9 for f in figures)
        note("commitment", best, 100.0, is_least=True, unit=" GB/s")
    return format_table(figures)


if __name__ == "__main__":
    print(measure_table("cpu"))
