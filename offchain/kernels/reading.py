"""Index maps as torch views: no copy, but where an axis is read backwards."""

import numpy as np
import torch
from torch import Tensor

from protocol.types import Array, Dtype
from protocol.views import View

TORCH_DTYPES = {Dtype.F32: torch.float32, Dtype.I32: torch.int32, Dtype.I64: torch.int64}


def to_torch(array: Array, device: torch.device | str = "cpu") -> Tensor:
    """A tensor of the array's values on a device; it shares no memory with the array."""
    return torch.from_numpy(np.array(array)).to(device)


def read(source: Tensor, view: View) -> Tensor:
    """The elements that `view` shows of a contiguous tensor."""
    negative = [axis for axis, stride in enumerate(view.strides) if stride < 0]
    for axis in negative:  # torch has no negative strides: read forwards, then turn around
        view = view.flip(axis)
    start = source.storage_offset() + view.offset
    values = torch.as_strided(source, view.shape, view.strides, start)
    return values.flip(negative) if negative else values


def read_folded(source: Tensor, view: View, fold: int) -> Tensor:
    """Like `read`, with a last axis of `fold` elements at unit stride."""
    return read(source, View((*view.shape, fold), (*view.strides, 1), view.offset))
