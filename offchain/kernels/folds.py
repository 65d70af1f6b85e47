"""Fold instructions over flat sources, exact and therefore independent of order."""

from math import prod

import torch
from torch import Tensor

from offchain.kernels import maxima, products
from offchain.kernels.maps import compute_floats, compute_sortable
from offchain.kernels.reading import read, read_folded
from protocol.instructions import Instruction, Opcode
from protocol.views import View

MATCH_ELEMENTS = 2**22  # comparisons held at a time where MATCH_SUM has no structure: 32 MiB


def maximum(x: Tensor, is_absolute: bool = False) -> Tensor:
    """Largest (absolute) value along the last axis; NaN if any is; +0 is larger than -0."""
    if x.device.type == "cpu" and x.numel() and maxima.is_available():
        return maxima.maximum(x, is_absolute)
    x = x.abs() if is_absolute else x
    result = compute_floats(compute_sortable(x).amax(dim=-1))
    return torch.where(x.isnan().any(dim=-1), torch.nan, result)


def match_sum(sources: tuple[Tensor, ...], views: tuple[View, ...], length: int) -> Tensor:
    """Sum of value[k] where index[k] = wanted."""
    index_view, value_view, wanted_view = views
    apart = all(not v or not w for v, w in zip(value_view.strides, wanted_view.strides))
    if not any(index_view.strides) and apart:
        return _match_sum_by_group(sources, views, length)
    shape = value_view.shape
    wanted = read(sources[2], wanted_view).reshape(-1)
    flat = (prod(shape), length)
    index = read_folded(sources[0], index_view, length).expand(*shape, length).reshape(flat)
    value = read_folded(sources[1], value_view, length).expand(*shape, length).reshape(flat)
    rows = max(1, MATCH_ELEMENTS // length)
    parts = [
        torch.where(i == w[:, None], v, 0).sum(dim=-1, dtype=torch.int64)
        for i, v, w in zip(index.split(rows), value.split(rows), wanted.split(rows))
    ]
    return torch.cat(parts).reshape(shape)


def _match_sum_by_group(
    sources: tuple[Tensor, ...], views: tuple[View, ...], length: int
) -> Tensor:
    """One index vector for all outputs: add the values of equal indices once, then pick."""
    index_view, value_view, wanted_view = views
    shape = value_view.shape
    rank = len(shape)
    value_axes = [axis for axis in range(rank) if value_view.strides[axis]]
    wanted_axes = [axis for axis in range(rank) if axis not in value_axes]
    index = read_folded(sources[0], View((), (), index_view.offset), length)
    value = read_folded(sources[1], _keep(value_view, value_axes), length)
    wanted = read(sources[2], _keep(wanted_view, wanted_axes)).reshape(-1).contiguous()
    groups, inverse = torch.unique(index, return_inverse=True)
    columns = value.reshape(-1, length).T.to(torch.int64)
    sums = torch.zeros(len(groups), columns.shape[1], dtype=torch.int64, device=value.device)
    sums.index_add_(0, inverse, columns)
    place = torch.searchsorted(groups, wanted).clamp_(max=len(groups) - 1)
    result = torch.where((groups[place] == wanted)[:, None], sums[place], 0)
    order = (*wanted_axes, *value_axes)
    result = result.reshape([shape[axis] for axis in order])
    return result.permute([order.index(axis) for axis in range(rank)]).contiguous()


def _keep(view: View, axes: list[int]) -> View:
    """The view over some axes only, at position 0 of the others."""
    return View(
        tuple(view.shape[a] for a in axes), tuple(view.strides[a] for a in axes), view.offset
    )


def execute_fold(instruction: Instruction, sources: tuple[Tensor, ...]) -> Tensor:
    """Output of a fold instruction, shaped; NaN bits are not canonical."""
    views = tuple(operand.view for operand in instruction.operands)
    length = instruction.fold
    match instruction.opcode:
        case Opcode.DOT:
            return products.dot(sources[0], views[0], sources[1], views[1], length)
        case Opcode.SUM:
            return read_folded(sources[0], views[0], length).sum(dim=-1, dtype=torch.int64)
        case Opcode.MAXIMUM:
            return maximum(read_folded(sources[0], views[0], length))
        case Opcode.ABSMAX:
            return maximum(read_folded(sources[0], views[0], length), is_absolute=True)
        case Opcode.MATCH_SUM:
            return match_sum(sources, views, length)
    raise AssertionError(f"{instruction.opcode!r} is no fold")
