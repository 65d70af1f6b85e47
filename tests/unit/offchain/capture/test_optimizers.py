"""Optimisers of torch.optim, several steps each, and what is refused."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from offchain.capture import UnsupportedOptimizer

STEPS = 3


class Regression(nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 2)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.5, generator=generator)

    def forward(self, x, y):
        return F.mse_loss(self.second(torch.tanh(self.first(x))), y)


def make_batches(count):
    generator = torch.Generator().manual_seed(4)
    return [
        {
            "x": torch.randn(6, 4, generator=generator),
            "y": torch.randn(6, 2, generator=generator),
        }
        for _ in range(count)
    ]


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "sgd_maximize": lambda p: torch.optim.SGD(p, lr=0.1, maximize=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    "adamw_amsgrad": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
    "adamw_tensor_rate": lambda p: torch.optim.AdamW(p, lr=torch.tensor(0.01), foreach=False),
    "adamw_foreach": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=True),
    "adamax": lambda p: torch.optim.Adamax(p, lr=0.01),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=0.5),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_capture__optimizer__trains_like_pytorch(compare_training, make):
    module = Regression()
    compare_training(module, make(module.parameters()), make_batches(STEPS), tolerance=2e-3)


def test_capture__parameter_groups__each_with_its_settings(compare_training):
    module = Regression()
    groups = [
        {"params": module.first.parameters(), "lr": 0.02},
        {"params": module.second.parameters(), "weight_decay": 0.5},
    ]
    compare_training(module, torch.optim.AdamW(groups, lr=0.01), make_batches(STEPS), 2e-3)


def test_capture__frozen_parameter__stays(compare_training):
    module = Regression()
    module.first.requires_grad_(False)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    captured = compare_training(module, optimizer, make_batches(STEPS), tolerance=2e-3)
    assert "optimizer.first.weight.exp_avg" not in captured.slot_names


def test_capture__dampening__refused(capture_module):
    module = Regression()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, dampening=0.5)
    with pytest.raises(UnsupportedOptimizer, match="SGD: its first step differs"):
        capture_module(module, optimizer, make_batches(1)[0])


def test_capture__foreign_parameter__refused(capture_module):
    optimizer = torch.optim.SGD(Regression().parameters(), lr=0.1)
    with pytest.raises(UnsupportedOptimizer, match=r"shape \(5, 4\) that is not the module's"):
        capture_module(Regression(), optimizer, make_batches(1)[0])


def test_capture__schedule__runs_inside_the_program(capture_module, execute):
    def warm_up(step):
        return torch.clamp((step + 1) / 2, max=1.0) * 0.9**step

    module, batches = Regression(), make_batches(4)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.05)
    captured = capture_module(module, optimizer, batches[0], schedule=warm_up)
    result = execute(captured, batches)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: float(warm_up(torch.tensor(float(step))))
    )
    for batch in batches:
        optimizer.zero_grad()
        module(**batch).backward()
        optimizer.step()
        scheduler.step()
    assert result.state["schedule.step"] == 4
    for name, parameter in module.named_parameters():
        expected = parameter.detach().numpy()
        assert result.state[name] == pytest.approx(expected, abs=2e-3)
