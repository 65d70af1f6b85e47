"""Ways in which descriptors, proofs and call data can be malformed."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from protocol.instructions import Instruction, Opcode
from protocol.merkle import compute_node
from protocol.opening import TensorOpening
from protocol.types import LEAF_BYTES, PATH_MAX, Root
from protocol.views import View
from scripts.bench.element_cases import Case
from tests.instruction_cases import Example, random_example

CONTEXT_END = 4 + 13 * 32  # of the call data: selector and context, which is static
LOADS = [Opcode.LOAD_STATE, Opcode.LOAD_BATCH] * 3  # what only they check is met often enough
EXTREMES = [0, 1, -1, 2, 2**31, 2**32, -(2**63), 2**63 - 1]
WORDS = [
    *(0, 1, 2, 3, 24, 25, 31, 32, 33, 64, 255, 256, 1023, 1024, 1025, 2**16, 2**32, 2**63),
    *(2**64 - 1, 2**64, 2**128, 2**255, 2**256 - 1, 2**256 - 32, 2**256 - 64, 2**256 - 2**10),
]


def draw_case(rng: random.Random) -> tuple[Example, Case]:
    """A last step as it should be."""
    example = random_example(rng, rng.choice([*Opcode, *LOADS]))
    element = rng.randrange(example.instruction.size)
    accumulator = rng.getrandbits(60)
    return example, example.build(element, rng.randrange(example.chunks), accumulator)


# --- Descriptors ---------------------------------------------------------------------------------


def malform(rng: random.Random, instruction: Instruction) -> Instruction:
    """One field of a descriptor, or two, are whatever fits their type."""
    for _ in range(rng.choice([1, 1, 2])):
        instruction = replace(instruction, **rng.choice(_list_changes(rng, instruction)))
    return instruction


def _list_changes(rng: random.Random, instruction: Instruction) -> list[dict[str, Any]]:
    opcode: Any = rng.choice([*range(60), 255])
    changes: list[dict[str, Any]] = [
        {"opcode": opcode},
        {"dtype": rng.randrange(5)},
        {"shape": tuple(rng.choice([0, 1, 3, 2**64 - 1]) for _ in instruction.shape)},
        {"fold": rng.choice([0, 1, 256, 257, 2**64 - 1])},
        {"attributes": tuple(rng.choice(EXTREMES) for _ in range(4))},
        {"operands": instruction.operands[: rng.randrange(4)]},
    ]
    for number, operand in enumerate(instruction.operands):
        strides = tuple(rng.choice(EXTREMES) for _ in operand.view.strides)
        offset = rng.choice([operand.view.offset, *EXTREMES])
        operand_changes: list[dict[str, Any]] = [
            {"source": rng.randrange(4)},
            {"index": rng.choice([0, 1, 7, 8, 2**32 - 1])},
            {"dtype": rng.randrange(5)},
            {"size": rng.choice([0, 1, operand.size ^ 1, 2**64 - 1])},
            {"view": View(operand.view.shape, strides, operand.view.offset)},
            {"view": View(operand.view.shape, operand.view.strides, offset)},
        ]
        for change in operand_changes:
            operands = list(instruction.operands)
            operands[number] = replace(operand, **change)
            changes.append({"operands": tuple(operands)})
    return changes


# --- Proofs --------------------------------------------------------------------------------------


def damage_case(rng: random.Random, case: Case) -> Case:
    """One thing in a location or its openings is not what was committed."""
    return rng.choice(CASE_DAMAGES)(rng, case)


def _damage_path(rng: random.Random, path: tuple[Root, ...]) -> tuple[Root, ...]:
    """Deeper, shorter, swapped or altered."""
    further = Root(rng.choice([bytes(32), rng.randbytes(32)]))
    place = rng.randrange(len(path) + 1)
    kind = rng.randrange(6)
    if kind == 0:
        return (*path[:place], further, *path[place:])
    if kind == 1:
        return (*path, *[further] * rng.choice([1, PATH_MAX - len(path), PATH_MAX]))
    if kind == 2 or len(path) < 2:
        return path[:place]
    if kind == 3:
        return path[1:]
    if kind == 4:
        first, second = rng.sample(range(len(path)), 2)
        swapped = list(path)
        swapped[first], swapped[second] = path[second], path[first]
        return tuple(swapped)
    place = rng.randrange(len(path))
    return (*path[:place], further, *path[place + 1 :])


def _damage_location_path(rng: random.Random, case: Case) -> Case:
    name = rng.choice(["operator_path", "instruction_path", "field_path"])
    path: Any = _damage_path(rng, getattr(case.location, name))
    return replace(case, location=replace(case.location, **{name: path}))


def _damage_descriptor(rng: random.Random, case: Case) -> Case:
    """A word of a descriptor is another one, not committed."""
    name = rng.choice(["header", "operator", "field", "instruction"])
    location = case.location
    if name == "instruction":
        changed: Any = malform(rng, location.instruction)
        return replace(case, location=replace(location, instruction=changed))
    before = getattr(location, name)
    word = rng.choice([key for key in before.__dict__ if key != "producers"])
    value: Any = getattr(before, word)
    value = rng.randbytes(32) if isinstance(value, bytes) else value ^ 1
    return replace(case, location=replace(location, **{name: replace(before, **{word: value})}))


def _damage_opening(rng: random.Random, case: Case) -> Case:
    """One opening: its root, its path, a leaf, a leaf's path, how many there are."""
    if not case.openings:
        return _damage_count(rng, case)
    number = rng.randrange(len(case.openings))
    opening = case.openings[number]
    damaged = rng.choice(OPENING_DAMAGES)(rng, opening)
    openings = (*case.openings[:number], damaged, *case.openings[number + 1 :])
    return replace(case, openings=openings)


