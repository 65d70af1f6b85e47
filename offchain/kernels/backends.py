"""What compiles operators and chains of maps on a device."""

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from offchain.kernels import llvm
from offchain.kernels.chains import Chain, CompiledChain
from offchain.kernels.cuda import launch
from offchain.kernels.cuda.rows import find_rows
from protocol.instructions import Instruction

Code = tuple[Instruction, ...]


@cache
def can_compile(device: torch.device) -> bool:
    """Whether there is a compiler for the device: LLVM for a CPU, Triton for CUDA."""
    return llvm.LLVM is not None if device.type == "cpu" else launch.is_available(device)


def compile_chain(chain: Chain, device: torch.device) -> CompiledChain:
    """The chain as one loop, or one kernel, for a device that has a compiler."""
    if device.type == "cpu":
        return CompiledChain(chain)
    from offchain.kernels.cuda.chains import TritonChain

    return TritonChain(chain)


def has_kernel(code: Code, device: torch.device) -> bool:
    """Whether all of the microcode becomes one kernel there, beyond a chain of maps."""
    return device.type != "cpu" and launch.is_available(device) and find_rows(code) is not None


def compile_kernel(code: Code, device: torch.device) -> Callable[[Sequence[Tensor]], Tensor] | None:
    """That kernel, or None: it takes the operator's inputs."""
    if not has_kernel(code, device):
        return None
    from offchain.kernels.cuda.row_kernels import RowKernel

    program = find_rows(code)
    assert program is not None
    return RowKernel(program)
