"""Optimisers and schedules written as a call: `adamw(lr=3e-4, weight_decay=0.1)`.

Only literals are understood: a recipe is data, nothing in it is executed.
"""

import ast
import inspect
import math
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from offchain.capture.schedules import SCHEDULES, Schedule

RECIPE_LENGTH_MAX = 2**10
# What concerns how PyTorch computes, which capture decides.
_HIDDEN = {"params", "foreach", "fused", "capturable", "differentiable", "kwargs"}
# They decide by values, keep lists or compute in bfloat16.
_UNCAPTURABLE = {"Optimizer", "LBFGS", "SparseAdam", "Adafactor", "Muon"}
_OPTIMIZERS: dict[str, Any] = {
    name.lower(): kind
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, Optimizer) and name not in _UNCAPTURABLE
}


class BadRecipe(ValueError):
    """Text that names no optimiser or schedule, or arguments that it does not take."""


def parse_call(text: str, what: str) -> tuple[str, dict[str, Any]]:
    """(name, arguments) of `name` or `name(key=literal, ...)`. Raises `BadRecipe`."""
    if len(text) > RECIPE_LENGTH_MAX:
        raise BadRecipe(f"{what}: {len(text)} characters, limit {RECIPE_LENGTH_MAX}")
    wrong = BadRecipe(f"{what} {text!r}: expected name(key=value, ...), such as adamw(lr=3e-4)")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if isinstance(tree, ast.Name):
            return tree.id, {}
        if not (isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name)) or tree.args:
            raise wrong
        values = {str(item.arg): ast.literal_eval(item.value) for item in tree.keywords}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise wrong from error
    if None in (item.arg for item in tree.keywords) or len(values) < len(tree.keywords):
        raise wrong  # **more, or a name twice
    for key, value in values.items():
        if not all(map(_is_finite, value if isinstance(value, tuple | list) else [value])):
            raise BadRecipe(f"{what} {text!r}: {key} is not finite")
    return tree.func.id, values


def _is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def build_optimizer(text: str, module: nn.Module, groups: tuple[str, ...] = ()) -> Optimizer:
    """The optimiser of torch.optim, of every parameter that requires a gradient.

    A group such as `*.bias(weight_decay=0)` gives the parameters with such names settings of their
    own; the first that fits a name counts. Raises `BadRecipe`.
    """
    name, arguments = parse_call(text, "optimizer")
    kind = _OPTIMIZERS.get(name.lower())
    if kind is None:
        raise BadRecipe(f"optimizer {name!r}: not one of {', '.join(sorted(_OPTIMIZERS))}")
    known = set(inspect.signature(kind).parameters) - _HIDDEN
    _check_arguments(f"optimizer {name}", arguments, known)
    parsed = [_parse_group(group, known) for group in groups]
    rest: list[nn.Parameter] = []
    members: list[list[nn.Parameter]] = [[] for _ in parsed]
    for parameter_name, parameter in module.named_parameters():
        if parameter.requires_grad:
            fits = (n for n, (p, _) in enumerate(parsed) if fnmatchcase(parameter_name, p))
            number = next(fits, None)
            (rest if number is None else members[number]).append(parameter)
    for (pattern, _), chosen in zip(parsed, members):
        if not chosen:
            raise BadRecipe(f"group {pattern!r}: no parameter left has such a name")
    lists: list[dict[str, Any]] = [{"params": rest}] if rest else []
    lists += [{"params": chosen, **own} for chosen, (_, own) in zip(members, parsed)]
    if not lists:
        raise BadRecipe(f"optimizer {name}: no parameter of the module requires a gradient")
    try:
        optimizer: Optimizer = kind(lists, **arguments)
    except Exception as error:  # torch.optim checks little of what it is given
        raise BadRecipe(f"optimizer {text!r}: {error}") from error
    return optimizer


def _parse_group(text: str, known: set[str]) -> tuple[str, dict[str, Any]]:
    pattern, bracket, _ = text.partition("(")
    if not pattern or not bracket:
        raise BadRecipe(
            f"group {text!r}: expected PATTERN(key=value), as in *.bias(weight_decay=0)"
        )
    _, own = parse_call("group" + text[len(pattern) :], "group")
    _check_arguments(f"group {pattern!r}", own, known)
    return pattern.strip(), own


def build_schedule(text: str) -> Schedule:
    """The schedule that a recipe names. Raises `BadRecipe`."""
    name, arguments = parse_call(text, "schedule")
    build: Callable[..., Schedule] | None = SCHEDULES.get(name.lower())
    if build is None:
        raise BadRecipe(f"schedule {name!r}: not one of {', '.join(SCHEDULES)}")
    signature = inspect.signature(build)
    _check_arguments(f"schedule {name}", arguments, set(signature.parameters))
    try:
        signature.bind(**arguments)
        return build(**arguments)
    except (TypeError, ValueError) as error:
        raise BadRecipe(f"schedule {text!r}: {error}") from error


def _check_arguments(what: str, arguments: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(arguments) - known):
        raise BadRecipe(
            f"{what}: does not take {unknown[0]!r}; it takes {', '.join(sorted(known))}"
        )
