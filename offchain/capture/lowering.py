"""From a functional graph of ATen operations to a program's operators.

The graph is walked in order; each node's function (`registry`) emits operators. Integers of every
width and booleans become i32, float32 stays, other types are refused.
"""

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from offchain.capture.builder import Builder, Ref
from offchain.capture.constants import Constants, find_fixed, get_arange_axis, get_splat
from offchain.capture.dtypes import get_dtype, is_supported, to_array
from offchain.capture.errors import UnsupportedOperator
from offchain.capture.places import get_place, get_where
from offchain.capture.registry import REGISTRY, Unsupported
from protocol.operators import MalformedOperator
from protocol.rejections import IntegerOverflow
from protocol.types import CANONICAL_NAN, Array, Dtype, Shape

# A larger constant is computed in every step where that is possible (a causal mask from
# positions), rather than kept in the state, which is hashed and stored per segment.
SLOT_ELEMENTS_MAX = 2**12  # = 4096: 16 KiB

Number = bool | int | float


@dataclass
class Draft:
    """A lowered graph before slots are numbered for good.

    `load_state` operators carry provisional slots: first the given ones, then `extra`.
    """

    builder: Builder
    outputs: list[Ref]  # the graph's results
    extra: dict[str, Array]  # further slots: their genesis
    extra_next: dict[str, Ref]  # and their values after the step


