"""Compile the kernels for an H100 with Triton's own compiler, which needs no GPU; run none.

A process of its own, because whether Triton interprets kernels is settled when they are imported.
Prints the name of every kernel that was compiled.
"""

from collections import Counter
from typing import Any

import numpy as np
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from offchain.kernels.chains import Chain, Step
from offchain.kernels.cuda import sha256
from offchain.kernels.cuda.chains import TritonChain
from offchain.kernels.cuda.digits import compute_digits
from offchain.kernels.cuda.products import TILES, multiply
from offchain.kernels.cuda.row_kernels import Mode, RowKernel
from offchain.kernels.cuda.rows import find_rows
from protocol.instructions import Opcode, Operand, Source
from protocol.types import Dtype
from protocol.views import contiguous
from tests.unit.offchain.kernels.samples import make_sample

ARCHITECTURE, LANES = 90, 32


class Target:
    """Stands for the driver of a device that is not there."""

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", ARCHITECTURE, LANES)


def record_compilations() -> Counter[str]:
    """Launches compile and end there; the names of what they compiled."""
    names: Counter[str] = Counter()
    run = JITFunction.run

    def compile_only(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> None:
        kernel = run(self, *args, grid=grid, warmup=True, **kwargs)
        assert "cubin" in kernel.asm
        names[self.fn.__name__] += 1

    driver.set_active(Target())
    JITFunction.run = compile_only  # type: ignore[method-assign]
    return names


def compile_products() -> None:
    """Every tile with every number of digits that it is chosen for, and both ways to quantise."""
    for tile in TILES:
        for bits in ((15, 15), (8, 8), (22, 15), (8, 22)):
            operands = [compute_digits(torch.zeros(1, 256, 256), b) for b in bits]
            multiply(*operands, tile)
    compute_digits(torch.zeros(1, 64, 256).mT, 15)


def compile_rows() -> None:
    """A layer norm's sums and a softmax, in every mode."""
    rng = np.random.default_rng(0)
    for kind in ("softmax", "log_softmax", "layer_norm_backward"):
        sample = make_sample(kind, rng)
        program = find_rows(sample.instructions)
        while program is None:
            sample = make_sample(kind, rng)
            program = find_rows(sample.instructions)
        for mode in Mode:
            RowKernel(program, mode)(sample.inputs)


def compile_chain() -> None:
    """The functions, one after the other."""
    functions = (Opcode.EXP, Opcode.LOG, Opcode.TANH, Opcode.ERF, Opcode.SQRT)
    leaf = Operand(Source.INPUT, 0, Dtype.F32, 900, contiguous((900,)))
    steps = [Step(Opcode.DIV, (~0, ~0))]
    steps += [Step(opcode, (n,)) for n, opcode in enumerate(functions)]
    TritonChain(Chain(tuple(steps), (leaf,), (900,), Dtype.F32))([torch.zeros(900)])


def main() -> None:
    """All of them."""
    names = record_compilations()
    compile_products()
    compile_rows()
    compile_chain()
    sha256.compute_roots([torch.zeros(2**16)])
    for name, count in sorted(names.items()):
        print(name, count)


if __name__ == "__main__":
    main()