def _damage_count(rng: random.Random, case: Case) -> Case:
    """More openings, fewer, or the same in another order."""
    openings = list(case.openings)
    kind = rng.randrange(3)
    if kind == 0 or not openings:
        openings.insert(rng.randrange(len(openings) + 1), _make_opening(rng))
    elif kind == 1:
        openings.pop(rng.randrange(len(openings)))
    else:
        rng.shuffle(openings)
    return replace(case, openings=tuple(openings))


def _damage_whole(rng: random.Random, case: Case) -> Case:
    """The location or the openings of another last step."""
    _, other = draw_case(rng)
    if rng.getrandbits(1):
        return replace(case, location=other.location)
    return replace(case, openings=other.openings)


def _make_opening(rng: random.Random) -> TensorOpening:
    root = Root(rng.randbytes(32))
    return TensorOpening(root, (), (rng.randbytes(LEAF_BYTES),), ((),))


def _damage_root(rng: random.Random, opening: TensorOpening) -> TensorOpening:
    """Another root; or the node above it, with the rest of its path: a node for a leaf."""
    path = opening.root_path
    if not path or rng.getrandbits(1):
        return replace(opening, root=Root(rng.choice([bytes(32), rng.randbytes(32)])))
    pair = [opening.root, path[0]]
    rng.shuffle(pair)
    return replace(opening, root=Root(compute_node(*pair)), root_path=path[1:])


def _damage_root_path(rng: random.Random, opening: TensorOpening) -> TensorOpening:
    return replace(opening, root_path=_damage_path(rng, opening.root_path))


