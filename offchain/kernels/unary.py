"""EXP, LOG, TANH, ERF and SQRT on float32 tensors of any device, correctly rounded.

Each is evaluated in float64 and rounded once to float32. For SQRT that is exact by theorem
(float64 has more than twice the bits, plus two). For the others it is right unless the float64
library errs across a rounding boundary. Inputs whose exact result lies within 2**-52 (relative)
of a boundary, where an error of one unit in the last place may do so, are taken from a table:
without it, 5 of the 2**32 logarithms came out wrong on x86. `conformance` checks every input, and
the digests of its results are published with the code.

`torch.sqrt` of a float32 tensor is not used: on CPU it may be one unit off.
"""

import struct

import torch
from torch import Tensor

CANONICAL_NAN = 0x7FC00000
CPU_BLOCK = 2**16  # elements at a time and thread: 512 KiB of float64

# Argument -> result, as bit patterns. Found by `conformance` over all 2**32 inputs, decided by
# `protocol.elementary`. A kernel that evaluates a function by other means needs them as well.
HARD_CASES: dict[str, dict[int, int]] = {
    "exp": {
        0xC16912CD: 0x34FD331B,
    },
    "log": {
        0x0DC8BBA4: 0xC289BAC4,
        0x1F116AB8: 0xC233B53E,
        0x2C4C24B7: 0xC1D48710,
        0x38DCBE38: 0xC1128BA4,
        0x3BF86EF0: 0xC09C399E,
        0x3C413D3A: 0xC08E158F,
        0x41178FEB: 0x400FE5E7,
        0x4665A9A6: 0x41198725,
        0x4C5D65A5: 0x418F034B,
        0x4D604EBE: 0x419A352C,
        0x5EE8984E: 0x422E4A21,
        0x65D890D3: 0x4254D1F9,
        0x66A8C860: 0x42595E46,
        0x6F31A8EC: 0x42845A89,
        0x79E7EC37: 0x42A1FFB7,
    },
    "tanh": {},
    "erf": {
        0x3940EAD6: 0x3959AF14,
        0xB940EAD6: 0xB959AF14,
    },
}


def canonicalize_nan(x: Tensor) -> Tensor:
    """Return the float32 tensor `x` with every NaN replaced by the pattern 0x7fc00000."""
    return torch.where(x.isnan(), CANONICAL_NAN, x.view(torch.int32)).view(torch.float32)


def apply_hard_cases_(name: str, x: Tensor, y: Tensor) -> Tensor:
    """Put right, in place, the results `y` of function `name` at `x` that `HARD_CASES` lists."""
    patterns = x.view(torch.int32)
    for argument, result in HARD_CASES.get(name, {}).items():
        # Comparing and filling needs no synchronisation with a device, unlike an index.
        value = struct.unpack("<f", result.to_bytes(4, "little"))[0]
        y.masked_fill_(patterns == (argument ^ 2**31) - 2**31, value)
    return y


def compute_unary(name: str, x: Tensor) -> Tensor:
    """Return RN32 of function `name` of a float32 tensor, through float64; contiguous."""
    if x.dtype != torch.float32:
        raise TypeError(f"unary kernels take float32 tensors, not {x.dtype}")
    function = getattr(torch, name)
    arguments = x.detach().reshape(-1)
    results = torch.empty_like(arguments)
    # On a CPU the float64 values must stay in its caches: half the time of whole tensors.
    block = CPU_BLOCK * torch.get_num_threads() if x.device.type == "cpu" else x.numel()
    for start in range(0, x.numel(), max(block, 1)):
        argument = arguments[start : start + block]
        result = results[start : start + block]
        wide = argument.double()
        result.copy_(function(wide, out=wide))
        result.view(torch.int32).masked_fill_(result.isnan(), CANONICAL_NAN)
        apply_hard_cases_(name, argument, result)
    return results.view(x.shape)


def exp(x: Tensor) -> Tensor:
    return compute_unary("exp", x)


def log(x: Tensor) -> Tensor:
    return compute_unary("log", x)


def tanh(x: Tensor) -> Tensor:
    return compute_unary("tanh", x)


def erf(x: Tensor) -> Tensor:
    return compute_unary("erf", x)


def sqrt(x: Tensor) -> Tensor:
    return compute_unary("sqrt", x)
