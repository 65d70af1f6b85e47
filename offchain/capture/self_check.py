"""One step of a program beside one step of plain float32 PyTorch: how far each parameter moved.

It guards against a lowering that means something else than PyTorch; the small differences that
remain come of the arithmetic (15 bits per operand of a matrix product).
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from offchain.capture.capture import Captured
from offchain.kernels.reading import to_torch
from offchain.kernels.settings import numeric_settings
from offchain.runner.plan import Plan

# Measured: with the policy float32 differences of a step stay below 1e-3 where gradients are no
# mere rounding noise; a wrong lowering shows as 1e-1 or more.
DIFFERENCE_MAX = 0.05
# Products of 15 bits leave noise of 1e-4 of a tensor's largest gradient.
NOISE = 1e-3  # elements below it, relative to their tensor's largest
NOTHING = 1e-5  # tensors below it, relative to the largest gradient of all


@dataclass(frozen=True)
class SelfCheck:
    """Largest differences, relative to how far the largest element of the parameter moved."""

    loss: float  # relative
    parameters: Mapping[str, float]
    is_random: bool  # the program draws other random numbers than PyTorch

    @property
    def worst(self) -> tuple[str, float]:
        """The parameter that differs most."""
        if not self.parameters:
            return "", 0.0
        return max(self.parameters.items(), key=lambda item: item[1])

    @property
    def is_good(self) -> bool:
        """Whether nothing differs by more than the arithmetic explains."""
        return self.is_random or max(self.loss, self.worst[1]) <= DIFFERENCE_MAX


def check_step(
    module: nn.Module,
    optimizer: Optimizer,
    captured: Captured,
    batch: Mapping[str, Tensor],
    *,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    rate: float = 1.0,
) -> SelfCheck:
    """Compare the first step. Neither the module nor the optimiser is changed.

    The optimiser's rates are taken as they stand, which for a scheduler of torch.optim is its
    first rate, times `rate`, a schedule's first factor. Elements whose gradient is rounding noise,
    which an optimiser like Adam blows up to full size (the biases of attention's keys are such),
    are left out.
    """
    program = captured.program
    names = [name for name, p in module.named_parameters() if p.requires_grad]
    before = dict(zip(captured.slot_names, captured.genesis))
    with numeric_settings():
        fields = tuple(x if x.dtype is torch.float32 else x.to(torch.int32) for x in batch.values())
        state = tuple(to_torch(array) for array in captured.genesis)
        after, reported = Plan(program, torch.device("cpu")).execute(state, fields)
    ours = dict(zip(captured.slot_names, after))
    loss, theirs, gradients = _run_pytorch(
        module, optimizer, batch, clip_norm, clip_value, accumulate, rate
    )
    differences = {}
    for name in names:
        if name not in gradients:
            continue
        counted = gradients[name] > NOISE * gradients[name].max()
        start = torch.from_numpy(before[name].copy())
        moved = (theirs[name] - start).abs().max().item()
        if moved > 0 and bool(counted.any()):
            error = (ours[name] - theirs[name]).abs()[counted].max().item()
            # Half a unit of float32 at the parameter's size cannot be told apart.
            resolution = start.abs().max().item() * 2.0**-23
            differences[name] = max(0.0, error - resolution) / moved
    is_random = any(operator.kind == "random" for operator in program.operators)
    off = abs(float(reported["loss"]) - loss) / max(abs(loss), 1e-6)
    return SelfCheck(off, differences, is_random)


def without_dropout(module: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
    """Copies in which every probability of dropout is 0, so that a step can be compared."""
    module, optimizer = copy.deepcopy((module, optimizer))
    for child in module.modules():
        holders = [child, getattr(child, "config", None)]
        for holder in holders:
            for name, value in list(vars(holder).items()) if holder is not None else ():
                if "drop" in name.lower() and isinstance(value, float):
                    setattr(holder, name, 0.0)
        if isinstance(child, nn.modules.dropout._DropoutNd):
            child.p = 0.0
        if isinstance(child, nn.RNNBase):
            child.dropout = 0.0
    return module, optimizer


def _run_pytorch(
    module: nn.Module,
    optimizer: Optimizer,
    batch: Mapping[str, Tensor],
    clip_norm: float | None,
    clip_value: float | None,
    parts: int,
    rate: float,
) -> tuple[float, dict[str, Tensor], dict[str, Tensor]]:
    """(loss, parameters after the step, sizes of the gradients that are more than noise)."""
    module, optimizer = copy.deepcopy((module, optimizer))
    optimizer.zero_grad()
    rows = next(iter(batch.values())).shape[0] // parts
    total = 0.0
    for part in range(parts):
        chosen = slice(part * rows, (part + 1) * rows)
        result = module(**{name: x[chosen] for name, x in batch.items()})
        if isinstance(result, Mapping):
            result = result["loss"]
        loss = result if isinstance(result, Tensor) else result.loss
        (loss / parts).backward()
        total += loss.item() / parts
    gradients = {n: p.grad.abs() for n, p in module.named_parameters() if p.grad is not None}
    largest = max((float(g.max()) for g in gradients.values()), default=0.0)
    gradients = {n: g for n, g in gradients.items() if float(g.max()) > NOTHING * largest}
    parameters = list(module.parameters())
    if clip_value is not None:
        nn.utils.clip_grad_value_(parameters, clip_value)
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(parameters, clip_norm)
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * rate
    optimizer.step()
    return total, {name: p.detach() for name, p in module.named_parameters()}, gradients