def _damage_leaf(rng: random.Random, opening: TensorOpening) -> TensorOpening:
    """A byte altered; padding; a node's two children for data; any length."""
    if not opening.leaves:
        return replace(opening, leaves=(bytes(LEAF_BYTES),), leaf_paths=((),))
    number = rng.randrange(len(opening.leaves))
    leaf, path = opening.leaves[number], opening.leaf_paths[number : number + 1]
    place = rng.randrange(max(len(leaf), 1))
    sibling = path[0][0] if path and path[0] else bytes(32)
    damaged = rng.choice(
        [
            leaf[:place] + rng.randbytes(1) + leaf[place + 1 :],
            bytes(LEAF_BYTES),
            (b"\1" + opening.root + sibling).ljust(LEAF_BYTES, b"\0"),
            leaf[:place],
            leaf[:-1],
            leaf + bytes(rng.choice([1, 32, LEAF_BYTES])),
        ]
    )
    leaves = (*opening.leaves[:number], damaged, *opening.leaves[number + 1 :])
    return replace(opening, leaves=leaves)


def _damage_leaf_path(rng: random.Random, opening: TensorOpening) -> TensorOpening:
    if not opening.leaf_paths:
        return replace(opening, leaf_paths=((Root(bytes(32)),),))
    number = rng.randrange(len(opening.leaf_paths))
    path = _damage_path(rng, opening.leaf_paths[number])
    paths = (*opening.leaf_paths[:number], path, *opening.leaf_paths[number + 1 :])
    return replace(opening, leaf_paths=paths)


def _damage_leaf_count(rng: random.Random, opening: TensorOpening) -> TensorOpening:
    """Leaves or their paths, more or fewer, or in another order."""
    leaves, paths = opening.leaves, opening.leaf_paths
    which = rng.randrange(3)
    if which != 1:
        leaves = leaves[:-1] if rng.getrandbits(1) else (*leaves, *(leaves[:1] or (b"",)))
    if which != 0:
        paths = paths[:-1] if rng.getrandbits(1) else (*paths, *(paths[:1] or ((),)))
    if rng.randrange(4) == 0:
        leaves = leaves[::-1]
    return replace(opening, leaves=leaves, leaf_paths=paths)


CASE_DAMAGES: list[Callable[[random.Random, Case], Case]] = [
    _damage_location_path,
    _damage_descriptor,
    _damage_opening,
    _damage_opening,
    _damage_opening,
    _damage_count,
    _damage_whole,
]
OPENING_DAMAGES: list[Callable[[random.Random, TensorOpening], TensorOpening]] = [
    _damage_root,
    _damage_root_path,
    _damage_leaf,
    _damage_leaf_path,
    _damage_leaf_count,
]


# --- Call data -----------------------------------------------------------------------------------


def damage_bytes(rng: random.Random, data: bytes) -> bytes:
    """Mutated, truncated, extended; words, runs of words and offsets replaced."""
    if not data:
        return rng.randbytes(64)
    place, kind = rng.randrange(len(data)), rng.randrange(9)
    start = place // 32 * 32
    if kind == 0:
        return data[:place] + rng.randbytes(1) + data[place + 1 :]
    if kind == 1:
        return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
    if kind == 2:
        return data[: rng.choice([place, start, len(data) - 1, len(data) - 32])]
    if kind == 3:
        return data + rng.randbytes(rng.choice([1, 31, 32, 1024]))
    if kind == 4:  # an offset, a count or a length: what is small and not zero
        small = [
            i
            for i in range(0, len(data) - 31, 32)
            if 0 < int.from_bytes(data[i : i + 32], "big") <= len(data) + CONTEXT_END
        ]
        start = rng.choice(small) if small else start
    if kind <= 5:
        value = rng.choice([*WORDS, *WORDS, len(data), rng.randrange(0, 2 * len(data), 32)])
        if rng.randrange(4) == 0:
            now = int.from_bytes(data[start : start + 32], "big")
            value = (now + rng.choice([1, -1, 31, 32, -32, 64])) % 2**256
        return data[:start] + value.to_bytes(32, "big") + data[start + 32 :]
    length = 32 * rng.randrange(1, 9)
    run = data[start : start + length]
    if kind == 6:
        return data[:start] + data[start + length :]
    if kind == 7:
        return data[:start] + run + data[start:]
    other = rng.randrange(0, len(data), 32)
    return data[:other] + run + data[other + len(run) :]
