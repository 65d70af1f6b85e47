"""From a program's slots to a module's state_dict; a layout from outside is only a note."""

import numpy as np
import pytest
import torch
from torch import nn

from offchain.layout import (
    NAMES_MAX,
    Entry,
    MalformedLayout,
    arrange,
    compute_layout,
    decode_layout,
    encode_layout,
    guess_layout,
)
from protocol.program import Slot
from protocol.types import Dtype

SLOTS = (
    Slot("weight", Dtype.F32, (2,), 0),
    Slot("count", Dtype.I32, (), 1),
    Slot("flag", Dtype.I32, (2,), 1),
    Slot("hidden", Dtype.F32, (), 2),
    Slot("optimizer.step", Dtype.F32, (), 2),
    Slot("schedule.step", Dtype.F32, (), 2),
    Slot("constant.0", Dtype.F32, (), 2),
)
STATE = (
    np.array([1, 2], np.float32),
    np.array(5, np.int32),
    np.array([0, 1], np.int32),
    *(np.array(9, np.float32) for _ in range(4)),
)


class Module(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.same = self.weight
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("flag", torch.tensor([True, False]))
        self.register_buffer("hidden", torch.tensor(0.0), persistent=False)


def test_arrange__layout_of_a_module__loads_strictly():
    layout = decode_layout(encode_layout(compute_layout(Module(), SLOTS), SLOTS), SLOTS)
    tensors = arrange(STATE, SLOTS, layout)
    assert {name: array.dtype.name for name, array in tensors.items()} == {
        "weight": "float32",
        "same": "float32",
        "count": "int64",
        "flag": "bool",
    }
    module = Module()
    module.load_state_dict({n: torch.from_numpy(a) for n, a in tensors.items()}, strict=True)
    assert module.weight.tolist() == [1, 2] and module.flag.tolist() == [False, True]


def test_guess_layout__no_note__slots_of_the_module_only():
    assert list(guess_layout(SLOTS)) == ["weight", "count", "flag", "hidden"]


def test_decode_layout__odd_names__come_back():
    layout = {"a b\nc\u00e9": Entry("weight", "float32")}
    assert decode_layout(encode_layout(layout, SLOTS), SLOTS) == layout


@pytest.mark.parametrize(
    "data",
    [
        b"weight",
        b"float32 a",
        b"float32 x a",
        b"float32 99 a",
        b"int64 0 a",
        b"float32 1 a",
        b"object 0 a",
        b"\xff",
        b"[" * 10**5,
        b"".join(b"float32 0 %d\n" % n for n in range(NAMES_MAX + 1)),
    ],
)
def test_decode_layout__any_other_note__is_refused(data):
    with pytest.raises(MalformedLayout):
        decode_layout(data, SLOTS)
