"""EXP, LOG, TANH, ERF and SQRT on float32 tensors of any device, correctly rounded.

Each is evaluated in float64 and rounded once to float32. For SQRT that is exact by theorem
(float64 has more than twice the bits, plus two). For the others it is right where no result lies
so near to a rounding boundary that float64 cannot tell the side: `conformance` checks that for
every input, and the digests of its results are published with the code.

`torch.sqrt` of a float32 tensor is not used: on CPU it may be one unit off.
"""

from collections.abc import Callable

import torch
from torch import Tensor

CANONICAL_NAN = 0x7FC00000


def canonicalize_nan(x: Tensor) -> Tensor:
    """Return the float32 tensor `x` with every NaN replaced by the pattern 0x7fc00000."""
    return torch.where(x.isnan(), CANONICAL_NAN, x.view(torch.int32)).view(torch.float32)


def through_float64(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return `function` of a float32 tensor, evaluated in float64 and rounded once."""
    if x.dtype != torch.float32:
        raise TypeError(f"unary kernels take float32 tensors, not {x.dtype}")
    return canonicalize_nan(function(x.double()).float())


def exp(x: Tensor) -> Tensor:
    return through_float64(torch.exp, x)


def log(x: Tensor) -> Tensor:
    return through_float64(torch.log, x)


def tanh(x: Tensor) -> Tensor:
    return through_float64(torch.tanh, x)


def erf(x: Tensor) -> Tensor:
    return through_float64(torch.erf, x)


def sqrt(x: Tensor) -> Tensor:
    return through_float64(torch.sqrt, x)
