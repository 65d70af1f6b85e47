"""Adagrad's update with a rate that is a tensor: torch.optim's asks for it as a number."""

from typing import Any

import torch
from torch import Tensor


def adagrad(
    params: list[Tensor],
    grads: list[Tensor],
    state_sums: list[Tensor],
    state_steps: list[Tensor],
    *_: Any,
    lr: float | Tensor,
    weight_decay: float,
    lr_decay: float,
    eps: float,
    maximize: bool,
    **__: Any,
) -> None:
    """As torch.optim.adagrad.adagrad, for dense tensors, in the same order of operations."""
    for parameter, gradient, total, step in zip(params, grads, state_sums, state_steps):
        step += 1
        gradient = -gradient if maximize else gradient
        if weight_decay != 0:
            gradient = gradient.add(parameter, alpha=weight_decay)
        rate = lr / (1 + (step - 1) * lr_decay) if lr_decay != 0 else lr
        total.addcmul_(gradient, gradient, value=1)
        deviation = torch.sqrt(total) + eps
        parameter.sub_(rate * (gradient / deviation))
