"""Dropout in all its forms: what is kept is scaled, whole channels go together, steps differ."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHAPE = (4, 8, 6, 5)
KEPT = 0.75


class Dropped(nn.Module):
    """Keeps what a form of dropout makes of ones."""

    def __init__(self, layer: nn.Module, shape: tuple[int, ...]):
        super().__init__()
        self.layer, self.weight = layer, nn.Parameter(torch.ones(shape))
        self.register_buffer("result", torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(self.weight)
        self.result.copy_(y.detach())
        return y.sum() + 0 * x.sum()


def run(capture_module, execute, layer, shape=SHAPE, steps=3):  # type: ignore[no-untyped-def]
    module, batch = Dropped(layer, shape), {"x": torch.ones(1, 1)}
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0, momentum=0.9)
    captured = capture_module(module, optimizer, batch)
    states = [execute(captured, [batch] * count).state for count in range(1, steps + 1)]
    return captured, states


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Dropout(0.25), SHAPE),
        (nn.Dropout(0.25, inplace=True), SHAPE),
        (nn.Dropout1d(0.25), SHAPE[:3]),
        (nn.Dropout2d(0.25), SHAPE),
        (nn.Dropout3d(0.25), (*SHAPE, 2)),
    ],
)
def test_dropout__form__scales_what_it_keeps(capture_module, execute, layer, shape):  # type: ignore[no-untyped-def]
    if getattr(layer, "inplace", False):
        inner = layer
        layer = nn.Sequential(nn.Identity(), _Product(), inner)
    _, states = run(capture_module, execute, layer, shape)
    first = states[0]["result"]
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / KEPT)}
    # By elements 3 standard deviations are 0.05; by channels there are 32 draws.
    by_channel = type(layer) not in (nn.Dropout, nn.Sequential)
    assert np.mean(first > 0) == pytest.approx(KEPT, abs=0.25 if by_channel else 0.05)
    channels = first.reshape(*shape[:2], -1)
    assert bool((channels == channels[..., :1]).all()) == by_channel
    # The gradient went through the same mask.
    assert states[0]["optimizer.weight.momentum_buffer"].tobytes() == first.tobytes()
    assert any((state["result"] != first).any() for state in states[1:])


class _Product(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 1.0


@pytest.mark.parametrize("layer", [nn.AlphaDropout(0.25), nn.FeatureAlphaDropout(0.25)])
def test_dropout__alpha__two_values(capture_module, execute, layer):  # type: ignore[no-untyped-def]
    _, states = run(capture_module, execute, layer)
    low, high = np.unique(states[0]["result"])
    assert low < 0 < high


def test_dropout__of_attention__drops_weights(capture_module, execute):  # type: ignore[no-untyped-def]
    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(x * 0, x * 0, x, dropout_p=0.25)

    captured, states = run(capture_module, execute, Attention(), (2, 2, 8, 8))
    assert sum(o.kind == "random" for o in captured.program.operators) == 1
    # Each row adds kept / (8 * 0.75) for as many of its 8 weights as are kept.
    kept = states[0]["result"] * 8 * KEPT
    assert np.allclose(kept, kept.round(), atol=1e-2)
    assert np.mean(kept) == pytest.approx(8 * KEPT, abs=1.0)
    assert len(np.unique(kept.round())) > 1


def test_dropout__evaluated_or_zero__draws_nothing(capture_module, execute):  # type: ignore[no-untyped-def]
    for layer in (nn.Dropout(0.5).eval(), nn.Dropout2d(0.0)):
        captured, states = run(capture_module, execute, layer, steps=1)
        assert (states[0]["result"] == 1).all()
        assert "random.counter" not in captured.slot_names or layer.training
