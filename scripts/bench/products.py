"""Exact matrix products, quantisation included, beside PyTorch's own.

`python -m scripts.bench.products [--device cuda]`. On a CPU the peer is float32 `torch.mm`, on a
GPU bf16. "float64" is the path of machines without int8 units.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from offchain.kernels import fused, int8
from offchain.kernels.settings import numeric_settings
from scripts.bench.goals import note

SIZES = {"cpu": (512, 1024, 2048, 4096), "cuda": (4096, 8192)}
BITS = (15, 14, 8)
REPETITIONS = 7


@dataclass(frozen=True)
class ProductFigure:
    """Medians of one size: seconds by bits, by bits without int8 units, and of the peer."""

    size: int
    exact: dict[int, float]
    portable: dict[int, float]
    peer: float


def _take_turns(work: list[Callable[[], object]], device: torch.device) -> list[float]:
    times: list[list[float]] = [[] for _ in work]
    for _ in range(REPETITIONS + 1):
        for own, action in zip(times, work):
            start = time.perf_counter()
            action()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            own.append(time.perf_counter() - start)
    return [statistics.median(own[1:]) for own in times]


def measure_products(device_name: str) -> list[ProductFigure]:
    """All sizes; everything takes turns."""
    device = torch.device(device_name)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    figures = []
    for size in SIZES[device.type]:
        generator = torch.Generator().manual_seed(size)
        a, b = (torch.randn(size, size, generator=generator).to(device) for _ in range(2))
        c, d = a.to(dtype), b.to(dtype).T

        def multiply(bits: int, a: torch.Tensor = a, b: torch.Tensor = b) -> torch.Tensor:
            return fused.exact_matmul(a, b, bits, bits)

        def by_float64(bits: int) -> torch.Tensor:
            usable, int8.is_usable = int8.is_usable, lambda *_: False
            try:
                return multiply(bits)
            finally:
                int8.is_usable = usable

        with numeric_settings():
            work: list[Callable[[], object]] = [lambda c=c, d=d: torch.mm(c, d)]  # type: ignore[misc]
            work += [lambda bits=bits: multiply(bits) for bits in BITS]  # type: ignore[misc]
            if device.type == "cpu":
                work.append(lambda: by_float64(BITS[0]))
            peer, *times = _take_turns(work, device)
        portable = {BITS[0]: times.pop()} if device.type == "cpu" else {}
        figures.append(ProductFigure(size, dict(zip(BITS, times)), portable, peer))
    return figures


def format_table(figures: list[ProductFigure]) -> str:
    """Markdown; ratios are to the peer's time."""
    heads = [f"b={bits}" for bits in BITS]
    if figures[0].portable:
        heads.append(f"b={BITS[0]}, float64")
    lines = [f"| size | peer ms | {' | '.join(heads)} |", "|---:|" + "---:|" * (1 + len(heads))]
    for f in figures:
        times = [*f.exact.values(), *f.portable.values()]
        cells = " | ".join(f"{t * 1e3:.1f} ms, {t / f.peer:.2f}x" for t in times)
        lines.append(f"| {f.size} | {f.peer * 1e3:.1f} | {cells} |")
    return "\n".join(lines)


def measure_table(device: str) -> str:
    """Markdown."""
    figures = measure_products(device)
    if device == "cpu":
        for f in figures:
            what = f"product {f.size}, of float32"
            note(f"{what}, b=15, int8 units", f.exact[15] / f.peer, 1.1, unit="x")
            note(f"{what}, b=15, float64", f.portable[15] / f.peer, 2.2, unit="x")
    else:
        for f in figures:
            for bits, least in ((15, 0.46), (14, 0.58), (8, 1.2)):
                what = f"speed of product {f.size}, b={bits}, of bf16"
                note(what, f.peer / f.exact[bits], least, is_least=True, unit="x")
    return format_table(figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=tuple(SIZES), default="cpu")
    print(measure_table(parser.parse_args().device))
