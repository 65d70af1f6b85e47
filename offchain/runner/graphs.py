"""A step on a CUDA device recorded once and replayed, instead of hundreds of launches by Python.

The state lives in two sets of buffers, and each step goes from one to the other, so there are two
recordings. Where recording fails (an operation that waits for the host), steps are executed as
they are. Not run on a GPU yet: tests hold the bookkeeping to the bits of the plain plan, with a
recorder that executes the step again.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from offchain.runner.plan import Plan, Tensors

WARM_UP_STEPS = 2  # kernels are compiled and checked in the first, which waits for the host

Replay = Callable[[], object]
Recorder = Callable[[Callable[[], None]], Replay]


def record_on_device(work: Callable[[], None]) -> Replay:
    """The work as a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    replay: Replay = graph.replay
    return replay


class StepGraphs:
    """Executes a plan's steps one after the other; a state that it returns lasts for one more."""

    def __init__(self, plan: Plan, record: Recorder = record_on_device):
        self.plan = plan
        self.record = record
        self.has_failed = False
        self._steps = 0
        self._states: list[Tensors] = []
        self._batch: Tensors = ()
        self._reported: dict[str, Tensor] = {}
        self._replays: list[Replay] = []

    def execute(self, state: Tensors, batch: Tensors) -> tuple[Tensors, dict[str, Tensor]]:
        """(state after the step, reported scalars), as `Plan.execute` with a donated state."""
        self._steps += 1
        if self.has_failed or self._steps <= WARM_UP_STEPS:
            return self.plan.execute(state, batch, is_donated=True)
        if not self._replays and not self._record(state, batch):
            return self.plan.execute(state, batch, is_donated=True)
        side = next((s for s, own in enumerate(self._states) if own is state), None)
        if side is None:  # a state from elsewhere
            side = 0
            _copy(self._states[0], state)
        _copy(self._batch, batch)
        self._replays[side]()
        reported = {name: value.clone() for name, value in self._reported.items()}
        return self._states[1 - side], reported

    def _record(self, state: Tensors, batch: Tensors) -> bool:
        """Record both directions; False where that is not possible."""
        # Slots that share memory here may have different values later.
        self._states = [tuple(t.clone() for t in state) for _ in range(2)]
        self._batch = tuple(tensor.clone() for tensor in batch)
        _, reported = self.plan.execute(self._states[0], self._batch)
        self._reported = {name: value.clone() for name, value in reported.items()}
        try:
            self._replays = [self._record_side(side) for side in range(2)]
        except RuntimeError:
            self.has_failed = True
            self._states, self._replays = [], []
        return not self.has_failed

    def _record_side(self, side: int) -> Replay:
        def work() -> None:
            after, reported = self.plan.execute(self._states[side], self._batch)
            _copy(self._states[1 - side], after)
            for name, value in reported.items():
                self._reported[name].copy_(value)

        return self.record(work)


def _copy(targets: Tensors, sources: Tensors) -> None:
    for target, source in zip(targets, sources):
        target.copy_(source)
