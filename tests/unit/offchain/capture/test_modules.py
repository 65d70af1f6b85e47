"""Whole modules: networks, tied weights, buffers, dropout, what a loss may look like."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from offchain.capture import MalformedLoss, SlotNameTaken, UnsupportedDtype


def make_batch(rows=6, width=4):
    generator = torch.Generator().manual_seed(5)
    return {"x": torch.randn(rows, width, generator=generator)}


class Loss(nn.Module):
    """A layer, and a function from it and x to whatever the module returns."""

    def __init__(self, function, layer=None):
        super().__init__()
        generator = torch.Generator().manual_seed(6)
        self.layer = nn.Linear(4, 4) if layer is None else layer
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.5, generator=generator)
        self.function = function

    def forward(self, x):
        return self.function(self.layer, x)


def make_optimizer(module):
    return torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)


def test_capture__mlp_with_momentum__trains_like_pytorch(compare_training):
    layer = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4), nn.SiLU(), nn.Linear(4, 4))
    module = Loss(lambda layer, x: F.mse_loss(layer(x), x), layer)
    compare_training(module, make_optimizer(module), [make_batch()] * 4, tolerance=2e-3)


def test_capture__tied_weights__are_one_slot(compare_training):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode, self.decode = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
            self.decode.weight = self.encode.weight

        def forward(self, x):
            return F.mse_loss(self.decode(torch.tanh(self.encode(x))), x)

    torch.manual_seed(0)
    module = Tied()
    optimizer = make_optimizer(module)
    captured = compare_training(module, optimizer, [make_batch()] * 2, tolerance=2e-3)
    assert "decode.weight" not in captured.slot_names


def test_capture__buffer_that_changes__is_state(compare_training):
    class Averaging(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.register_buffer("average", torch.zeros(4))

        def forward(self, x):
            y = self.layer(x)
            self.average.mul_(0.9).add_(0.1 * y.detach().mean(0))
            return F.mse_loss(y - self.average, x)

    torch.manual_seed(0)
    module = Averaging()
    compare_training(module, make_optimizer(module), [make_batch()] * 3, tolerance=2e-3)


@pytest.mark.parametrize(
    "wrap",
    [lambda y: {"loss": y}, lambda y: SimpleNamespace(loss=y, logits=None)],
    ids=["mapping", "attribute"],
)
def test_capture__loss_inside_a_result__is_found(capture_module, execute, wrap):
    module = Loss(lambda layer, x: wrap(F.mse_loss(layer(x), x)))
    captured = capture_module(module, make_optimizer(module), make_batch())
    expected = F.mse_loss(module.layer(make_batch()["x"]), make_batch()["x"]).item()
    assert execute(captured, [make_batch()]).losses[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda layer, x: layer(x), r"torch.float32 of shape \(6, 4\), not a f32 scalar"),
        (lambda layer, x: None, "the module returns NoneType"),
        (lambda layer, x: x.sum(), "depends on no parameter"),
        (lambda layer, x: layer(x).sum().double(), "torch.float64 of shape"),
    ],
)
def test_capture__malformed_loss__refused(capture_module, function, message):
    module = Loss(function)
    with pytest.raises(MalformedLoss, match=message):
        capture_module(module, make_optimizer(module), make_batch())


def test_capture__half_precision_parameter__refused(capture_module):
    module = Loss(lambda layer, x: layer(x.half()).float().sum()).half()
    with pytest.raises(UnsupportedDtype, match=r"layer.weight: torch.float16"):
        capture_module(module, make_optimizer(module), make_batch())


def test_capture__name_of_an_added_slot__refused(capture_module):
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("0", torch.zeros(4))

    class Clashing(Loss):
        def __init__(self):
            super().__init__(lambda layer, x: (layer(x) * torch.tensor([1.0, 3, 2, 5])).sum())
            self.constant = Constant()

    module = Clashing()
    with pytest.raises(SlotNameTaken, match=r"slot 'constant.0'"):
        capture_module(module, make_optimizer(module), make_batch())


def test_capture__dropout__keeps_the_mean_and_differs_by_step(capture_module, execute):
    probability, width, rows = 0.25, 64, 8

    class Dropped(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(width))

        def forward(self, x):
            first, second = F.dropout(self.weight * x, probability), F.dropout(x, probability)
            return first.mean() + 0 * second.mean()

    module = Dropped()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0)
    batch = {"x": torch.ones(rows, width)}
    captured = capture_module(module, optimizer, batch)
    result = execute(captured, [batch] * 6)
    assert len(set(result.losses)) > 1
    # The mean of 6 * 512 values of 0 or 1 / (1 - p): standard deviation 0.010.
    assert np.mean(result.losses) == pytest.approx(1.0, abs=0.05)
    assert result.state["random.counter"] == 6
    kinds = [o for o in captured.program.operators if o.kind == "random"]
    assert len({o.attributes["key_1"] for o in kinds}) == len(kinds) == 2


def test_capture__dropout_without_training__draws_nothing(capture_module):
    module = Loss(lambda layer, x: F.dropout(layer(x), 0.5, training=False).sum())
    captured = capture_module(module, make_optimizer(module), make_batch())
    assert "random.counter" not in captured.slot_names


def test_capture__seed__changes_the_program(capture_module):
    module = Loss(lambda layer, x: F.dropout(layer(x), 0.5).sum())
    roots = {
        capture_module(module, make_optimizer(module), make_batch(), seed=seed).program.root
        for seed in (0, 1)
    }
    assert len(roots) == 2
