"""Which ATen operations are taken apart before lowering: those without a lowering of their own."""

from collections.abc import Callable
from typing import Any

from torch._decomp import core_aten_decompositions, decomposition_table

from offchain.capture.registry import REGISTRY


def get_decompositions() -> dict[Any, Callable[..., Any]]:
    """PyTorch's own decompositions of every operation that is not lowered whole."""
    known = {**decomposition_table, **core_aten_decompositions()}
    return {operation: taken for operation, taken in known.items() if operation not in REGISTRY}
