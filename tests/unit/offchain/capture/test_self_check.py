"""The self-check sees a wrong lowering and passes a right one."""

import pytest
import torch
from torch import nn

from examples.gpt import Config, build
from offchain.capture import FieldSpec, capture, registry
from offchain.capture.self_check import check_step, without_dropout


class Model(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 2)
        )

    def forward(self, x):
        return self.layers(x).pow(2).mean()


def check(dropout=0.0, **options):
    torch.manual_seed(0)
    module, batch = Model(dropout), {"x": torch.randn(6, 4)}
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    captured = capture(module, optimizer, {"x": FieldSpec(torch.float32, (4,), 4)}, 6, **options)
    return check_step(module, optimizer, captured, batch, **options)


@pytest.mark.parametrize("options", [{}, {"accumulate": 3, "clip_norm": 0.1}, {"clip_value": 0.01}])
def test_check_step__right_program__is_good(options):
    result = check(**options)
    assert result.is_good and not result.is_random
    assert set(result.parameters) == {f"layers.{n}.{k}" for n in (0, 3) for k in ("weight", "bias")}
    assert result.worst[1] < 0.01 and result.loss < 1e-3


def test_check_step__wrong_lowering__is_seen(monkeypatch):
    tanh = torch.ops.aten.tanh_backward.default
    monkeypatch.setitem(registry.REGISTRY, tanh, lambda low, gradient, y: gradient)
    result = check()
    assert not result.is_good
    assert result.worst[0].startswith("layers.0.") and result.worst[1] > 0.1


def test_check_step__dropout__says_that_it_is_random():
    assert check(dropout=0.5).is_random


def test_without_dropout__layers_and_settings__are_silent_copies():
    module = Model(dropout=0.5)
    module.attention_dropout = 0.3
    module.add_module("core", nn.LSTM(2, 2, num_layers=2, dropout=0.4))
    silent, optimizer = without_dropout(module, torch.optim.SGD(module.parameters(), lr=0.1))
    assert silent.layers[2].p == silent.attention_dropout == silent.core.dropout == 0.0
    assert module.layers[2].p == 0.5 and module.core.dropout == 0.4
    assert optimizer.param_groups[0]["params"][0] is next(silent.parameters())


def test_check_step__biases_without_effect__are_no_difference():
    torch.manual_seed(0)
    module, optimizer = build(Config(11, context=4, layers=1, heads=2, channels=8))
    batch = {"tokens": torch.randint(0, 11, (2, 5))}
    fields = {"tokens": FieldSpec(torch.int64, (5,), 5)}
    result = check_step(module, optimizer, capture(module, optimizer, fields, 2), batch)
    assert result.is_good
    assert "blocks.0.attention.qkv.bias" in result.parameters
