"""Comparisons that have one outcome whatever number is drawn.

Models that may skip layers at random draw a number in [0, 1) for each and ask whether it is below
their rate. With a rate of 0 it never is: that much is known when the step is recorded.
"""

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class CertainMode(TorchFunctionMode):
    """Answers `torch.rand([]) < c` with a Python bool where c is at most 0 or at least 1."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn: weakref.WeakSet[Tensor] = weakref.WeakSet()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__name__", "") in ("lt", "__lt__") and len(args) == 2:
            drawn, limit = args
            if isinstance(limit, int | float) and isinstance(drawn, Tensor):
                if any(drawn is known for known in self._drawn) and not 0 < limit < 1:
                    return limit >= 1
        result = func(*args, **(kwargs or {}))
        if func is torch.rand and isinstance(result, Tensor) and result.dim() == 0:
            self._drawn.add(result)
        return result
