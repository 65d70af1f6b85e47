"""Which ATen operations are taken apart before lowering: those without a lowering of their own."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions, decomposition_table

from offchain.capture.registry import REGISTRY


@cache
def get_decompositions() -> dict[Any, Callable[..., Any]]:
    """PyTorch's own decompositions of every operation that is not lowered whole."""
    known = {**decomposition_table, **core_aten_decompositions()}
    return {operation: taken for operation, taken in known.items() if operation not in REGISTRY}


def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_variance: Tensor | None,
    training: bool,
    momentum: float,
    epsilon: float,
) -> Any:
    """The same operation with a schema that says that it writes the running statistics."""
    legit = torch.ops.aten._native_batch_norm_legit
    if running_mean is None:
        return legit.no_stats(x, weight, bias, training, momentum, epsilon)
    return legit(x, weight, bias, running_mean, running_variance, training, momentum, epsilon)


# Applied while the step is recorded: what hides a write from functionalisation.
RECORDING: dict[Any, Callable[..., Any]] = {torch.ops.aten.native_batch_norm.default: _batch_norm}
