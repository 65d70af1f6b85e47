"""An optimiser as a function: its state laid open, its hidden arithmetic made tensors.

torch.optim creates state lazily and computes step counts and bias corrections in Python. Here the
state is materialised as it is before the first step, and while tracing every count is a tensor.
"""

import copy
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode

from offchain.capture.adagrad import adagrad
from offchain.capture.errors import UnsupportedOptimizer

NOISE_COUNT = 2**16  # gradients that differ, when an optimiser is tried

ParameterState = dict[str, Tensor]


def copy_for_tracing(module: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
    """Copies that share parameters with each other as the originals do.

    Raises UnsupportedOptimizer where the optimiser holds parameters of another module.
    """
    known = {id(p) for p in module.parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in known:
                shape = tuple(parameter.shape)
                raise UnsupportedOptimizer(
                    f"optimizer: holds a parameter of shape {shape} that is not the module's"
                )
    copied, copied_optimizer = copy.deepcopy((module, optimizer))
    for parameter in copied.parameters():
        parameter.grad = None
    return copied, copied_optimizer


def materialize_state(optimizer: Optimizer) -> dict[Tensor, ParameterState]:
    """The state of every parameter before the next step, including what is created lazily.

    Changes nothing. Raises UnsupportedOptimizer for state other than tensors, and where a first
    step would differ from one that starts from the materialised state. (Dampening does not apply
    to the first step; `undampened` takes care of that.)
    """
    state: dict[Tensor, ParameterState] = {}
    for single in _split(_without_dampening(optimizer)):
        state |= _materialize(single)
    return state


def _split(optimizer: Optimizer) -> Iterator[Optimizer]:
    """The same settings and state for one parameter at a time: a large model need not fit twice."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.requires_grad:
                single = copy.copy(optimizer)
                single.param_groups = [{**group, "params": [parameter]}]
                known = optimizer.state.get(parameter)
                single.state = defaultdict(dict, {} if known is None else {parameter: known})
                yield single


def _materialize(optimizer: Optimizer) -> dict[Tensor, ParameterState]:
    known = _get_state(optimizer)
    created = _run(optimizer, _initialize)[0]
    updated, lazy = _run(optimizer, _step)
    # What only the update itself creates (SGD's momentum) starts as zeros.
    state: dict[Tensor, ParameterState] = {}
    for parameter, entries in updated.items():
        before = {**created[parameter], **known.get(parameter, {})}
        state[parameter] = {
            key: before[key].clone() if key in before else torch.zeros_like(value)
            for key, value in entries.items()
        }
    again, explicit = _run(optimizer, _step, state)
    for parameter in state:
        pairs = [(lazy[parameter], explicit[parameter])]
        pairs += [(updated[parameter][key], again[parameter][key]) for key in state[parameter]]
        if not all(_is_close(*pair) for pair in pairs):
            raise UnsupportedOptimizer(
                f"{type(optimizer).__name__}: its first step differs from the later ones; take one "
                "step in PyTorch before capturing"
            )
    return state


def _is_close(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) or torch.allclose(a, b, atol=0, equal_nan=True)


def is_dampened(group: dict[str, Any]) -> bool:
    """Whether the group's momentum takes only a part of each gradient but the first."""
    return bool(group.get("momentum") and group.get("dampening"))


def _without_dampening(optimizer: Optimizer) -> Optimizer:
    if not any(map(is_dampened, optimizer.param_groups)):
        return optimizer
    # The same parameters and state, other settings.
    plain = copy.copy(optimizer)
    plain.param_groups = [
        {**group, "dampening": 0} if is_dampened(group) else group
        for group in optimizer.param_groups
    ]
    return plain


def has_started(optimizer: Optimizer) -> bool:
    """Whether the optimiser has taken a step."""
    return any(bool(entries) for entries in optimizer.state.values())


def _get_parameters(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]


def _get_state(optimizer: Optimizer) -> dict[Tensor, ParameterState]:
    state: dict[Tensor, ParameterState] = {}
    for parameter, entries in optimizer.state.items():
        state[parameter] = {}
        for key, value in entries.items():
            if value is None:
                continue
            if not isinstance(value, Tensor):
                kind = type(value).__name__
                raise UnsupportedOptimizer(
                    f"{type(optimizer).__name__}: state {key!r} is a {kind}, not a tensor"
                )
            state[parameter][key] = value
    return state


def _initialize(optimizer: Optimizer) -> None:
    """Let the optimiser create its state without an update, where it knows how."""
    initialize = getattr(optimizer, "_init_group", None)
    if initialize is None:
        return
    lists = len(inspect.signature(initialize).parameters) - 1
    for group in optimizer.param_groups:
        initialize(group, *([] for _ in range(lists)))


def _step(optimizer: Optimizer) -> None:
    optimizer.step()


def _run(
    optimizer: Optimizer,
    action: Callable[[Optimizer], None],
    state: dict[Tensor, ParameterState] | None = None,
) -> tuple[dict[Tensor, ParameterState], dict[Tensor, Tensor]]:
    """State and parameters after an action on a scratch copy with fixed random gradients."""
    scratch = copy.deepcopy(optimizer)
    pairs = list(zip(_get_parameters(optimizer), _get_parameters(scratch)))
    generator = torch.Generator().manual_seed(0)
    for original, parameter in pairs:
        count = parameter.numel()
        noise = torch.randn(min(count, NOISE_COUNT), generator=generator)
        noise = noise.repeat(-(-count // NOISE_COUNT))[:count]
        parameter.grad = noise.view(parameter.shape).to(parameter.dtype)
        if state is not None:
            scratch.state[parameter] = {k: v.clone() for k, v in state[original].items()}
    action(scratch)
    after = _get_state(scratch)
    return {o: after.get(c, {}) for o, c in pairs}, {o: c.detach() for o, c in pairs}


def _dampen(
    group: dict[str, Any],
    tensors: dict[Tensor, Tensor],
    gradients: dict[Tensor, Tensor | None],
    is_first: Tensor | None,
) -> None:
    """Scale the gradients by 1 - dampening, as the momentum would, but not in the first step."""
    part = 1 - group["dampening"]
    for parameter in group["params"]:
        gradient = gradients.get(parameter)
        if gradient is None:
            continue
        gradient = -gradient if group["maximize"] else gradient
        if group["weight_decay"]:
            gradient = gradient + group["weight_decay"] * tensors[parameter]
        scaled = gradient * part
        gradients[parameter] = (
            scaled if is_first is None else torch.where(is_first, gradient, scaled)
        )


class TensorFactors(TorchFunctionMode):
    """Within, `alpha` and `value` may be tensors: a rate that the program computes.

    torch.optim passes a rate as `add_(gradient, alpha=-lr)`, and PyTorch would ask the tensor for
    its number.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        for key in ("alpha", "value"):
            # The first operand after the tensor itself takes the factor: a + (f * b), also / c.
            if isinstance(kwargs.get(key), Tensor) and len(args) > 1:
                args = (args[0], args[1] * kwargs.pop(key), *args[2:])
        return func(*args, **kwargs)


@contextmanager
def swapped(
    optimizer: Optimizer,
    tensors: dict[Tensor, Tensor],
    gradients: dict[Tensor, Tensor | None],
    state: dict[Tensor, ParameterState],
    rate: Tensor | list[Tensor] | None = None,
    is_first: Tensor | None = None,
) -> Iterator[None]:
    """Within, the optimiser holds `tensors` in place of its parameters, with that state.

    `rate` multiplies every learning rate, or one each group's. `is_first` says whether this is the
    first step, for dampening, which does not apply to it; None if it is not.
    Counts stay tensors: `capturable` is set, and torch is told that it compiles. Everything is
    put back at the end.
    """
    groups, before = optimizer.param_groups, optimizer.state
    replaced = []
    gradients = dict(gradients)
    for number, group in enumerate(groups):
        settings: dict[str, Any] = {
            "capturable": True,
            "foreach": False,
            "fused": False,
            "differentiable": False,
        }
        settings = {key: value for key, value in settings.items() if key in group}
        if rate is not None:
            factor = rate[number] if isinstance(rate, list) else rate
            settings["lr"] = group.get("initial_lr", group["lr"]) * factor
        if is_dampened(group):
            settings |= {"dampening": 0, "weight_decay": 0, "maximize": False}
            _dampen(group, tensors, gradients, is_first)
        parameters = [tensors[p] for p in group["params"]]
        replaced.append({**group, **settings, "params": parameters})
    for original, tensor in tensors.items():
        tensor.grad = gradients.get(original)
    optimizer.param_groups = replaced
    optimizer.state = defaultdict(dict, {tensors[p]: s for p, s in state.items()})
    try:
        with (
            mock.patch.object(torch.compiler, "is_compiling", lambda: True),
            mock.patch.object(sys.modules[torch.optim.Adagrad.__module__], "adagrad", adagrad),
            TensorFactors(),
        ):
            yield
    finally:
        optimizer.param_groups, optimizer.state = groups, before
