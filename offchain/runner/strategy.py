"""How a worker computes a run. The honest way is here; a fault overrides single answers.

Everything that a dispute may ask is derived from these answers, so a worker that changes one of
them stays consistent at every level above and below the change, as a real liar would be.
"""

from torch import Tensor

from offchain.runner.batches import Batches
from protocol.types import StepIndex

Tensors = tuple[Tensor, ...]


class Strategy:
    """The honest strategy."""

    def compute_batch(self, batches: Batches, step: StepIndex) -> Tensors:
        """The rows that the step trains on."""
        return batches.compute(step)

    def get_altered(self, step: StepIndex) -> frozenset[int]:
        """The operators for which `alter` is asked in this step."""
        return frozenset()

    def alter(
        self, step: StepIndex, operator: int, instruction: int, output: Tensor, state: Tensors
    ) -> Tensor:
        """What an instruction is said to have computed; `state` is the one before the step.

        The last instruction's output is the operator's. Later instructions and operators, the
        next state and the rest of the run follow from the answer. `output` is not to be changed
        in place.
        """
        return output

    def alter_accumulators(
        self,
        step: StepIndex,
        operator: int,
        instruction: int,
        element: int,
        accumulators: list[int],
    ) -> list[int]:
        """What a fold's accumulators after each chunk are said to be; the last is the element."""
        return accumulators
