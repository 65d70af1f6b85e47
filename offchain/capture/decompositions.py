"""Which ATen operations are taken apart before lowering: those without a lowering of their own."""

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
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


def _masked_scatter(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The source's elements one after the other where the mask is set."""
    x, mask = torch.broadcast_tensors(x, mask)
    place = (mask.flatten().long().cumsum(0) - 1).clamp(0, source.numel() - 1)
    taken = source.flatten()[place].view(x.shape)
    return torch.where(mask, taken, x)


def _masked_scatter_backward(gradient: Tensor, mask: Tensor, sizes: Sequence[int]) -> Tensor:
    """The gradients where the mask is set, in the source's shape."""
    mask = mask.expand(gradient.shape).flatten()
    count = prod(sizes)
    place = (mask.long().cumsum(0) - 1).clamp(0, count - 1)
    values = torch.where(mask, gradient.flatten(), 0.0)
    return values.new_zeros(count).index_add(0, place, values).view(sizes)


def _cdist(x: Tensor, y: Tensor, p: float, mode: int | None) -> Any:
    """Distances between all pairs of rows."""
    difference = x.unsqueeze(-2) - y.unsqueeze(-3)
    if p == 1:
        return difference.abs().sum(-1)
    return difference.square().sum(-1).sqrt() if p == 2 else NotImplemented


def _cdist_backward(gradient: Tensor, x: Tensor, y: Tensor, p: float, distance: Tensor) -> Any:
    """Gradient of x; where two rows are the same the distance has none, and 0 is taken."""
    difference = x.unsqueeze(-2) - y.unsqueeze(-3)
    if p == 1:
        return (gradient.unsqueeze(-1) * difference.sign()).sum(-2)
    scale = torch.where(distance == 0, 0.0, gradient / distance)
    return (scale.unsqueeze(-1) * difference).sum(-2) if p == 2 else NotImplemented


def _pdist(x: Tensor, p: float = 2.0) -> Any:
    """Distances between every row and the rows after it."""
    first, second = torch.triu_indices(len(x), len(x), 1).unbind()
    difference = x[first] - x[second]
    return difference.square().sum(-1).sqrt() if p == 2 else NotImplemented


def _pdist_backward(gradient: Tensor, x: Tensor, p: float, distance: Tensor) -> Tensor:
    """Gradient of the rows."""
    first, second = torch.triu_indices(len(x), len(x), 1).unbind()
    scale = torch.where(distance == 0, 0.0, gradient / distance)
    own = scale[:, None] * (x[first] - x[second])
    return torch.zeros_like(x).index_add(0, first, own).index_add(0, second, -own)


def _weight_norm(v: Tensor, g: Tensor, axis: int = 0) -> tuple[Tensor, Tensor]:
    """(v with each slice along the axis scaled to the length that g says, lengths of v)."""
    others = [a for a in range(v.dim()) if a != axis % v.dim()]
    length = v.square().sum(others, keepdim=True).sqrt()
    return v * (g / length), length


def _weight_norm_backward(
    gradient: Tensor, v: Tensor, g: Tensor, length: Tensor, axis: int
) -> tuple[Tensor, Tensor]:
    """Gradients of v and of g."""
    others = [a for a in range(v.dim()) if a != axis % v.dim()]
    along = (gradient * v).sum(others, keepdim=True) / length
    return (g / length) * (gradient - v * (along / length)), along


SUM, MEAN = 0, 1  # modes of embedding bags; the third is the maximum


def _embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = SUM,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> Any:
    """(sums or means of rows, the bag of each index, the sizes of bags, nothing)."""
    if mode not in (SUM, MEAN) or scale_grad_by_freq or sparse:
        return NotImplemented
    starts = offsets[:-1] if include_last_offset else offsets
    positions = torch.arange(len(indices), device=indices.device)
    bags = (positions[:, None] >= starts).sum(-1) - 1
    is_counted = indices != padding_idx
    sizes = torch.zeros_like(starts).index_add(0, bags, is_counted.to(starts.dtype))
    rows = torch.where(is_counted[:, None], weight[indices], 0.0)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights[:, None]
    total = rows.new_zeros(len(starts), weight.shape[1]).index_add(0, bags, rows)
    if mode == MEAN:
        total = total / sizes.clamp(min=1)[:, None]
    return total, bags, sizes, torch.zeros_like(sizes)


def _embedding_bag_backward(
    gradient: Tensor,
    indices: Tensor,
    offsets: Tensor,
    bags: Tensor,
    sizes: Tensor,
    largest: Tensor,
    rows: int,
    scale_grad_by_freq: bool,
    mode: int,
    sparse: bool,
    per_sample_weights: Tensor | None,
    padding_idx: int = -1,
) -> Tensor:
    """Gradient of the weight."""
    if mode == MEAN:
        gradient = gradient / sizes.clamp(min=1)[:, None]
    own = gradient[bags]
    if per_sample_weights is not None:
        own = own * per_sample_weights[:, None]
    own = torch.where((indices != padding_idx)[:, None], own, 0.0)
    return own.new_zeros(rows, own.shape[1]).index_add(0, indices, own)


# Applied while the step is recorded: what hides a write from functionalisation, and what takes no
# float32, or has no shapes, without data.
RECORDING: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.native_batch_norm.default: _batch_norm,
    torch.ops.aten._grouped_mm.default: _grouped_mm,
    torch.ops.aten.histc.default: _histc,
    torch.ops.aten.masked_scatter.default: _masked_scatter,
    torch.ops.aten.masked_scatter_backward.default: _masked_scatter_backward,
    torch.ops.aten._cdist_forward.default: _cdist,
    torch.ops.aten._cdist_backward.default: _cdist_backward,
    torch.ops.aten._pdist_forward.default: _pdist,
    torch.ops.aten._pdist_backward.default: _pdist_backward,
    torch.ops.aten._weight_norm_interface.default: _weight_norm,
    torch.ops.aten._weight_norm_interface_backward.default: _weight_norm_backward,
    torch.ops.aten._embedding_bag.default: _embedding_bag,
    torch.ops.aten._embedding_bag_backward.default: _embedding_bag_backward,
}
