"""Steps of one run: plan, batches and strategy together, under the kernels' numeric settings."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from offchain.kernels.instructions import execute, get_sources
from offchain.kernels.memory import Outside
from offchain.kernels.reading import TORCH_DTYPES, to_torch
from offchain.kernels.settings import numeric_settings
from offchain.runner.batches import Batches
from offchain.runner.graphs import StepGraphs
from offchain.runner.group import Group
from offchain.runner.plan import Observer, Plan, Tensors, get_device
from offchain.runner.shared_plan import SharedPlan
from offchain.runner.strategy import Strategy
from protocol.execution import Dataset, State
from protocol.program import Program
from protocol.types import CANONICAL_NAN, Seed, StepIndex


class StateMismatch(ValueError):
    """A state's tensors are not those of the program's slots."""


class NotCanonical(ValueError):
    """A tensor from outside holds a NaN other than 0x7fc00000, whose bits no result keeps."""


def to_device(program: Program, state: State, device: torch.device) -> Tensors:
    """A state on the device. Raises StateMismatch or NotCanonical, naming the slot."""
    if len(state) != len(program.slots):
        raise StateMismatch(f"state: {len(state)} tensors for {len(program.slots)} slots")
    tensors = []
    for slot, array in zip(program.slots, state):
        if array.shape != slot.shape or array.dtype != slot.dtype.numpy:
            raise StateMismatch(
                f"slot {slot.name!r}: {array.dtype} {array.shape}, "
                f"expected {slot.dtype.name} {slot.shape}"
            )
        tensors.append(to_torch(array, device))
        if array.dtype == np.float32:
            patterns = array.view(np.uint32)[np.isnan(array)]
            if (patterns != CANONICAL_NAN).any():
                raise NotCanonical(f"slot {slot.name!r} holds a NaN other than 0x7fc00000")
    return tuple(tensors)


class Stepper:
    """Computes any step of a run from the state before it."""

    def __init__(
        self,
        program: Program,
        dataset: Dataset,
        seed: Seed,
        device: str = "cpu",
        strategy: Strategy | None = None,
        threads: int | None = None,
        group: Group | None = None,
    ):
        """With a group, this process computes its part of every step. Raises UnevenBatch."""
        self.program = program
        self.device = get_device(device)
        self.strategy = strategy or Strategy()
        self.threads = threads
        with numeric_settings(threads):
            if group is None:
                self.plan = Plan(program, self.device)
                self.batches = Batches(program, dataset, seed, self.device)
            else:
                rows = group.compute_rows(program.rows)
                self.plan = SharedPlan(program, self.device, group)
                self.batches = Batches(program, dataset, seed, self.device, rows)

        is_alone = self.device.type == "cuda" and group is None
        self.graphs = StepGraphs(self.plan) if is_alone else None

    def compute_batch(self, step: StepIndex) -> Tensors:
        """The rows that the step trains on."""
        return self.strategy.compute_batch(self.batches, step)

    def run_step(
        self,
        state: Tensors,
        step: StepIndex,
        observe: Observer | None = None,
        is_donated: bool = False,
    ) -> tuple[Tensors, dict[str, Tensor]]:
        """(state after the step, reported scalars); an observer sees every operator's output.

        A state that is donated may be overwritten: nobody may read it afterwards.
        """
        substitutes = {
            operator: partial(self._compute_altered, step, state)
            for operator in self.strategy.get_altered(step)
        }
        with numeric_settings(self.threads):
            batch = self.compute_batch(step)
            if self.graphs is not None and is_donated and observe is None and not substitutes:
                return self.graphs.execute(state, batch)
            return self.plan.execute(state, batch, substitutes, observe, is_donated)

    def execute_microcode(
        self, step: StepIndex, operator: int, inputs: Tensors, state: Tensors, batch: Tensors
    ) -> list[Tensor]:
        """Output of every instruction of an operator, altered where the strategy says so."""
        alters = operator in self.strategy.get_altered(step)
        outside, outputs = Outside(state, batch), list[Tensor]()
        with numeric_settings(self.threads):
            for number, instruction in enumerate(self.program.microcode[operator]):
                sources = get_sources(instruction, outputs, inputs)
                output = execute(instruction, sources, outside, self.device)
                if alters:
                    output = self.strategy.alter(step, operator, number, output, state)
                    assert output.dtype is TORCH_DTYPES[instruction.dtype]
                    output = output.reshape(instruction.shape).contiguous()
                outputs.append(output)
        return outputs

    def _compute_altered(
        self, step: StepIndex, state: Tensors, operator: int, inputs: Tensors, outside: Outside
    ) -> Tensor:
        return self.execute_microcode(step, operator, inputs, state, outside.batch)[-1]
