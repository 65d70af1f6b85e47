"""Chains of maps as one Triton kernel each, generated from what LLVM compiles for a CPU."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from offchain.kernels.chains import CompiledChain, Step, emit_step
from offchain.kernels.cuda.emitter import F32, I32, SourceEmitter, Value
from offchain.kernels.cuda.launch import OPTIONS, compile_source
from offchain.kernels.reading import TORCH_DTYPES
from protocol.types import Dtype

BLOCK = 1024


def write_source(steps: tuple[Step, ...], floats: tuple[bool, ...]) -> str:
    """Source of `run`: leaves, output, element count, inner lengths, strides and offsets."""
    count = len(floats)
    pointers = [f"leaf{i}" for i in range(count)]
    numbers = [f"{name}{i}" for i in range(count) for name in ("s0_", "s1_", "s2_", "at")]
    e = SourceEmitter()
    values = []
    for i, is_float in enumerate(floats):
        place = f"at{i} + i * s0_{i} + j * s1_{i} + k * s2_{i}"
        kind = F32 if is_float else I32
        values.append(e.b._write(kind, f"tl.load(leaf{i} + ({place}), mask=inside, other=0)"))
    results: list[Value] = []
    for step in steps:
        operands = [results[o] if o >= 0 else values[~o] for o in step.operands]
        results.append(emit_step(e, step, operands))  # type: ignore[arg-type]
    body = [
        "n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)",
        "inside = n < count",
        "k = n % length2",
        "j = n // length2 % length1",
        "i = n // length2 // length1",
        *e.b.lines,
        f"tl.store(out + n, {results[-1]}, mask=inside)",
    ]
    names = ", ".join((*pointers, "out", "count", "length1", "length2", *numbers))
    head = f"import triton.language as tl\n\n\ndef run({names}, BLOCK: tl.constexpr):\n"
    return head + "".join(f"    {line}\n" for line in body)


@cache
def _get_kernel(steps: tuple[Step, ...], floats: tuple[bool, ...]) -> Any:
    return compile_source("run", write_source(steps, floats))


class TritonChain(CompiledChain):
    """A chain made ready for its shape; called with the leaves' sources."""

    def find_overwritable(self) -> dict[int, int]:
        """None: a device's memory is PyTorch's to reuse."""
        return {}

    def __call__(self, sources: Sequence[Tensor], over: int | None = None) -> Tensor:
        """The output, shaped; sources are whole contiguous tensors."""
        assert over is None
        chain = self.chain
        device = sources[0].device
        out = torch.empty(chain.shape, dtype=TORCH_DTYPES[chain.dtype], device=device)
        numbers: list[int] = []
        for leaf, own in zip(chain.leaves, self.strides):
            numbers += [*own, leaf.view.offset]
        floats = tuple(leaf.dtype is Dtype.F32 for leaf in chain.leaves)
        kernel = _get_kernel(chain.steps, floats)
        grid = (-(-out.numel() // BLOCK),)
        if out.numel():
            kernel[grid](
                *sources, out, out.numel(), *self.lengths[1:], *numbers, BLOCK=BLOCK, **OPTIONS
            )
        return out
