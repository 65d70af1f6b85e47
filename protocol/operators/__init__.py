"""Operators: tensor-level operations as PyTorch's ATen names them, each with its microcode.

`expand` turns an operator into instructions. The mapping is part of the protocol: the same kind,
attributes and input views always give the same microcode, so descriptors can be recomputed by
anyone from a program file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocol.instructions import Instruction
from protocol.operators.microcode import Microcode, Value

Attributes = Mapping[str, "int | tuple[int, ...]"]
Expansion = Callable[[Microcode, tuple[Value, ...], Attributes], Value]


class UnknownOperator(ValueError):
    """No operator of that kind exists."""


class MalformedOperator(ValueError):
    """The operator's inputs or attributes do not fit its kind."""


@dataclass(frozen=True)
class Definition:
    """One operator kind: its name, the attributes it needs, how many inputs, and its microcode."""

    kind: str
    inputs: int
    attributes: tuple[str, ...]
    expansion: Expansion


REGISTRY: dict[str, Definition] = {}


def operator(kind: str, inputs: int, *attributes: str) -> Callable[[Expansion], Expansion]:
    """Register an expansion under a kind."""

    def register(expansion: Expansion) -> Expansion:
        assert kind not in REGISTRY, kind
        REGISTRY[kind] = Definition(kind, inputs, attributes, expansion)
        return expansion

    return register


def expand(kind: str, inputs: tuple[Value, ...], attributes: Attributes) -> list[Instruction]:
    """The microcode of an operator; its last instruction is the operator's output.

    Raises UnknownOperator, or MalformedOperator where inputs or attributes do not fit.
    """
    definition = REGISTRY.get(kind)
    if definition is None:
        raise UnknownOperator(f"operator kind {kind!r} does not exist")
    if len(inputs) != definition.inputs:
        raise MalformedOperator(f"{kind}: {len(inputs)} inputs, expected {definition.inputs}")
    if set(attributes) != set(definition.attributes):
        raise MalformedOperator(
            f"{kind}: attributes {sorted(attributes)}, expected {sorted(definition.attributes)}"
        )
    code = Microcode()
    try:
        definition.expansion(code, inputs, attributes)
    except (TypeError, ValueError, IndexError, AssertionError, ZeroDivisionError) as error:
        raise MalformedOperator(f"{kind}: {error}") from error
    if not code.instructions:
        raise MalformedOperator(f"{kind}: expands to nothing")
    return code.instructions


from protocol.operators import (  # noqa: E402, F401
    activations,
    indexing,
    memory,
    normalization,
    pointwise,
    reductions,
)
