"""Operators that consist of maps, joined with the one operator that reads them.

An optimiser's update is a dozen operators per parameter, each one map. As one operator's microcode
they become one loop (`offchain.kernels.chains`), and what lies between them is never stored.
Traces show every operator, so whoever observes a step executes the operators one by one.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from offchain.kernels.chains import SUPPORTED
from protocol.instructions import Instruction, Source

HasKernel = Callable[[tuple[Instruction, ...]], bool]

INSTRUCTIONS_MAX = 64  # per group: its values are to stay in registers


@dataclass(frozen=True)
class Group:
    """Microcode of one or more operators, and the operators whose outputs it reads."""

    code: tuple[Instruction, ...]
    producers: tuple[int, ...]


def _is_of_maps(group: Group) -> bool:
    return all(instruction.opcode in SUPPORTED for instruction in group.code)


def _join(own: Group, parts: dict[int, Group]) -> Group:
    """One microcode that first computes the parts, by operator, and then what reads them."""
    code: list[Instruction] = []
    producers: list[int] = []
    results: dict[int, int] = {}  # operator -> instruction
    for operator, group in [*parts.items(), (None, own)]:
        base = len(code)
        for instruction in group.code:
            operands = []
            for operand in instruction.operands:
                if operand.source is Source.INSTRUCTION:
                    operand = replace(operand, index=base + operand.index)
                elif (producer := group.producers[operand.index]) in results:
                    operand = replace(operand, source=Source.INSTRUCTION, index=results[producer])
                else:
                    if producer not in producers:
                        producers.append(producer)
                    operand = replace(operand, index=producers.index(producer))
                operands.append(operand)
            code.append(replace(instruction, operands=tuple(operands)))
        if operator is not None:
            results[operator] = len(code) - 1
    return Group(tuple(code), tuple(producers))


def _count_elements(code: tuple[Instruction, ...]) -> int:
    """Of the largest output."""
    return max(instruction.size for instruction in code)


def compute_groups(
    active: Sequence[int],
    single: dict[int, Group],
    kept: Collection[int],
    has_kernel: HasKernel = lambda code: False,
) -> dict[int, Group]:
    """Groups by their last operator, in order; operators in `kept` end a group.

    An operator that is not of maps alone takes some in where `has_kernel` says that all of it is
    one kernel then.
    """
    users: dict[int, set[int]] = {}
    for j in active:
        for producer in single[j].producers:
            users.setdefault(producer, set()).add(j)
    groups: dict[int, Group] = {}
    for j in active:
        own = single[j]
        parts: dict[int, Group] = {}
        size = len(own.code)
        is_of_maps = _is_of_maps(own)
        elements = own.code[-1].size if is_of_maps else _count_elements(own.code)
        for producer in own.producers if is_of_maps or has_kernel(own.code) else ():
            part = groups.get(producer)
            if part is None or producer in parts or producer in kept or users[producer] != {j}:
                continue
            fits = size + len(part.code) <= INSTRUCTIONS_MAX
            if fits and _is_of_maps(part) and part.code[-1].size == elements:
                if not is_of_maps and not has_kernel(_join(own, {**parts, producer: part}).code):
                    continue
                parts[producer] = part
                size += len(part.code)
        groups[j] = _join(own, parts) if parts else own
        for producer in parts:
            del groups[producer]
    return groups
