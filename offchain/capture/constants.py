"""The part of a graph that depends on no input, computed at capture."""

from typing import Any

import torch
from torch import Tensor, fx

# Never read before it is written, so any content will do; zeros make capture deterministic.
_EMPTY = {
    torch.ops.aten.empty.memory_format,
    torch.ops.aten.empty_strided.default,
    torch.ops.aten.empty_like.default,
    torch.ops.aten.new_empty.default,
    torch.ops.aten.new_empty_strided.default,
    torch.ops.aten.empty_permuted.default,
}


class Constants:
    """Finds and evaluates the constant nodes of a graph."""

    def __init__(self, module: fx.GraphModule):
        self._module = module
        self._values: dict[fx.Node, Any] = {}
        self.nodes: set[fx.Node] = set()
        for node in module.graph.nodes:
            if node.op == "get_attr" or (
                node.op == "call_function"
                and not _is_random(node.target)
                and all(argument in self.nodes for argument in node.all_input_nodes)
            ):
                self.nodes.add(node)

    def evaluate(self, node: fx.Node) -> Any:
        """The node's value: a tensor, or a tuple of them."""
        if node not in self._values:
            if node.op == "get_attr":
                value = getattr(self._module, node.target)
            elif node.target in _EMPTY:
                fake = node.meta["val"]
                value = torch.zeros(fake.shape, dtype=fake.dtype)
            else:
                args, kwargs = fx.map_arg((node.args, node.kwargs), self.evaluate)
                value = node.target(*args, **kwargs)
            self._values[node] = value
        return self._values[node]


def _is_random(target: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(target, "tags", ())


def get_splat(tensor: Tensor) -> float | int | None:
    """The one value that every element has, or None."""
    flat = tensor.reshape(-1)
    bits = flat.view(torch.int32) if flat.dtype == torch.float32 else flat
    return flat[0].item() if bool((bits == bits[0]).all()) else None


def get_arange_axis(tensor: Tensor) -> int | None:
    """The axis along which every element is its own position, or None."""
    if tensor.dtype.is_floating_point or tensor.dtype == torch.bool:
        return None
    for axis, length in enumerate(tensor.shape):
        shape = [length if a == axis else 1 for a in range(tensor.dim())]
        if length > 1 and bool((tensor == torch.arange(length).reshape(shape)).all()):
            return axis
    return None
