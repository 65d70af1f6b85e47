"""Chains of maps as one Triton kernel each, generated from what LLVM compiles for a CPU."""

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor

from offchain.kernels.chains import Chain, CompiledChain, Step, emit_step
from offchain.kernels.cuda.emitter import F32, I32, SourceEmitter, Value
from offchain.kernels.cuda.launch import OPTIONS, compile_source
from offchain.kernels.reading import TORCH_DTYPES
from protocol.types import Dtype

BLOCK = 1024
AXES = 4  # that a chain may run along
NAME = "chain"


def write_source(
    steps: tuple[Step, ...], floats: tuple[bool, ...], axes: int, is_wide: bool
) -> str:
    """Source of a kernel: leaves, output, element count, inner lengths, strides and offsets.

    Only the last `axes` lengths are more than 1; `is_wide` says that positions need 64 bits.
    """
    count = len(floats)
    used = range(AXES - axes, AXES)
    e = SourceEmitter()
    values = []
    for i, is_float in enumerate(floats):
        place = " + ".join([f"at{i}", *(f"i{axis} * s{axis}_{i}" for axis in used)])
        kind = F32 if is_float else I32
        values.append(e.b.write(kind, f"tl.load(leaf{i} + ({place}), mask=inside, other=0)"))
    results: list[Value] = []
    for step in steps:
        operands = [results[o] if o >= 0 else values[~o] for o in step.operands]
        results.append(emit_step(e, step, operands))  # type: ignore[arg-type]
    # Divisions are slow: none where the elements lie in a line.
    indices, rest = [], "n"
    for axis in reversed(used):
        is_first = axis == used[0]
        indices.append(f"i{axis} = {rest}" + ("" if is_first else f" % length{axis}"))
        rest += f" // length{axis}"
    number = "tl.program_id(0).to(tl.int64)" if is_wide else "tl.program_id(0)"
    body = [
        f"n = {number} * BLOCK + tl.arange(0, BLOCK)",
        "inside = n < count",
        *indices,
        *e.b.lines,
        f"tl.store(out + n, {results[-1]}, mask=inside)",
    ]
    names = [*(f"leaf{i}" for i in range(count)), "out", "count"]
    names += [f"length{axis}" for axis in range(1, AXES)]
    for i in range(count):
        names += [*(f"s{axis}_{i}" for axis in range(AXES)), f"at{i}"]
    head = (
        f"import triton.language as tl\n\n\ndef {NAME}({', '.join(names)}, BLOCK: tl.constexpr):\n"
    )
    return head + "".join(f"    {line}\n" for line in body)


@cache
def _get_kernel(steps: tuple[Step, ...], floats: tuple[bool, ...], axes: int, is_wide: bool) -> Any:
    return compile_source(NAME, write_source(steps, floats, axes, is_wide))


class TritonChain(CompiledChain):
    """A chain made ready for its shape; called with the leaves' sources."""

    def __init__(self, chain: Chain):
        super().__init__(chain, AXES)
        axes = max(1, sum(length > 1 for length in self.lengths))
        sizes = [prod(chain.shape) + BLOCK, *(leaf.size for leaf in chain.leaves)]
        floats = tuple(leaf.dtype is Dtype.F32 for leaf in chain.leaves)
        self.numbers = self.lengths[1:]
        for leaf, own in zip(chain.leaves, self.strides):
            self.numbers += [*own, leaf.view.offset]
        self.kernel = None
        if self.is_usable:
            self.kernel = _get_kernel(chain.steps, floats, axes, max(sizes) >= 2**31)

    def __call__(self, sources: Sequence[Tensor], over: int | None = None) -> Tensor:
        """As the CPU's: with `over` the output is that leaf's source, element by element."""
        chain = self.chain
        if over is None:
            dtype = TORCH_DTYPES[chain.dtype]
            out = torch.empty(chain.shape, dtype=dtype, device=sources[0].device)
        else:
            out = sources[over].view(chain.shape)
        grid = (-(-out.numel() // BLOCK),)
        if out.numel():
            assert self.kernel is not None
            self.kernel[grid](*sources, out, out.numel(), *self.numbers, BLOCK=BLOCK, **OPTIONS)
        return out
