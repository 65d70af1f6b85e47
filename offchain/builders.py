"""The submitter's own Python: a function that builds a module, and perhaps what trains it.

    def build():                      # the module's forward gives the loss
        return Model()

    def build(channels=64):           # a loss beside it; arguments are offered by name
        model = Model(channels)
        return model, nn.CrossEntropyLoss()

An optimiser and a scheduler of torch.optim may follow. All of it runs on the submitter's machine
and is no part of the task.
"""

import copy
import dataclasses
import importlib.util
import inspect
import linecache
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

Builder = Callable[..., Any]
RESULTS = "the module, then any of: a loss function, an optimizer, a scheduler"


class BadBuilder(ValueError):
    """The file has no function that builds a module and what it needs."""


class WrongFields(ValueError):
    """The module and the data do not go together."""


@dataclass(frozen=True)
class Built:
    """What a builder returned."""

    module: nn.Module
    loss: Callable[..., Tensor] | None = None
    optimizer: Optimizer | None = None
    schedule: LRScheduler | None = None


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within, everything that a module may be initialised from is seeded; nothing outside is."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def load_builder(target: str) -> Builder:
    """The function that FILE.py:FUNCTION names. Raises `BadBuilder`."""
    name, _, function = target.rpartition(":")
    path = Path(name)
    if not name or not path.is_file():
        raise BadBuilder(f"{target}: expected FILE.py:FUNCTION, and there is no file {name!r}")
    spec = importlib.util.spec_from_file_location(f"builder_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BadBuilder(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    linecache.checkcache()  # messages quote the file as it is now
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # for its neighbours, as when Python runs the file
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code
        raise BadBuilder(f"{path}: {describe(error)}") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise BadBuilder(f"{path}: has no function {function!r}")
    return found


def call_builder(
    builder: Builder, settings: Mapping[str, float], known: Mapping[str, float] | None = None
) -> Built:
    """What the function builds. Arguments that it names come from `settings`, then `known`.

    All settings have to be used. Raises `BadBuilder`.
    """
    name = getattr(builder, "__name__", "builder")
    values = {**(known or {}), **settings}
    arguments: dict[str, Any] = {}
    used: set[str] = set()
    for key, parameter in inspect.signature(builder, eval_str=True).parameters.items():
        kind = parameter.annotation
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            fields = {item.name for item in dataclasses.fields(kind)}
            chosen = {key: value for key, value in values.items() if key in fields}
            arguments[key] = kind(**chosen)
            used |= set(chosen)
        elif key in values:
            arguments[key] = values[key]
            used.add(key)
        elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            raise BadBuilder(f"{name}: nothing is known for argument {key!r}; --set gives it")
    if unused := set(settings) - used:
        raise BadBuilder(f"{name}: does not take {sorted(unused)[0]!r}")
    try:
        result = builder(**arguments)
    except Exception as error:  # the user's own code
        raise BadBuilder(f"{name}: {describe(error)}") from error
    return _sort(name, result if isinstance(result, tuple) else (result,))


def _sort(name: str, parts: tuple[Any, ...]) -> Built:
    if not parts or not isinstance(parts[0], nn.Module):
        kind = type(parts[0]).__name__ if parts else "nothing"
        raise BadBuilder(f"{name}: must return {RESULTS}; the first is {kind}")
    if hasattr(parts[0], "_orig_mod"):
        raise BadBuilder(f"{name}: returns what torch.compile made; return the module itself")
    for tensor_name, tensor in parts[0].named_parameters():
        if nn.parameter.is_lazy(tensor):
            raise BadBuilder(f"{name}: {tensor_name} has no shape yet; run the module once")
    found: dict[str, Any] = {}
    for part in parts[1:]:
        if part is None:
            continue
        role = "schedule" if isinstance(part, LRScheduler) else "loss" if callable(part) else None
        role = "optimizer" if isinstance(part, Optimizer) else role
        if role is None or role in found:
            raise BadBuilder(f"{name}: must return {RESULTS}; one is {type(part).__name__}")
        found[role] = part
    loss = found.get("loss")
    if isinstance(loss, nn.Module) and any(True for _ in loss.parameters()):
        raise BadBuilder(f"{name}: the loss has parameters of its own; make it part of the module")
    return Built(parts[0], **found)


def describe(error: Exception) -> str:
    """An error of somebody else's code in one line, with the place in that code."""
    message = str(error).strip().split("\n", 1)[0]
    frames = traceback.extract_tb(error.__traceback__)
    installed = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<")
    own = [frame for frame in frames if not frame.filename.startswith(installed)]
    place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}: {own[-1].line}" if own else ""
    return f"{type(error).__name__}: {message}{place}"


