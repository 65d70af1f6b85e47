"""A first state for the example model, drawn by numpy: the same bits on every machine."""

import numpy as np
import torch

from offchain.runner.plan import Tensors
from protocol.program import Program, Slot
from protocol.types import Array, Dtype

SPREAD = 0.02 * 3**0.5  # uniform numbers between its negative and it deviate by 0.02


def _make(slot: Slot, rng: np.random.Generator) -> Array:
    dtype = np.float32 if slot.dtype is Dtype.F32 else np.int32
    if slot.name.startswith("optimizer.") or slot.name.endswith("bias"):
        return np.zeros(slot.shape, dtype)
    if len(slot.shape) < 2:  # a norm's weight
        return np.ones(slot.shape, dtype)
    values = rng.random(slot.shape, dtype=np.float32)
    values -= np.float32(0.5)
    values *= np.float32(2 * SPREAD)
    return values


def make_state(program: Program, device: torch.device) -> Tensors:
    """One tensor for each slot, on the device."""
    rng = np.random.default_rng(0)
    return tuple(torch.from_numpy(_make(slot, rng)).to(device) for slot in program.slots)
