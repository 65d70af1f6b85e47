"""A step on a CUDA device recorded once and replayed, instead of hundreds of launches by Python.

The recording goes from one set of buffers to the same: what the program lets be overwritten is,
and the rest is copied there at the end. Where recording fails (an operation that waits for the
host), steps are executed as they are.
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
    """Executes a plan's steps one after the other; each overwrites the state before it."""

    def __init__(self, plan: Plan, record: Recorder = record_on_device):
        self.plan = plan
        self.record = record
        self.has_failed = False
        self._steps = 0
        self._state: Tensors = ()
        self._batch: Tensors = ()
        self._reported: dict[str, Tensor] = {}
        self._replay: Replay | None = None

    def execute(self, state: Tensors, batch: Tensors) -> tuple[Tensors, dict[str, Tensor]]:
        """(state after the step, reported scalars), as `Plan.execute` with a donated state.

        The state that it returns is overwritten by the next call, whatever that starts from.
        """
        self._steps += 1
        if self.has_failed or self._steps <= WARM_UP_STEPS:
            return self.plan.execute(state, batch, is_donated=True)
        if self._replay is None:
            self._record(state, batch)
        if self._replay is None:
            return self.plan.execute(state, batch, is_donated=True)
        if state is not self._state:
            _copy(self._state, state)
        _copy(self._batch, batch)
        self._replay()
        return self._state, {name: value.clone() for name, value in self._reported.items()}

    def _record(self, state: Tensors, batch: Tensors) -> None:
        # Slots that share memory here may have different values later.
        places = [tensor.data_ptr() for tensor in state]
        self._state = tuple(t.clone() if places.count(p) > 1 else t for t, p in zip(state, places))
        self._batch = tuple(tensor.clone() for tensor in batch)
        try:
            self._replay = self.record(self._work)
        except RuntimeError:
            self.has_failed = True
            self._state = ()

    def _work(self) -> None:
        after, self._reported = self.plan.execute(self._state, self._batch, is_donated=True)
        places = {tensor.data_ptr() for tensor in self._state}
        moves = [
            # A slot may become another's, which is overwritten too.
            (target, source.clone() if source.data_ptr() in places else source)
            for target, source in zip(self._state, after)
            if source.data_ptr() != target.data_ptr()
        ]
        for target, source in moves:
            target.copy_(source)


def _copy(targets: Tensors, sources: Tensors) -> None:
    for target, source in zip(targets, sources):
        target.copy_(source)
