"""Does this machine compute Crux's unary functions? All 2**32 inputs, or an even sample.

Each result of each of the runner's kernels is compared with the correctly rounded one. Where the
platform's float64 value lies further than `SAFE_DISTANCE` (relative) from a rounding boundary of
binary32, rounding it is right, because no float64 library in use errs by anything near that; where
it lies nearer, exact integers decide (`protocol.elementary`).

The digest covers the results themselves, in input order. Two platforms that agree on it compute
the same bits, whatever the quality of their libraries; the digests of correctly rounded results
are published in `conformance_digests.json`.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from offchain.kernels import unary
from offchain.kernels.fast_unary import get_kernels
from offchain.kernels.paths import describe_paths
from protocol import elementary, float32
from protocol.instructions import Opcode

PATTERNS = 2**32
SAMPLE_STRIDE = 65537  # prime, so that the sample meets every exponent and all kinds of fractions
CHUNK = 2**20  # inputs at a time: 8 MiB per float64 temporary
SAFE_DISTANCE = 2.0**-46  # relative; 64 units in the last place of a float64
EXAMPLES = 16  # mismatches that a report spells out
DIGESTS_PATH = Path(__file__).with_name("conformance_digests.json")

Kernel = Callable[[Tensor], Tensor]
Progress = Callable[[int, int], None]  # inputs done, inputs in all


@dataclass(frozen=True)
class UnaryFunction:
    opcode: Opcode
    kernel: Kernel  # in torch, float32 -> float32, NaN bits canonical
    wide: Kernel  # the platform's float64 function
    exact: Callable[[int], int]  # on bit patterns, correctly rounded


FUNCTIONS = {
    "exp": UnaryFunction(Opcode.EXP, unary.exp, torch.exp, elementary.exp),
    "log": UnaryFunction(Opcode.LOG, unary.log, torch.log, elementary.log),
    "tanh": UnaryFunction(Opcode.TANH, unary.tanh, torch.tanh, elementary.tanh),
    "erf": UnaryFunction(Opcode.ERF, unary.erf, torch.erf, elementary.erf),
    "sqrt": UnaryFunction(Opcode.SQRT, unary.sqrt, torch.sqrt, float32.sqrt),
}


class UnknownFunction(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(f"no unary function {name!r}; there are {', '.join(FUNCTIONS)}")


@dataclass(frozen=True)
class Mismatch:
    """Three bit patterns."""

    argument: int
    result: int
    expected: int

    def __str__(self) -> str:
        return f"f({self.argument:#010x}) = {self.result:#010x}, not {self.expected:#010x}"


@dataclass
class ConformanceReport:
    function: str
    stride: int
    device: str
    inputs: int
    digest: str = ""  # SHA-256 of the results, little endian, in input order
    mismatches: int = 0
    examples: list[Mismatch] = field(default_factory=list)
    decided_exactly: list[int] = field(default_factory=list)  # arguments near a boundary
    seconds: float = 0.0

    def add(self, x: Tensor, result: Tensor, expected: Tensor) -> None:
        """Count and keep what is wrong with a kernel's results."""
        wrong = (result.view(torch.int32) != expected.view(torch.int32)).nonzero().flatten()
        self.mismatches += len(wrong)
        first = wrong[: EXAMPLES - len(self.examples)]
        triples = zip(
            to_patterns(x[first]),
            to_patterns(result[first]),
            to_patterns(expected[first]),
            strict=True,
        )
        self.examples += [Mismatch(*triple) for triple in triples]

    @property
    def published_digest(self) -> str | None:
        return published_digests().get(self.function, {}).get(str(self.stride))

    @property
    def is_conformant(self) -> bool:
        """No mismatch, and the published digest where there is one for this stride."""
        return self.mismatches == 0 and self.published_digest in (None, self.digest)


def published_digests() -> dict[str, dict[str, str]]:
    """Return function -> stride (as text) -> SHA-256."""
    if not DIGESTS_PATH.exists():
        return {}
    digests: dict[str, dict[str, str]] = json.loads(DIGESTS_PATH.read_text())
    return digests


def is_near_boundary(y: Tensor) -> Tensor:
    """Which float64 values lie within `SAFE_DISTANCE` of a rounding boundary of binary32?

    The overflow threshold is a boundary like the others: the midpoint above the largest number.
    """
    # A binary32 keeps 23 of the 52 fraction bits, so boundaries have 1 and 28 zeros below.
    below = y.view(torch.int64) & (2**29 - 1)
    near = (below - 2**28).abs_() <= int(2**52 * SAFE_DISTANCE)
    is_small = y.abs() < 2.0**-126
    if bool(is_small.any()):
        # Subnormals are the multiples of 2**-149, and boundaries lie halfway between.
        scaled = y[is_small].abs() * 2.0**149
        near[is_small] = (scaled.frac() - 0.5).abs() <= scaled * SAFE_DISTANCE
    return near


