"""Training a captured program by the specification beside PyTorch."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from offchain.capture import Captured, FieldSpec, capture
from protocol.execution import compute_next_state, execute_step
from protocol.validation import validate

Batch = dict[str, Tensor]


def _capture(module: nn.Module, optimizer: Optimizer, batch: Batch, **options: object) -> Captured:
    fields = {
        name: FieldSpec(tensor.dtype, tuple(tensor.shape[1:]), max(1, tensor[0].numel()))
        for name, tensor in batch.items()
    }
    rows = next(iter(batch.values())).shape[0]
    captured = capture(module, optimizer, fields, rows, **options)  # type: ignore[arg-type]
    validate(captured.program)
    return captured


def _to_arrays(batch: Batch) -> tuple[np.ndarray, ...]:
    return tuple(
        t.numpy() if t.dtype is torch.float32 else t.numpy().astype(np.int32)
        for t in batch.values()
    )


def _execute(captured: Captured, batches: Sequence[Batch]) -> SimpleNamespace:
    """The losses of some steps, the state after them by slot name."""
    program, state, losses = captured.program, captured.genesis, []
    for batch in batches:
        outputs = execute_step(program, state, _to_arrays(batch))
        losses.append(float(outputs[program.reported["loss"]]))
        state = compute_next_state(program, outputs)
    return SimpleNamespace(losses=losses, state=dict(zip(captured.slot_names, state)))


def _get_torch_state(module: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    state = dict(module.named_parameters()) | dict(module.named_buffers())
    for name, parameter in module.named_parameters():
        for key, value in optimizer.state[parameter].items():
            if value is not None:
                state[f"optimizer.{name}.{key}"] = value
    return {name: tensor.detach() for name, tensor in state.items()}


def _compare_training(
    module: nn.Module,
    optimizer: Optimizer,
    batches: Sequence[Batch],
    tolerance: float,
    **options: object,
) -> Captured:
    """Capture, train both on the same batches, compare losses and every state tensor.

    `tolerance` is relative to the largest element of each tensor.
    """
    captured = _capture(module, optimizer, batches[0], **options)
    ours = _execute(captured, batches)
    for step, batch in enumerate(batches):
        optimizer.zero_grad()
        loss = module(**batch)
        loss.backward()
        optimizer.step()
        assert ours.losses[step] == pytest.approx(loss.item(), rel=tolerance, abs=tolerance)
    wanted = _get_torch_state(module, optimizer)
    compared = 0
    for name, expected in wanted.items():
        shared = f"optimizer.{name.rsplit('.', 1)[-1]}"
        result = ours.state[name] if name in ours.state else ours.state[shared]
        largest = float(expected.abs().max())
        error = float(np.abs(result - expected.numpy()).max())
        assert error <= tolerance * max(largest, 1e-3), (name, error, largest)
        compared += 1
    assert compared > 0
    return captured


@pytest.fixture
def capture_module() -> Callable[..., Captured]:
    """Capture for the shapes of one batch, and validate."""
    return _capture


@pytest.fixture
def execute() -> Callable[..., SimpleNamespace]:
    """Run steps by the specification."""
    return _execute


@pytest.fixture
def compare_training() -> Callable[..., Captured]:
    """Train by the specification and in PyTorch, and compare everything."""
    return _compare_training
