"""How a program's slots make up a module's `state_dict`: tied names, buffers, types.

The program knows one slot for each tensor; a `state_dict` names tied tensors twice, leaves out
buffers that are not persistent, and keeps integers in types of its own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from protocol.execution import State
from protocol.program import Slot
from protocol.types import Array

# Slots that are no tensors of the module: capture names them so.
OTHER_SLOTS = ("optimizer.", "constant.", "schedule.")
NAMES_MAX = 2**4  # = 16: of one tensor, which is written under each
_KINDS = {"f": ("float32",), "i": ("bool", "uint8", "int8", "int16", "int32", "int64")}


class MalformedLayout(ValueError):
    """A note that is no layout of this program."""


@dataclass(frozen=True)
class Entry:
    """Where a tensor of the `state_dict` is, and its type there."""

    slot: str
    dtype: str


Layout = Mapping[str, Entry]


def compute_layout(module: nn.Module, slots: Sequence[Slot]) -> Layout:
    """The layout of a module that was captured into these slots."""
    names = {slot.name for slot in slots}
    tensors = {id(t): n for n, t in (*module.named_parameters(), *module.named_buffers())}
    return {
        key: Entry(tensors[id(tensor)], str(tensor.dtype).removeprefix("torch."))
        for key, tensor in module.state_dict(keep_vars=True).items()
        if isinstance(tensor, Tensor) and tensors.get(id(tensor)) in names
    }


def guess_layout(slots: Sequence[Slot]) -> Layout:
    """Where there is no note: every slot of the module's, under its own name."""
    return {
        slot.name: Entry(slot.name, slot.dtype.numpy.name)
        for slot in slots
        if not slot.name.startswith(OTHER_SLOTS)
    }


def encode_layout(layout: Layout, slots: Sequence[Slot]) -> bytes:
    """A line for each name: its type, the number of its slot, the name.

    No JSON: what comes from outside must not be able to nest.
    """
    numbers = {slot.name: number for number, slot in enumerate(slots)}
    lines = [
        f"{item.dtype} {numbers[item.slot]} {name.encode('unicode_escape').decode()}\n"
        for name, item in layout.items()
    ]
    return "".join(lines).encode()


def decode_layout(data: bytes, slots: Sequence[Slot]) -> Layout:
    """The layout in a note. Raises `MalformedLayout` unless it fits these slots."""
    layout: dict[str, Entry] = {}
    try:
        for line in data.decode("ascii").splitlines():
            dtype, number, name = line.split(" ", 2)
            slot = slots[int(number)]
            if dtype not in _KINDS[slot.dtype.numpy.kind]:
                raise ValueError(f"{dtype} of slot {slot.name!r}")
            layout[name.encode().decode("unicode_escape")] = Entry(slot.name, dtype)
    except (ValueError, IndexError) as error:
        raise MalformedLayout(f"layout: {type(error).__name__}: {error}") from error
    most = max(Counter(item.slot for item in layout.values()).values(), default=0)
    if most > NAMES_MAX:
        raise MalformedLayout(f"layout: {most} names of one tensor, limit {NAMES_MAX}")
    return layout


def arrange(state: State, slots: Sequence[Slot], layout: Layout) -> dict[str, Array]:
    """The `state_dict`: tensors under the module's own names, in its own types."""
    tensors = dict(zip((slot.name for slot in slots), state))
    return {
        name: np.asarray(tensors[item.slot], item.dtype, order="C") for name, item in layout.items()
    }