@dataclass
class Lowering:
    """The state of a walk over a graph; what lowering functions work with."""

    module: fx.GraphModule
    loads: list[int]  # per state input: the slot that it reads
    shapes: list[Shape]  # per slot
    types: list[Dtype]  # per slot
    seed: int = 0
    fixed: Mapping[int, Tensor] = field(default_factory=dict)  # state inputs that are buffers
    builder: Builder = field(default_factory=Builder)
    node: fx.Node = field(init=False)
    counter: Ref | None = None  # of random draws; made by the first
    draws: int = 0  # random tensors drawn so far; each has a key of its own
    _values: dict[fx.Node, Any] = field(default_factory=dict)
    _extra: dict[str, Array] = field(default_factory=dict)
    _extra_next: dict[str, Ref] = field(default_factory=dict)
    _constant_slots: dict[bytes, Ref] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.constants = Constants(self.module, find_fixed(self.module, self.fixed))

    # --- The walk ---------------------------------------------------------------------------------

    def run(self) -> Draft:
        """Lower the whole graph. Raises UnsupportedOperator."""
        nodes = list(self.module.graph.nodes)
        results = nodes[-1].args[0]
        needed = _compute_needed(results)
        inputs = [node for node in nodes if node.op == "placeholder"]
        for position, node in enumerate(inputs):
            self.node = node
            self.builder.source = ""
            if position < len(self.loads):
                self._values[node] = self._load_state(self.loads[position])
            else:
                dtype = get_dtype(node.meta["val"].dtype)
                self._values[node] = self.emit(
                    "load_batch",
                    field=position - len(self.loads),
                    shape=tuple(node.meta["val"].shape),
                    dtype=int(dtype),
                )
        for node in nodes:
            if node in needed and node.op == "call_function" and node not in self.constants.nodes:
                self._values[node] = self._lower(node)
        outputs = [self._resolve(node) for node in results]
        return Draft(self.builder, outputs, self._extra, self._extra_next)

    def _load_state(self, slot: int) -> Ref:
        return self.emit(
            "load_state", slot=slot, shape=self.shapes[slot], dtype=int(self.types[slot])
        )

    def _lower(self, node: fx.Node) -> Any:
        self.node = node
        self.builder.source = str(get_place(node))
        if node.target is operator.getitem:
            return self._resolve(node.args[0])[node.args[1]]
        if any(not isinstance(n, int) for r in _get_results(node) for n in r.shape):
            raise UnsupportedOperator(
                _describe(node, "its result has no fixed shape; torch.where keeps the shape")
            )
        if _get_results(node) and all(r.numel() == 0 for r in _get_results(node)):
            return self._make_empty(node)
        arguments = [r for a in node.all_input_nodes for r in _get_results(a)]
        if arguments and all(r.numel() == 0 for r in arguments):
            return self._compute_of_nothing(node)
        function = REGISTRY.get(node.target)
        if function is None:
            raise UnsupportedOperator(_describe(node, "no lowering to Crux operators"))
        for value in _get_results(node):
            if not is_supported(value.dtype):
                raise UnsupportedOperator(
                    _describe(
                        node,
                        f"its result is {value.dtype}; a program holds float32 and integers only, "
                        "leave the conversion out",
                    )
                )
        args, kwargs = fx.map_arg((node.args, node.kwargs), self._resolve)
        self.node = node
        self.builder.source = str(get_place(node))
        try:
            result = function(self, *args, **kwargs)
            _check_results(node, result)
            return result
        except (Unsupported, MalformedOperator, IntegerOverflow) as error:
            raise UnsupportedOperator(_describe(node, str(error))) from error

    def _resolve(self, node: fx.Node) -> Any:
        if node not in self._values:
            value = self.constants.evaluate(node)
            if isinstance(value, Tensor):
                self._values[node] = self._place_constant(value, node)
            else:
                self._values[node] = tuple(
                    self._place_constant(v, None) if isinstance(v, Tensor) else v for v in value
                )
        return self._values[node]

    # --- Tensors without elements -----------------------------------------------------------------

    def _make_empty(self, node: fx.Node) -> Any:
        """Nothing to read: views of a constant, without operators of their own."""
        empty = tuple(
            self.full(0, get_dtype(r.dtype)).expand(tuple(r.shape)) for r in _get_results(node)
        )
        return empty if isinstance(node.meta["val"], tuple | list) else empty[0]

    def _compute_of_nothing(self, node: fx.Node) -> Any:
        """A result that depends on tensors without elements only: the sum of nothing, and such."""

        def make(argument: fx.Node) -> Any:
            made = tuple(torch.zeros(r.shape, dtype=r.dtype) for r in _get_results(argument))
            return made if isinstance(argument.meta["val"], tuple | list) else made[0]

        args, kwargs = fx.map_arg((node.args, node.kwargs), make)
        value = node.target(*args, **kwargs)
        values = value if isinstance(value, tuple | list) else (value,)
        placed = tuple(self._place_constant(v, None) if v.numel() else None for v in values)
        return placed if isinstance(value, tuple | list) else placed[0]

    # --- Constants --------------------------------------------------------------------------------

    def _place_constant(self, tensor: Tensor, node: fx.Node | None) -> Ref:
        shape = tuple(tensor.shape)
        if node is not None and not is_supported(tensor.dtype):
            raise UnsupportedOperator(_describe(node, f"a constant of {tensor.dtype}"))
        if tensor.numel() == 0:
            return self.full(0, get_dtype(tensor.dtype)).expand(shape)
        splat = get_splat(tensor)
        if splat is not None:
            return self.full(splat, get_dtype(tensor.dtype)).expand(shape)
        axis = get_arange_axis(tensor)
        if axis is not None:
            line = self.emit("arange", shape=(shape[axis],), axis=0)
            ones = [1] * (len(shape) - 1 - axis)
            return line.seen(line.view.reshape((shape[axis], *ones))).expand(shape)
        is_large = tensor.numel() > SLOT_ELEMENTS_MAX
        if is_large and node is not None and node.op == "call_function" and not _is_product(node):
            try:
                return self._lower(node)
            except UnsupportedOperator:
                pass
        return self._place_slot(tensor)

    def _place_slot(self, tensor: Tensor) -> Ref:
        array = to_array("constant", tensor)
        key = repr((array.shape, array.dtype.str)).encode() + array.tobytes()
        if key not in self._constant_slots:
            name = f"constant.{len(self._constant_slots)}"
            ref = self.add_slot(name, array)
            self._constant_slots[key] = ref
            self._extra_next[name] = ref
        return self._constant_slots[key]

    def add_slot(self, name: str, genesis: Array) -> Ref:
        """The value of a further state tensor; `set_next` says what becomes of it."""
        self._extra[name] = genesis
        self.shapes.append(genesis.shape)
        self.types.append(Dtype.F32 if genesis.dtype.kind == "f" else Dtype.I32)
        return self._load_state(len(self.shapes) - 1)

    def set_next(self, name: str, ref: Ref) -> None:
        """The value of an added slot after the step."""
        self._extra_next[name] = ref

    # --- What lowering functions use --------------------------------------------------------------

    def emit(self, kind: str, *inputs: Ref, **attributes: int | tuple[int, ...]) -> Ref:
        """See `Builder.emit`."""
        return self.builder.emit(kind, *inputs, **attributes)

    def full(self, value: Number, dtype: Dtype) -> Ref:
        """A scalar. Raises Unsupported for an integer outside i32."""
        if dtype is Dtype.F32:
            with np.errstate(over="ignore"):
                bits = int(np.float32(value).view(np.uint32))
            if value != value:
                bits = CANONICAL_NAN
        else:
            bits = int(value)
            if not -(2**31) <= bits < 2**31:
                raise Unsupported(f"the integer {bits} does not fit i32")
        return self.emit("full", value=bits, shape=(), dtype=int(dtype))

    def constant(self, tensor: Tensor) -> Ref:
        """A tensor known at capture."""
        return self._place_constant(tensor, None)

    def as_float(self, x: Ref | Number) -> Ref:
        """As f32: numbers become constants, integers are converted."""
        if not isinstance(x, Ref):
            return self.full(x, Dtype.F32)
        return x if x.dtype is Dtype.F32 else self.emit("to_float", x)

    def as_int(self, x: Ref | Number) -> Ref:
        """As i32; a float number or tensor is refused."""
        if not isinstance(x, Ref):
            if x != int(x):
                raise Unsupported(f"{x} is not an integer")
            return self.full(x, Dtype.I32)
        if x.dtype is not Dtype.I32:
            raise Unsupported("a float where an integer is needed")
        return x

    def arange(self, length: int) -> Ref:
        """The integers below `length`."""
        return self.emit("arange", shape=(length,), axis=0)

    def get_result_dtype(self) -> torch.dtype:
        """PyTorch's type of the node's (first) result."""
        return _get_results(self.node)[0].dtype

    def get_argument_dtype(self, position: int = 0) -> torch.dtype:
        """PyTorch's type of a tensor argument."""
        argument: fx.Node = self.node.args[position]
        return argument.meta["val"].dtype

    def get_result_shape(self) -> Shape:
        """Shape of the node's (first) result."""
        return tuple(_get_results(self.node)[0].shape)


