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


def _grouped_mm(
    a: Tensor,
    b: Tensor,
    ends: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Any:
    """Products of groups of rows (or of terms, where both have two axes), one after the other.

    Group e ends before `ends[e]`. Every group is multiplied whole and what belongs to others is
    left out: shapes cannot depend on the ends.
    """
    if ends is None or bias is not None or b.dim() + a.dim() not in (4, 5) or a.dim() != 2:
        return NotImplemented
    positions = torch.arange(a.shape[1 if b.dim() == 2 else 0], device=a.device)
    group = (positions[:, None] >= ends).sum(-1)
    if b.dim() == 2:
        own = group == torch.arange(len(ends), device=a.device)[:, None]
        return torch.matmul(torch.where(own[:, None], a, 0.0), b)
    every = torch.matmul(a, b)
    chosen = group.clamp(max=len(ends) - 1)[None, :, None].expand(1, *every.shape[1:])
    return every.gather(0, chosen)[0]


def _histc(x: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """Counts between equally spaced edges; the last one belongs to the bin below it."""
    if min >= max:
        return NotImplemented  # the edges depend on the values
    values, edges = x.reshape(-1, 1), torch.linspace(min, max, bins + 1, device=x.device)
    is_last = torch.arange(bins, device=x.device) == bins - 1
    below = (values < edges[1:]) | (is_last & (values == max))
    return ((values >= edges[:-1]) & below).sum(0).to(x.dtype)


# Applied while the step is recorded: what hides a write from functionalisation, and what takes no
# float32, or has no shapes, without data.
RECORDING: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.native_batch_norm.default: _batch_norm,
    torch.ops.aten._grouped_mm.default: _grouped_mm,
    torch.ops.aten.histc.default: _histc,
}
