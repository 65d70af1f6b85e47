"""The part of a graph that depends on no input, computed at capture."""

from collections.abc import Mapping
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
    """Finds and evaluates the constant nodes of a graph.

    `fixed` are the inputs that no step changes (a module's buffers) and their values. What is
    computed from them is constant too; what only views them is read where they lie.
    """

    def __init__(self, module: fx.GraphModule, fixed: Mapping[fx.Node, Tensor] | None = None):
        self._module = module
        self._values: dict[fx.Node, Any] = dict(fixed or {})
        self.nodes: set[fx.Node] = set()
        seen = set(self._values)  # fixed inputs and views of them
        for node in module.graph.nodes:
            inputs = node.all_input_nodes
            if node.op == "get_attr":
                self.nodes.add(node)
            elif node.op == "call_function" and not _is_random(node.target):
                if inputs and all(i in seen for i in inputs) and _is_view(node):
                    seen.add(node)
                elif all(i in self.nodes or i in seen for i in inputs):
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


def find_fixed(module: fx.GraphModule, values: Mapping[int, Tensor]) -> dict[fx.Node, Tensor]:
    """Of the inputs with these positions, those that the graph gives back as they are."""
    nodes = list(module.graph.nodes)
    inputs = [node for node in nodes if node.op == "placeholder"]
    results = nodes[-1].args[0]
    fixed = {}
    for position, value in values.items():
        result = results[position]
        while result.op == "call_function" and result.target in _SAME:
            result = result.args[0]
        if result is inputs[position]:
            fixed[result] = value
    return fixed


_SAME = {
    torch.ops.aten.alias.default,
    torch.ops.aten.alias_copy.default,
    torch.ops.aten.detach.default,
    torch.ops.aten.clone.default,
}
_VIEWS = {"view", "_unsafe_view", "reshape", "permute", "t", "transpose", "expand", "unsqueeze"}
_VIEWS |= {"squeeze", "slice", "select", "split", "split_with_sizes", "unbind", "flip"}


def _is_view(node: fx.Node) -> bool:
    name = str(node.target).split(".")[1] if "." in str(node.target) else ""
    return node.target in _SAME or name.removesuffix("_copy") in _VIEWS


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