# --- Which field goes where -----------------------------------------------------------------------


@dataclass(frozen=True)
class Wiring:
    """Data fields by the arguments that take them: first the module's, then the loss's."""

    module: Mapping[str, str]  # field -> argument
    loss: Mapping[str, str | None]  # field -> argument, None for the one after the output

    @property
    def fields(self) -> list[str]:
        """All fields that are used."""
        return list(dict.fromkeys((*self.module, *self.loss)))

    def __str__(self) -> str:
        words = [f"{field} -> forward({argument})" for field, argument in self.module.items()]
        words += [f"{field} -> loss({argument or ''})" for field, argument in self.loss.items()]
        return ", ".join(words)


def wire(built: Built, fields: list[str]) -> Wiring:
    """By name; a module with one argument takes the first field, a loss the one that is left.

    Fields that nothing takes are left out. Raises `WrongFields`.
    """
    needed, optional, takes_all = _get_arguments(built.module.forward)
    has_loss = built.loss is not None
    takes_all &= not has_loss
    module = {name: name for name in fields if takes_all or name in (*needed, *optional)}
    missing = [name for name in needed if name not in module]
    if missing and not module and len(needed) == 1 and (has_loss or len(fields) == 1):
        module, missing = {fields[0]: needed[0]}, []
    if missing or not module:
        taken = ", ".join((*needed, *optional)) or "no argument by name"
        raise WrongFields(
            f"forward of {type(built.module).__name__} takes {taken}; "
            f"the data has {', '.join(fields)}"
        )
    if built.loss is None:
        return Wiring(module, {})
    left = [name for name in fields if name not in module]
    function = built.loss.forward if isinstance(built.loss, nn.Module) else built.loss
    needed, optional, takes_all = _get_arguments(function, "output", "target")
    needed, optional = needed[1:], optional if needed else optional[1:]
    loss: dict[str, str | None] = {n: n for n in left if takes_all or n in (*needed, *optional)}
    # A field that the module takes may be what the loss compares with.
    loss |= {name: name for name in fields if name in needed}
    missing = [name for name in needed if name not in loss]
    if not loss and len(left) == 1 and len(needed) <= 1:
        return Wiring(module, {left[0]: None})
    if missing:
        raise WrongFields(
            f"the loss takes the module's output, then {', '.join(needed)}; the data has "
            f"{', '.join(fields)}, of which forward takes {', '.join(module)}"
        )
    return Wiring(module, loss)


def _get_arguments(
    function: Callable[..., Any], *unknown: str
) -> tuple[list[str], list[str], bool]:
    """(required, optional, whether any name is taken); `unknown` where a function tells nothing."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return list(unknown), [], False
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    needed = [p.name for p in named if p.default is p.empty]
    optional = [p.name for p in named if p.default is not p.empty]
    return needed, optional, any(p.kind is p.VAR_KEYWORD for p in parameters)


def connect(built: Built, wiring: Wiring) -> nn.Module:
    """A module that takes the data's fields by their names and gives the loss.

    It shares parameters, buffers and their names with the original, which is not changed.
    """
    if built.loss is None and all(name == taken for name, taken in wiring.module.items()):
        return built.module
    module, loss, forward = copy.copy(built.module), built.loss, type(built.module).forward

    def forward_to_loss(self: nn.Module, **fields: Tensor) -> Any:
        output = forward(self, **{taken: fields[name] for name, taken in wiring.module.items()})
        if loss is None:
            return output
        first = [fields[name] for name, taken in wiring.loss.items() if taken is None]
        named = {taken: fields[name] for name, taken in wiring.loss.items() if taken is not None}
        return loss(output, *first, **named)

    # Bound, so that a copy of the module gets one of its own.
    module.forward = MethodType(forward_to_loss, module)
    return module
