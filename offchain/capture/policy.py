"""How many bits the operands of each matrix product get: named policies.

Figures and reasons: `docs` on arithmetic; relative errors on normal data are 1.4e-4 (15 bits),
2.9e-4 (14) and 1.8e-2 (8).
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

from offchain.capture.errors import AccumulatorTooSmall, UnknownPolicy
from protocol.operators.pointwise import BINARY, UNARY
from protocol.program import Operator
from protocol.types import ACCUMULATOR_BITS, compute_ceil_log2


@dataclass(frozen=True)
class Policy:
    """Bits of an operand: in general, and where the model's head is involved."""

    name: str
    bits: int
    head_bits: int
    warning: str = ""


POLICIES = {
    policy.name: policy
    for policy in (
        Policy("float32", 15, 15),
        Policy("tf32", 14, 14),
        Policy(
            "int8",
            8,
            15,
            "policy int8: 8-bit products lose accuracy, and models with large outliers (gated "
            "activations) may not learn at all; compare with policy float32 first",
        ),
    )
}

# One scale per vector rounds small probabilities to nothing where the vector is long: at 15 bits
# up to 1.5% of a gradient's mass at 4k entries, 11 to 24% at 50k; at 22 bits next to none.
PROBABILITY_BITS = 22
PROBABILITY_LENGTH_MAX = 2**12  # = 4096: the longest contraction that keeps the policy's bits

_PROBABILITIES = {
    "softmax",
    "safe_softmax",
    "log_softmax",
    "softmax_backward",
    "log_softmax_backward",
}
# Operators through which a tensor is followed: element by element, or moving elements.
_FOLLOWED = {*UNARY, *BINARY, "where", "cat", "gather"}


def get_policy(name: str) -> Policy:
    """Raises UnknownPolicy; warns where the policy is known to be risky."""
    if name not in POLICIES:
        raise UnknownPolicy(f"policy {name!r}: not one of {', '.join(POLICIES)}")
    policy = POLICIES[name]
    if policy.warning:
        warnings.warn(policy.warning, stacklevel=3)
    return policy


def apply_policy(operators: list[Operator], loss: int, policy: Policy) -> list[Operator]:
    """The operators with the bits of every matmul set. Raises AccumulatorTooSmall.

    The head is every matmul from which the loss is reached without another matmul between; its
    gradients are the matmuls that read what is computed from the head's output likewise.
    """
    probable = _find_probabilities(operators)
    head = set(_find_head(operators, loss))
    behind = _find_behind(operators, head)
    result = list(operators)
    for number, item in enumerate(operators):
        if item.kind != "matmul":
            continue
        length = item.inputs[0].view.shape[-1]
        producers = [i.producer for i in item.inputs]
        is_head = number in head or any(p in behind for p in producers)
        bits = []
        for producer in producers:
            width = policy.head_bits if is_head else policy.bits
            if producer in probable and length > PROBABILITY_LENGTH_MAX:
                width = max(width, PROBABILITY_BITS)
            bits.append(width)
        check_accumulator(bits[0], bits[1], length, item.source)
        result[number] = replace(item, attributes={"bits_a": bits[0], "bits_b": bits[1]})
    return result


def check_accumulator(bits_a: int, bits_b: int, length: int, source: str = "") -> None:
    """Raises AccumulatorTooSmall unless every sum of `length` products fits."""
    needed = bits_a - 1 + bits_b - 1 + compute_ceil_log2(length)
    if needed > ACCUMULATOR_BITS:
        raise AccumulatorTooSmall(
            f"matmul {source}: {bits_a} x {bits_b} bits over {length} elements need {needed} bits, "
            f"limit {ACCUMULATOR_BITS}"
        )


def _find_probabilities(operators: list[Operator]) -> set[int]:
    found: set[int] = set()
    for number, item in enumerate(operators):
        follows = item.kind in _FOLLOWED and any(i.producer in found for i in item.inputs)
        if item.kind in _PROBABILITIES or follows:
            found.add(number)
    return found


def _find_head(operators: list[Operator], loss: int) -> Iterator[int]:
    queue, seen = [loss], set()
    while queue:
        number = queue.pop()
        if number in seen:
            continue
        seen.add(number)
        if operators[number].kind == "matmul":
            yield number
        else:
            queue += [i.producer for i in operators[number].inputs]


def _find_behind(operators: list[Operator], head: set[int]) -> set[int]:
    found = set(head)
    for number, item in enumerate(operators):
        if item.kind != "matmul" and any(i.producer in found for i in item.inputs):
            found.add(number)
    return found