def _is_product(node: fx.Node) -> bool:
    """Whether a constant has to be computed at capture: the program's products round more."""
    return any(name in str(node.target) for name in ("mm", "mv.", "dot", "convolution"))


def _compute_needed(results: Iterable[fx.Node]) -> set[fx.Node]:
    needed: set[fx.Node] = set()
    queue = list(results)
    while queue:
        node = queue.pop()
        if node not in needed:
            needed.add(node)
            queue += node.all_input_nodes
    return needed


def _get_results(node: fx.Node) -> list[Tensor]:
    value = node.meta.get("val")
    values = value if isinstance(value, tuple | list) else [value]
    return [v for v in values if isinstance(v, Tensor)]


def _check_results(node: fx.Node, result: Any) -> None:
    """Raise Unsupported where a lowering gives another shape or type than PyTorch."""
    value = node.meta.get("val")
    several = isinstance(value, tuple | list)
    for made, expected in zip(result, value) if several else ((result, value),):
        if made is None or not isinstance(expected, Tensor) or expected.numel() == 0:
            continue
        if made.shape != tuple(expected.shape) or made.dtype is not get_dtype(expected.dtype):
            raise Unsupported(
                f"lowered to {made.dtype.name} {made.shape} instead of {expected.dtype} "
                f"{tuple(expected.shape)}"
            )


def _describe(node: fx.Node, reason: str) -> str:
    types = [str(r.dtype) for a in node.all_input_nodes for r in _get_results(a)[:1]]
    # What the user called, where a decomposition led to the unsupported operation.
    called = node.meta.get("original_aten") or node.target
    inner = "" if str(called) == str(node.target) else f"{node.target} inside it: "
    return f"{called} ({', '.join(types)}): {inner}{reason}{get_where(node)}"
