"""What compiles chains of maps on a device."""

from functools import cache

import torch

from offchain.kernels import llvm
from offchain.kernels.chains import Chain, CompiledChain
from offchain.kernels.cuda import launch


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
