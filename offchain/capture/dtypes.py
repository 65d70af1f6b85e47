"""PyTorch's types and a program's."""

import numpy as np
import torch
from torch import Tensor

from offchain.capture.errors import UnsupportedDtype
from protocol.types import CANONICAL_NAN, Array, Dtype

_TYPES = {
    torch.float32: Dtype.F32,
    torch.bool: Dtype.I32,
    torch.int16: Dtype.I32,
    torch.int32: Dtype.I32,
    torch.int64: Dtype.I32,
    torch.int8: Dtype.I32,
    torch.uint8: Dtype.I32,
}


def is_supported(dtype: torch.dtype) -> bool:
    """Whether a program can hold tensors of that type."""
    return dtype in _TYPES


def get_dtype(dtype: torch.dtype) -> Dtype:
    """The program's type. Raises UnsupportedDtype."""
    if dtype not in _TYPES:
        raise UnsupportedDtype(
            f"{dtype}: a program holds float32 and integers only (`.float()` converts)"
        )
    return _TYPES[dtype]


def to_array(name: str, tensor: Tensor) -> Array:
    """A state tensor as its slot holds it. Raises UnsupportedDtype, also for too large integers."""
    try:
        dtype = get_dtype(tensor.dtype)
    except UnsupportedDtype as error:
        raise UnsupportedDtype(f"{name}: {error}") from None
    values = tensor.detach().cpu().contiguous().numpy()
    if dtype is Dtype.I32 and values.size:
        low, high = int(values.min()), int(values.max())
        if low < -(2**31) or high >= 2**31:
            raise UnsupportedDtype(f"{name}: values from {low} to {high} do not fit i32")
    # Not ascontiguousarray, which makes scalars one-dimensional.
    array = np.array(values, dtype=dtype.numpy, order="C")
    if dtype is Dtype.F32:
        array[np.isnan(array)] = np.uint32(CANONICAL_NAN).view(np.float32)
    return array
