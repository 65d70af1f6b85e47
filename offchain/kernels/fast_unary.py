"""The unary functions without the passes that this machine does not need.

`unary` patches a table of hard cases. Where the platform's float64 library rounds all of a
function's hard cases correctly by itself, the patch changes nothing and is left out; that is
looked up once per device, by computing them.
"""

import struct
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from offchain.kernels import unary
from protocol.instructions import Opcode

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


def get_function(opcode: Opcode, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The fastest right kernel of EXP, LOG, TANH, ERF or SQRT; NaN bits are not canonical."""
    name, in_place = WIDE[opcode]
    if needs_patch(name, str(device)):
        patched: Callable[[Tensor], Tensor] = getattr(unary, name)
        return patched

    def evaluate(x: Tensor) -> Tensor:
        return in_place(x.double()).float()

    return evaluate