def arguments(start: int, stop: int, stride: int, device: str) -> Tensor:
    """Return the inputs number `start` to `stop`, as float32: the patterns i * stride."""
    patterns = torch.arange(start, stop, dtype=torch.int64, device=device) * stride
    signed = torch.where(patterns >= 2**31, patterns - 2**32, patterns)
    return signed.to(torch.int32).view(torch.float32)


def to_patterns(x: Tensor) -> list[int]:
    return [bits % PATTERNS for bits in x.view(torch.int32).tolist()]


def expected_results(function: UnaryFunction, x: Tensor) -> tuple[Tensor, list[int]]:
    """Return the correctly rounded results, and the arguments that exact integers decided."""
    y = function.wide(x.double())
    expected = unary.canonicalize_nan(y.float())
    hard = is_near_boundary(y).nonzero().flatten()
    hard_arguments = to_patterns(x[hard])
    if hard_arguments:
        exact = np.array([function.exact(bits) for bits in hard_arguments], dtype=np.uint32)
        expected[hard] = torch.from_numpy(exact.view(np.float32)).to(x.device)
    return expected, hard_arguments


def check_function(
    name: str,
    *,
    stride: int = 1,
    device: str = "cpu",
    kernel: Kernel | None = None,
    progress: Progress | None = None,
) -> ConformanceReport:
    """Judge `kernel` (default: all of the runner's) on the patterns 0, stride, 2 * stride ...

    Memory stays below 100 MiB. Raises `UnknownFunction`.
    """
    if name not in FUNCTIONS:
        raise UnknownFunction(name)
    function = FUNCTIONS[name]
    kernels = [kernel] if kernel else get_kernels(function.opcode, torch.device(device))
    inputs = -(-PATTERNS // stride)
    report = ConformanceReport(name, stride, device, inputs)
    digest = hashlib.sha256()
    started = time.monotonic()
    for start in range(0, inputs, CHUNK):
        stop = min(start + CHUNK, inputs)
        x = arguments(start, stop, stride, device)
        expected, hard_arguments = expected_results(function, x)
        report.decided_exactly += hard_arguments
        for kernel in kernels:
            result = unary.canonicalize_nan(kernel(x))
            report.add(x, result, expected)
        digest.update(result.cpu().numpy().astype("<f4", copy=False).data)
        if progress is not None:
            progress(stop, inputs)
    report.digest = digest.hexdigest()
    report.seconds = time.monotonic() - started
    return report


def compute_machine_digest(reports: Sequence[ConformanceReport]) -> str:
    """One SHA-256 for all functions: over the digests of their results, in order of the names."""
    ordered = sorted(reports, key=lambda report: report.function)
    digests = b"".join(bytes.fromhex(report.digest) for report in ordered)
    return hashlib.sha256(digests).hexdigest()


def main(argv: list[str] | None = None) -> int:
    import argparse

    from rich.console import Console
    from rich.progress import Progress as ProgressBar
    from rich.progress import TaskID, TimeElapsedColumn, TimeRemainingColumn

    parser = argparse.ArgumentParser(prog="python -m offchain.kernels.conformance")
    parser.add_argument("--function", choices=list(FUNCTIONS), help="one only; default: all")
    parser.add_argument(
        "--stride", type=int, default=1, help=f"{SAMPLE_STRIDE} for the published sample"
    )
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(argv)
    if options.stride < 1:
        parser.error("--stride must be at least 1")

    console = Console()
    for what, path in describe_paths(torch.device(options.device)).items():
        console.print(f"{what}: {path}", highlight=False)
    reports = []
    columns = (*ProgressBar.get_default_columns()[:3], TimeElapsedColumn(), TimeRemainingColumn())
    with ProgressBar(*columns, console=console) as bar:
        for name in [options.function] if options.function else FUNCTIONS:
            task = bar.add_task(name, total=None)

            def show(done: int, total: int, task: TaskID = task) -> None:
                bar.update(task, completed=done, total=total)

            reports.append(
                check_function(name, stride=options.stride, device=options.device, progress=show)
            )
    for report in reports:
        verdict = "conformant" if report.is_conformant else "NOT CONFORMANT"
        published = {
            None: "no digest is published for this stride",
            report.digest: "equals the published digest",
        }.get(report.published_digest, f"published: {report.published_digest}")
        console.print(
            f"{report.function:5} {verdict}: {report.inputs:,} inputs on {report.device}, "
            f"{report.mismatches:,} wrong, {len(report.decided_exactly):,} decided in exact "
            f"integers, {report.seconds:.1f} s",
            f"\n      sha256 {report.digest} ({published})",
            highlight=False,
        )
        for example in report.examples:
            console.print(f"      {example}", highlight=False)
    if not options.function:
        # What `crux register --conformance` takes.
        console.print(f"machine {compute_machine_digest(reports)}", highlight=False)
    return 0 if all(report.is_conformant for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
