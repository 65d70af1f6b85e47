"""Which function lowers which ATen operation."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from offchain.capture.lowering import Lowering

# Gets the lowering and the node's arguments, tensors as `Ref`; returns a `Ref`, or one per result.
Function = Callable[..., Any]

REGISTRY: dict[Any, Function] = {}


class Unsupported(Exception):
    """Raised by a lowering function for arguments it cannot handle; the place is added above."""


def lowers(*operations: Any) -> Callable[[Function], Function]:
    """Register a function for ATen overloads."""

    def register(function: Function) -> Function:
        for operation in operations:
            assert operation not in REGISTRY, operation
            REGISTRY[operation] = function
        return function

    return register


__all__ = ["REGISTRY", "Function", "Lowering", "Unsupported", "lowers"]
