"""Optimisers of torch.optim, several steps each, and what is refused."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import lr_scheduler

from offchain.capture import UnevenBatch, UnsupportedOptimizer
from offchain.capture.schedules import get_schedule

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
    "sgd_dampening": lambda p: torch.optim.SGD(
        p, lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.1
    ),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.1, weight_decay=0.01),
    "rmsprop_plain": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "adam_amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
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


SCHEDULERS = {
    "linear": lambda o: lr_scheduler.LinearLR(o, 0.25, total_iters=3),
    "constant": lambda o: lr_scheduler.ConstantLR(o, 0.5, total_iters=2),
    "step": lambda o: lr_scheduler.StepLR(o, 2, gamma=0.5),
    "multi_step": lambda o: lr_scheduler.MultiStepLR(o, [1, 3, 3], gamma=0.5),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.8),
    "polynomial": lambda o: lr_scheduler.PolynomialLR(o, 3, power=1.5),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 4, eta_min=0.01),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, eta_min=0.01),
    "warm_up_then_cosine": lambda o: lr_scheduler.SequentialLR(
        o,
        [
            lr_scheduler.LinearLR(o, 0.1, total_iters=2),
            lr_scheduler.CosineAnnealingLR(o, 4, eta_min=0.01),
        ],
        milestones=[2],
    ),
    "chained": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, total_iters=2), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
}


@pytest.mark.parametrize("make", SCHEDULERS.values(), ids=SCHEDULERS.keys())
def test_get_schedule__many_steps__rates_of_pytorch(make):
    parameters = [[nn.Parameter(torch.zeros(1))], [nn.Parameter(torch.zeros(1))]]
    groups = [{"params": p, "lr": rate} for p, rate in zip(parameters, (0.3, 0.05))]
    optimizer = torch.optim.SGD(groups)
    scheduler = make(optimizer)
    schedule = get_schedule(scheduler)
    changes = 0
    for step in range(10):
        factors = schedule(torch.tensor(float(step)))
        for group, factor in zip(optimizer.param_groups, factors):
            assert float(factor) * group["initial_lr"] == pytest.approx(group["lr"], rel=2e-6)
            changes += group["lr"] != group["initial_lr"]
        optimizer.step()
        scheduler.step()
    assert changes


def test_get_schedule__python_function__refused():
    optimizer = torch.optim.SGD(Regression().parameters(), lr=0.1)
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step)
    with pytest.raises(UnsupportedOptimizer, match="LambdaLR: the program computes rates by"):
        get_schedule(scheduler)


def train(module, optimizer, batches, scheduler=None, clip=lambda parameters: None):
    for batch in batches:
        optimizer.zero_grad()
        module(**batch).backward()
        clip(list(module.parameters()))
        optimizer.step()
        if scheduler is not None:
            scheduler.step()


def compare(module, result):
    for name, parameter in module.named_parameters():
        expected = parameter.detach().numpy()
        assert result.state[name] == pytest.approx(expected, abs=1e-3), name


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5, maximize=True),
        lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
        lambda p: torch.optim.Adadelta(p, lr=0.5),
        lambda p: torch.optim.Adagrad(p, lr=0.1),
        lambda p: torch.optim.NAdam(p, lr=0.01),
    ],
)
def test_capture__schedule_with_any_optimizer__trains_like_pytorch(capture_module, execute, make):
    module, batches = Regression(), make_batches(5)
    optimizer = make(module.parameters())
    scheduler = SCHEDULERS["step"](optimizer)
    captured = capture_module(module, optimizer, batches[0], schedule=scheduler)
    result = execute(captured, batches)
    train(module, optimizer, batches, scheduler)
    compare(module, result)


def test_capture__scheduler_of_torch__trains_like_pytorch(capture_module, execute):
    module, batches = Regression(), make_batches(5)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.05)
    scheduler = SCHEDULERS["warm_up_then_cosine"](optimizer)
    captured = capture_module(module, optimizer, batches[0], schedule=scheduler)
    result = execute(captured, batches)
    train(module, optimizer, batches, scheduler)
    compare(module, result)


@pytest.mark.parametrize(
    ("options", "clip"),
    [
        ({"clip_norm": 0.5}, lambda p: nn.utils.clip_grad_norm_(p, 0.5)),
        ({"clip_norm": 1e6}, lambda p: None),
        ({"clip_value": 0.1}, lambda p: nn.utils.clip_grad_value_(p, 0.1)),
    ],
)
def test_capture__clipping__trains_like_pytorch(capture_module, execute, options, clip):
    module, batches = Regression(), make_batches(3)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5, momentum=0.5)
    result = execute(capture_module(module, optimizer, batches[0], **options), batches)
    train(module, optimizer, batches, clip=clip)
    compare(module, result)


def test_capture__accumulation__trains_like_pytorch(capture_module, execute):
    module, batches = Regression(), make_batches(2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5, momentum=0.5)
    result = execute(capture_module(module, optimizer, batches[0], accumulate=3), batches)
    for batch in batches:
        optimizer.zero_grad()
        for part in range(3):
            rows = slice(2 * part, 2 * part + 2)
            (module(**{name: x[rows] for name, x in batch.items()}) / 3).backward()
        optimizer.step()
    compare(module, result)


def test_capture__accumulation_in_uneven_parts__refused(capture_module):
    module = Regression()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    with pytest.raises(UnevenBatch, match="6 rows in 4 parts"):
        capture_module(module, optimizer, make_batches(1)[0], accumulate=4)
