"""Learning-rate schedulers of torch.optim as functions of the number of steps taken.

Each gives the factor of every parameter group's initial rate in closed form, in operations that the
program computes from its own step counter. PyTorch reaches the same rates step by step.
"""

from collections.abc import Callable
from math import factorial, pi

import torch
from torch import Tensor
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from offchain.capture.errors import UnsupportedOptimizer

# From the number of steps taken so far, a f32 scalar, to what multiplies the learning rates: one
# factor for all parameter groups, or one per group.
Schedule = Callable[[Tensor], "Tensor | list[Tensor]"]
_Rule = Callable[[LRScheduler, Tensor, float], Tensor]  # the scheduler, the step, a group's rate

_COSINE = [(-1) ** k / factorial(2 * k) for k in range(8)]


def _compute_cosine(turn: Tensor) -> Tensor:
    """cos(pi * turn) for any turn >= 0: the instruction set has no cosine, its series will do."""
    turn = turn - 2 * torch.floor(turn / 2)  # in [0, 2)
    angle = (turn - 1) * (pi / 2)
    square = angle * angle
    cosine = torch.full_like(turn, _COSINE[-1])
    for coefficient in _COSINE[-2::-1]:
        cosine = cosine * square + coefficient
    return 1 - 2 * cosine * cosine


def _linear(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    done = torch.clamp(step, max=float(rule.total_iters)) / rule.total_iters
    return rule.start_factor + (rule.end_factor - rule.start_factor) * done


def _constant(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    return torch.where(step < rule.total_iters, float(rule.factor), 1.0)


def _step(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    return rule.gamma ** torch.floor((step + 0.5) / rule.step_size)


def _multi_step(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    factor = torch.ones_like(step)
    for milestone, times in rule.milestones.items():
        factor = torch.where(step < milestone, factor, factor * rule.gamma**times)
    return factor


def _exponential(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    return rule.gamma**step


def _polynomial(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    done = torch.clamp(step, max=float(rule.total_iters)) / rule.total_iters
    return torch.clamp(1 - done, min=0.0) ** rule.power


def _cosine(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    low = rule.eta_min / rate
    return low + (1 - low) * (1 + _compute_cosine(step / rule.T_max)) / 2


def _restarts(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    if rule.T_mult != 1:
        raise UnsupportedOptimizer("CosineAnnealingWarmRestarts: T_mult other than 1")
    done = step - rule.T_0 * torch.floor((step + 0.5) / rule.T_0)
    low = rule.eta_min / rate
    return low + (1 - low) * (1 + _compute_cosine(done / rule.T_0)) / 2


def _sequential(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    parts, milestones = rule._schedulers, rule._milestones
    factor = _compute(parts[0], step, rate)
    for part, milestone in zip(parts[1:], milestones):
        factor = torch.where(step < milestone, factor, _compute(part, step - milestone, rate))
    return factor


def _chained(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    factor = torch.ones_like(step)
    for part in rule._schedulers:
        if isinstance(part, lr_scheduler.CosineAnnealingLR) and part.eta_min:
            raise UnsupportedOptimizer("ChainedScheduler: of a cosine with eta_min other than 0")
        factor = factor * _compute(part, step, rate)
    return factor


_RULES: dict[type, _Rule] = {
    lr_scheduler.LinearLR: _linear,
    lr_scheduler.ConstantLR: _constant,
    lr_scheduler.StepLR: _step,
    lr_scheduler.MultiStepLR: _multi_step,
    lr_scheduler.ExponentialLR: _exponential,
    lr_scheduler.PolynomialLR: _polynomial,
    lr_scheduler.CosineAnnealingLR: _cosine,
    lr_scheduler.CosineAnnealingWarmRestarts: _restarts,
    lr_scheduler.SequentialLR: _sequential,
    lr_scheduler.ChainedScheduler: _chained,
}


def _compute(rule: LRScheduler, step: Tensor, rate: float) -> Tensor:
    # Before its time a part of a sequence has no meaning; whatever it gives is not chosen.
    return _RULES[type(rule)](rule, torch.clamp(step, min=0.0), rate)


def _check(rule: LRScheduler) -> None:
    if type(rule) not in _RULES:
        known = ", ".join(kind.__name__ for kind in _RULES)
        raise UnsupportedOptimizer(
            f"{type(rule).__name__}: the program computes rates by itself and runs no Python; "
            f"known are {known}, or give `schedule` as a function of tensors"
        )
    for part in getattr(rule, "_schedulers", ()):
        _check(part)


def get_schedule(rule: LRScheduler) -> Schedule:
    """The scheduler from where it stands. Raises UnsupportedOptimizer."""
    _check(rule)
    rates = [float(group["initial_lr"]) for group in rule.optimizer.param_groups]
    # A chain counts nothing itself; its parts go in step.
    counter = rule._schedulers[0] if isinstance(rule, lr_scheduler.ChainedScheduler) else rule
    start = float(counter.last_epoch)

    def schedule(step: Tensor) -> list[Tensor]:
        return [_compute(rule, step + start, rate) for rate in rates]

    return schedule


# The common ones by name. All begin with a warm-up to the whole rate, which step number `warmup`
# (from 0) has, and end where their `steps` do; `end` is a share of the whole rate.


def _check_count(name: str, value: object, low: int) -> None:
    if type(value) is not int or value < low:
        raise ValueError(f"{name} is {value!r}, expected a whole number from {low}")


def _check_share(name: str, value: object) -> None:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name} is {value!r}, expected a number from 0 to 1")


def _warm_up(step: Tensor, warmup: int) -> Tensor:
    return torch.clamp((step + 1) / (warmup + 1), max=1.0)


def _get_done(step: Tensor, steps: int, warmup: int) -> Tensor:
    return torch.clamp((step - warmup) / (steps - warmup), min=0.0, max=1.0)


def build_cosine(steps: int, warmup: int = 0, end: float = 0.0) -> Schedule:
    """Half a wave of a cosine from 1 to `end`, reached after `steps`. Raises ValueError."""
    _check_count("warmup", warmup, 0)
    _check_count("steps", steps, warmup + 1)
    _check_share("end", end)

    def schedule(step: Tensor) -> Tensor:
        wave = (1 + _compute_cosine(_get_done(step, steps, warmup))) / 2
        return _warm_up(step, warmup) * (end + (1 - end) * wave)

    return schedule


def build_linear(steps: int, warmup: int = 0, end: float = 0.0) -> Schedule:
    """A straight line from 1 to `end`, reached after `steps`. Raises ValueError."""
    _check_count("warmup", warmup, 0)
    _check_count("steps", steps, warmup + 1)
    _check_share("end", end)

    def schedule(step: Tensor) -> Tensor:
        return _warm_up(step, warmup) * (1 - (1 - end) * _get_done(step, steps, warmup))

    return schedule


def build_steps(every: int, factor: float = 0.1, warmup: int = 0) -> Schedule:
    """Times `factor` after `every` so many steps. Raises ValueError."""
    _check_count("warmup", warmup, 0)
    _check_count("every", every, 1)
    _check_share("factor", factor)

    def schedule(step: Tensor) -> Tensor:
        # The half keeps a quotient that is rounded down from falling below a whole number.
        return _warm_up(step, warmup) * factor ** torch.floor((step + 0.5) / every)

    return schedule


def build_constant(warmup: int = 0) -> Schedule:
    """The whole rate, after a warm-up. Raises ValueError."""
    _check_count("warmup", warmup, 0)
    return lambda step: _warm_up(step, warmup)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "cosine": build_cosine,
    "linear": build_linear,
    "step": build_steps,
    "constant": build_constant,
}
