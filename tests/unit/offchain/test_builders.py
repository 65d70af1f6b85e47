"""What a builder may return, and which field goes where."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from offchain.builders import (
    BadBuilder,
    Built,
    WrongFields,
    call_builder,
    connect,
    load_builder,
    seeded,
    wire,
)


class Regression(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x, y):
        return ((self.layer(x).squeeze(1) - y) ** 2).mean()


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x, mask=None):
        return self.layer(x)


def test_call_builder__module_alone__is_enough():
    built = call_builder(Regression, {})
    assert isinstance(built.module, Regression) and built.optimizer is None


def test_call_builder__any_order_after_the_module__is_sorted():
    def build():
        module = Plain()
        optimizer = torch.optim.SGD(module.parameters(), lr=1)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3)
        return module, schedule, optimizer, nn.CrossEntropyLoss()

    built = call_builder(build, {})
    assert isinstance(built.loss, nn.CrossEntropyLoss)
    assert isinstance(built.optimizer, torch.optim.SGD)
    assert isinstance(built.schedule, torch.optim.lr_scheduler.StepLR)


def test_call_builder__arguments__settings_before_what_the_data_knows():
    def build(classes, width=3, depth=1):
        assert (classes, width, depth) == (7, 5, 1)
        return Plain()

    call_builder(build, {"width": 5}, {"classes": 7, "vocabulary": 9})


@pytest.mark.parametrize(
    ("build", "settings", "said"),
    [
        (lambda: 3, {}, "must return the module, .* the first is int"),
        (lambda: (), {}, "the first is nothing"),
        (lambda: (Plain(), 3), {}, "one is int"),
        (lambda: (Plain(), len, len), {}, "one is builtin"),
        (lambda: (Plain(), nn.PReLU()), {}, "the loss has parameters of its own"),
        (lambda: torch.compile(Plain()), {}, "torch.compile made; return the module itself"),
        (lambda: nn.LazyLinear(3), {}, "weight has no shape yet; run the module once"),
        (lambda wide: Plain(), {}, "nothing is known for argument 'wide'; --set gives it"),
        (lambda: Plain(), {"wide": 1}, "does not take 'wide'"),
        (lambda: 1 / 0, {}, "ZeroDivisionError: division by zero at test_builders.py"),
    ],
)
def test_call_builder__wrong__says_what_is_expected(build, settings, said):
    with pytest.raises(BadBuilder, match=said):
        call_builder(build, settings)


def test_load_builder__neighbours_and_dataclasses__work(tmp_path):
    (tmp_path / "neighbour_of_mine.py").write_text("WIDTH = 3\n")
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from torch import nn\n"
        "from neighbour_of_mine import WIDTH\n"
        "@dataclass\n"
        "class Config:\n"
        "    width: int = WIDTH\n"
        "def build(config: Config):\n"
        "    return nn.Linear(config.width, 1)\n"
    )
    built = call_builder(load_builder(f"{tmp_path / 'mine.py'}:build"), {})
    assert built.module.in_features == 3


def test_load_builder__file_that_fails__names_the_line(tmp_path):
    (tmp_path / "mine.py").write_text("import torch\nx = torch.nope\n")
    with pytest.raises(BadBuilder, match="AttributeError: .* at mine.py:2: x = torch.nope"):
        load_builder(f"{tmp_path / 'mine.py'}:build")


def test_seeded__same_seed__same_numbers_and_nothing_outside():
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    drawn = []
    for seed in (1, 1, 2):
        with seeded(seed):
            drawn.append((torch.rand(1).item(), random.random(), np.random.rand()))
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]


def compare(output, y, scale=1.0):
    return nn.functional.cross_entropy(output, y) * scale


@pytest.mark.parametrize(
    ("module", "loss", "fields", "words"),
    [
        (Regression(), None, ["x", "y"], "x -> forward(x), y -> forward(y)"),
        (Regression(), None, ["y", "id", "x"], "y -> forward(y), x -> forward(x)"),
        (nn.Linear(2, 3), nn.CrossEntropyLoss(), ["a", "b"], "a -> forward(input), b -> loss()"),
        (Plain(), compare, ["x", "y", "id"], "x -> forward(x), y -> loss(y)"),
        (
            Plain(),
            compare,
            ["x", "mask", "y"],
            "x -> forward(x), mask -> forward(mask), y -> loss(y)",
        ),
        (Plain(), nn.MSELoss(), ["x", "target", "id"], "x -> forward(x), target -> loss(target)"),
        (Plain(), lambda output, x: output - x, ["x"], "x -> forward(x), x -> loss(x)"),
    ],
)
def test_wire__fields__find_their_way(module, loss, fields, words):
    assert str(wire(Built(module, loss), fields)) == words


@pytest.mark.parametrize(
    ("module", "loss", "fields", "said"),
    [
        (Regression(), None, ["x", "z"], "forward of Regression takes x, y; the data has x, z"),
        (nn.Linear(2, 3), None, ["a", "b"], "forward of Linear takes input; the data has a, b"),
        (Plain(), nn.MSELoss(), ["x", "a", "b"], "the loss takes the module's output, then target"),
        (Plain(), compare, ["x"], "then y; the data has x, of which forward takes x"),
    ],
)
def test_wire__no_way__lists_both_sides(module, loss, fields, said):
    with pytest.raises(WrongFields, match=said):
        wire(Built(module, loss), fields)


def test_connect__loss_beside_it__same_names_and_nothing_changed():
    built = Built(Plain(), nn.CrossEntropyLoss())
    module = connect(built, wire(built, ["x", "y"]))
    x, y = torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    expected = nn.functional.cross_entropy(built.module(x), y)
    assert torch.equal(module(x=x, y=y), expected)
    assert list(module.state_dict()) == list(built.module.state_dict())
    assert built.module(x).shape == (4, 3)
