"""Optimisers and schedules from text, which is data and never code."""

import math

import pytest
import torch
from torch import nn

from offchain.recipes import BadRecipe, build_optimizer, build_schedule, parse_call


def build_module() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1))


def test_parse_call__literals__are_values():
    name, values = parse_call("adamw(lr=3e-4, betas=(0.9, 0.95), amsgrad=True)", "optimizer")
    assert (name, values) == ("adamw", {"lr": 3e-4, "betas": (0.9, 0.95), "amsgrad": True})
    assert parse_call(" sgd ", "optimizer") == ("sgd", {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "adamw(",
        "adamw(1e-3)",
        "adamw(lr=open('x'))",
        "adamw(lr=__import__('os').getpid())",
        "adamw(**{'lr': 1})",
        "torch.optim.AdamW(lr=1)",
        "(lambda: 1)()",
        "adamw(lr=1); 2",
        "adamw(lr=" + "(" * 900 + "1" + ")" * 90,
        "adamw(lr=" + "1" * 2000 + ")",
        "adamw(lr=1, lr=2)",
        "\0",
    ],
)
def test_parse_call__anything_else__is_refused(text):
    with pytest.raises(BadRecipe):
        parse_call(text, "optimizer")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("adamw(lr=1e-3)", torch.optim.AdamW),
        ("AdamW(lr=1e-3)", torch.optim.AdamW),
        ("sgd(lr=0.1, momentum=0.9, nesterov=True)", torch.optim.SGD),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_build_optimizer__recipe__is_that_of_torch(text, kind):
    optimizer = build_optimizer(text, build_module())
    assert type(optimizer) is kind
    assert len(optimizer.param_groups[0]["params"]) == 6


def test_build_optimizer__groups__first_pattern_counts():
    module = build_module()
    module[0].weight.requires_grad_(False)
    optimizer = build_optimizer(
        "adamw(lr=1e-3, weight_decay=0.1)",
        module,
        ("1.*(weight_decay=0)", "*.bias(weight_decay=0, lr=1e-2)"),
    )
    named = {id(p): n for n, p in module.named_parameters()}
    found = [
        ([named[id(p)] for p in group["params"]], group["weight_decay"], group["lr"])
        for group in optimizer.param_groups
    ]
    assert found == [
        (["2.weight"], 0.1, 1e-3),
        (["1.weight", "1.bias"], 0, 1e-3),
        (["0.bias", "2.bias"], 0, 1e-2),
    ]


@pytest.mark.parametrize(
    ("text", "groups", "said"),
    [
        ("adamm(lr=1)", (), "optimizer 'adamm': not one of adadelta, "),
        ("lbfgs(lr=1)", (), "not one of"),
        ("muon(lr=1)", (), "not one of"),
        ("adamw(rate=1)", (), "does not take 'rate'; it takes amsgrad, betas, eps, lr"),
        ("adamw(lr=-1)", (), "Invalid learning rate"),
        ("adamw(lr='fast')", (), 'optimizer "adamw'),
        ("adamw(lr=1e999)", (), "lr is not finite"),
        ("adamw(betas=(0.9, -1e999))", (), "betas is not finite"),
        ("adamw(betas=(0.9,))", (), "index out of range"),
        ("adamw(fused=True)", (), "does not take 'fused'"),
        ("sgd(lr=1)", ("head.*(lr=2)",), "group 'head.\\*': no parameter left"),
        ("sgd(lr=1)", ("*.bias",), "expected PATTERN\\(key=value\\)"),
        ("sgd(lr=1)", ("*.bias(rate=2)",), "does not take 'rate'"),
        ("sgd(lr=1)", ("*.bias(lr=2", ""), "expected"),
    ],
)
def test_build_optimizer__wrong_recipe__says_what_is_taken(text, groups, said):
    with pytest.raises(BadRecipe, match=said):
        build_optimizer(text, build_module(), groups)


def test_build_optimizer__nothing_to_train__is_refused():
    module = build_module().requires_grad_(False)
    with pytest.raises(BadRecipe, match="no parameter of the module requires a gradient"):
        build_optimizer("sgd(lr=1)", module)


def compute(text: str, step: int) -> float:
    return float(torch.as_tensor(build_schedule(text)(torch.tensor(float(step)))))


@pytest.mark.parametrize(
    ("text", "factors"),
    [
        ("constant", {0: 1, 99: 1}),
        ("constant(warmup=3)", {0: 0.25, 1: 0.5, 3: 1, 9: 1}),
        ("cosine(steps=100)", {0: 1, 25: 0.5 + math.sqrt(0.125), 50: 0.5, 100: 0, 500: 0}),
        ("cosine(steps=110, warmup=10, end=0.1)", {0: 1 / 11, 10: 1, 60: 0.55, 110: 0.1}),
        ("linear(steps=10, end=0.5)", {0: 1, 5: 0.75, 10: 0.5, 11: 0.5}),
        ("step(every=3, factor=0.5)", {0: 1, 2: 1, 3: 0.5, 5: 0.5, 6: 0.25}),
    ],
)
def test_build_schedule__recipe__factors(text, factors):
    assert {step: compute(text, step) for step in factors} == pytest.approx(factors, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cos(steps=1)", "not one of cosine, linear, step, constant"),
        ("cosine", "missing a required argument: 'steps'"),
        ("cosine(steps=0)", "steps is 0, expected a whole number from 1"),
        ("cosine(steps=10, warmup=10)", "steps is 10, expected a whole number from 11"),
        ("cosine(steps=1.5)", "steps is 1.5"),
        ("cosine(steps=10, floor=1)", "does not take 'floor'; it takes end, steps, warmup"),
        ("linear(steps=10, end=2)", "end is 2, expected a number from 0 to 1"),
        ("step(every='a')", "every is 'a'"),
    ],
)
def test_build_schedule__wrong_recipe__says_what_is_expected(text, said):
    with pytest.raises(BadRecipe, match=said):
        build_schedule(text)
