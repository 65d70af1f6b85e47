"""The unary functions as they are computed: by compiled loops, or without needless passes.

On CPUs `elementary` is compiled into the loops of `chains`. Where it is not, `unary` patches a
table of hard cases; where the platform's float64 library rounds all of a function's hard cases
correctly by itself, the patch changes nothing and is left out; that is looked up once per device,
by computing them.
"""

import struct
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

from offchain.kernels import llvm, unary
from offchain.kernels.chains import Chain, CompiledChain, Step
from protocol.instructions import Opcode, Operand, Source
from protocol.types import Dtype
from protocol.views import contiguous

WIDE: dict[Opcode, tuple[str, Callable[[Tensor], Tensor]]] = {
    Opcode.EXP: ("exp", torch.Tensor.exp_),
    Opcode.LOG: ("log", torch.Tensor.log_),
    Opcode.TANH: ("tanh", torch.Tensor.tanh_),
    Opcode.ERF: ("erf", torch.Tensor.erf_),
    Opcode.SQRT: ("sqrt", torch.Tensor.sqrt_),
}


@cache
def needs_patch(name: str, device: str) -> bool:
    """Whether float64 evaluation on the device misses a hard case of the function."""
    cases = unary.HARD_CASES.get(name, {})
    if not cases:
        return False
    # Every remainder of a vector's length: its tail may take another path through the library.
    for length in range(len(cases), len(cases) + 33):
        arguments = (list(cases) * length)[:length]
        words = struct.pack(f"<{length}I", *arguments)
        x = torch.frombuffer(bytearray(words), dtype=torch.float32).to(device)
        expected = [cases[argument] for argument in arguments]
        result = getattr(torch, name)(x.double()).float().view(torch.int32)
        if [bits % 2**32 for bits in result.tolist()] != expected:
            return True
    return False


@cache
def _compile_loop(opcode: Opcode, size: int) -> CompiledChain:
    leaf = Operand(Source.INPUT, 0, Dtype.F32, size, contiguous((size,)))
    return CompiledChain(Chain((Step(opcode, (~0,)),), (leaf,), (size,), Dtype.F32))


def get_kernels(opcode: Opcode, device: torch.device) -> list[Callable[[Tensor], Tensor]]:
    """All the ways in which a program's step may compute the function on a device."""
    kernels = [get_function(opcode, device)]
    if device.type == "cpu" and llvm.LLVM is not None:
        kernels.append(partial(_run_loop, opcode))
    return kernels


def _run_loop(opcode: Opcode, x: Tensor) -> Tensor:
    return _compile_loop(opcode, x.numel())([x.contiguous()]).reshape(x.shape)


def get_function(opcode: Opcode, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The fastest right kernel of torch for one of `WIDE`; NaN bits are not canonical."""
    name, in_place = WIDE[opcode]
    if needs_patch(name, str(device)):
        patched: Callable[[Tensor], Tensor] = getattr(unary, name)
        return patched

    def evaluate(x: Tensor) -> Tensor:
        return in_place(x.double()).float()

    return evaluate
