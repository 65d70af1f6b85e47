"""Everything that a dispute may ask about a run, recomputed from checkpoints when it is asked.

Steps count from 0 over the whole run; "state s" is the state before step s, so state 0 is genesis.
An operator's trace comes from its microcode, everything else from the compiled plan, and the two
are compared on the operator's output.

A dishonest run is one with another `Strategy`: all answers follow from what it computes.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial

from torch import Tensor

from offchain.kernels.instructions import get_sources
from offchain.kernels.reading import to_torch
from offchain.runner.accumulators import compute_accumulators, encode_word, get_element
from offchain.runner.cache import BoundedCache
from offchain.runner.checkpoints import Checkpoints
from offchain.runner.commitments import (
    compute_state_tree,
    compute_tensor_root,
    compute_tensor_tree,
    to_committed,
)
from offchain.runner.plan import Tensors
from offchain.runner.step import Stepper, to_device
from offchain.runner.strategy import Strategy
from protocol.execution import Dataset, State
from protocol.instructions import Kind
from protocol.merkle import Tree, compute_vector_tree
from protocol.program import Program
from protocol.types import Array, Root, Seed, SegmentIndex, StepIndex

CACHE_BYTES = 2**29  # = 512 MiB, or one value, for states, traces, microcode and trees each
TREE_BYTES_PER_LEAF = 64


class KernelMismatch(RuntimeError):
    """A compiled kernel and its microcode disagree on this machine; its traces prove nothing."""


class Evidence:
    """The answers of one worker (or challenger) about one run."""

    def __init__(
        self,
        program: Program,
        dataset: Dataset,
        genesis: State,
        seed: Seed,
        segments: int,
        segment_length: int,
        checkpoints: Checkpoints | None = None,
        *,
        device: str = "cpu",
        strategy: Strategy | None = None,
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ):
        self.program, self.dataset, self.seed = program, dataset, seed
        self.segments, self.segment_length = segments, segment_length
        self.checkpoints = checkpoints
        self.stepper = Stepper(program, dataset, seed, device, strategy, threads)
        self._genesis = to_device(program, genesis, self.stepper.device)
        self._states: BoundedCache[Tensors] = BoundedCache(cache_bytes)
        self._traces: BoundedCache[dict[int, Tensor]] = BoundedCache(cache_bytes)
        self._microcode: BoundedCache[list[Tensor]] = BoundedCache(cache_bytes)
        outputs = (program.get_output(j) for j in range(len(program.operators)))
        self._trace_bytes = sum(output.size * output.dtype.size_bytes for output in outputs)
        self._trees: BoundedCache[Tree] = BoundedCache(cache_bytes)

    # Segments, steps, slots

    def claim_tree(self) -> Tree:
        """Over the segment-end state roots. Its root is the claim."""
        return self._keep_tree("claim", self._compute_claim_tree)

    def step_tree(self, segment: int) -> Tree:
        """Over the roots of the states after each step of a segment."""
        return self._keep_tree(("segment", segment), lambda: self._compute_step_tree(segment))

    def state_tree(self, step: int) -> Tree:
        """Over the tensor roots of the state before `step`."""
        return self._keep_tree(
            ("state", step), lambda: compute_state_tree(self._compute_state(step))
        )

    def slot_tree(self, step: int) -> Tree:
        """Over the tensor roots of the state after `step`."""
        return self.state_tree(step + 1)

    def state_tensor(self, step: int, slot: int) -> Array:
        """A slot of the state before `step`, flat."""
        return to_committed(self._compute_state(step)[slot]).reshape(-1)

    def state_tensor_tree(self, step: int, slot: int) -> Tree:
        """Tree of a slot of the state before `step`."""
        return self._keep_tree(
            ("slot", step, slot), lambda: compute_tensor_tree(self._compute_state(step)[slot])
        )

    # Operators, instructions, elements

    def operator_tree(self, step: int) -> Tree:
        """Over the operators' output roots in a step."""
        return self._keep_tree(("operators", step), lambda: self._compute_operator_tree(step))

    def instruction_tree(self, step: int, operator: int) -> Tree:
        """Over the output roots of one operator's instructions."""
        return self._keep_tree(
            ("instructions", step, operator),
            lambda: compute_vector_tree(
                [compute_tensor_root(t) for t in self._execute_microcode(step, operator)]
            ),
        )

    def tensor(self, step: int, operator: int, instruction: int = -1) -> Array:
        """Output of one instruction, flat; -1 is the operator's output."""
        return to_committed(self._execute_microcode(step, operator)[instruction]).reshape(-1)

    def tensor_tree(self, step: int, operator: int, instruction: int = -1) -> Tree:
        """Tree of an instruction's output."""
        return self._keep_tree(
            ("tensor", step, operator, instruction % len(self.program.microcode[operator])),
            lambda: compute_tensor_tree(self._execute_microcode(step, operator)[instruction]),
        )

    def accumulators(self, step: int, operator: int, instruction: int, element: int) -> list[int]:
        """A fold's accumulators after each chunk; f32 ones as bits. The last is the element."""
        code = self.program.microcode[operator][instruction]
        assert code.kind is Kind.FOLD, f"{code.opcode.name} is no fold"
        outputs = self._execute_microcode(step, operator)
        inputs = self._get_inputs(step, operator)
        sources = get_sources(code, outputs, inputs)
        flat = tuple(to_committed(source).reshape(-1) for source in sources)
        values = compute_accumulators(code, flat, element)
        values = self.stepper.strategy.alter_accumulators(
            StepIndex(step), operator, instruction, element, values
        )
        values[-1] = get_element(self.tensor(step, operator, instruction), element)
        return values

    def chunk_tree(self, step: int, operator: int, instruction: int, element: int) -> Tree:
        """Over the accumulators' words."""
        values = self.accumulators(step, operator, instruction, element)
        return compute_vector_tree([encode_word(value) for value in values])

    # Batch and dataset

    def batch_field(self, step: int, field: int) -> Array:
        """What the run read of a field in a step, flat."""
        return to_committed(self.stepper.compute_batch(StepIndex(step))[field]).reshape(-1)

    def dataset_tree(self) -> Tree:
        """Over the fields' tensor roots. Its root is the dataset root."""
        return self._keep_tree(
            "dataset",
            lambda: compute_vector_tree(
                [self.field_tensor_tree(f).root for f in range(len(self.dataset.fields))]
            ),
        )

    @property
    def records(self) -> int:
        """Records of the dataset."""
        return self.dataset.records

    def field_tensor(self, field: int) -> Array:
        """A field of the dataset, flat."""
        return self.dataset.fields[field].reshape(-1)

    def field_tensor_tree(self, field: int) -> Tree:
        """Tree of a dataset field."""
        return self._keep_tree(
            ("field", field), lambda: compute_tensor_tree(to_torch(self.field_tensor(field)))
        )

    # Re-execution

    def _compute_claim_tree(self) -> Tree:
        roots = [self._get_segment_root(s) for s in range(self.segments)]
        return compute_vector_tree(roots)

    def _get_segment_root(self, segment: int) -> Root:
        stored = (
            self.checkpoints.read_root(SegmentIndex(segment))
            if self.checkpoints is not None
            else None
        )
        if stored is not None:
            return stored
        return self.state_tree((segment + 1) * self.segment_length).root

    def _compute_step_tree(self, segment: int) -> Tree:
        first = segment * self.segment_length
        roots = [
            self._keep_tree(("state", step), partial(compute_state_tree, state)).root
            for step, state in self._walk(first + 1, first + self.segment_length)
        ]
        return compute_vector_tree(roots)

    def _compute_state(self, step: int) -> Tensors:
        """The state before a step: cached, from a checkpoint, or by execution from there."""
        ((_, state),) = self._walk(step, step)
        return state

    def _walk(self, first: int, last: int) -> Iterator[tuple[int, Tensors]]:
        """The states before each of these steps, each executed once.

        As many as the cache has room for are kept, evenly spaced; the others are lost when the
        next is asked for.
        """
        start, found = first, self._find_state(first)
        while found is None:
            start -= 1
            found = self._find_state(start)
        state, is_kept = found, True
        room = self._states.limit_bytes // max(1, _count_bytes(state))
        stride = -(-(last - start) // room) if room > 1 else last - start
        # A lie may make a part of one state out of another's memory.
        is_honest = type(self.stepper.strategy) is Strategy
        for step in range(start, last):
            if step >= first:
                yield step, state
            after = self._states.get(step + 1)
            will_be_kept = after is not None or (last - step - 1) % stride == 0
            if after is None:
                is_lost = not (is_kept or will_be_kept) and is_honest
                after, _ = self.stepper.run_step(state, StepIndex(step), is_donated=is_lost)
                if will_be_kept:
                    after = after if is_kept else _separate(after, state)
                    self._keep_state(step + 1, after)
            state, is_kept = after, will_be_kept
        yield last, state

    def _find_state(self, step: int) -> Tensors | None:
        if step == 0:
            return self._genesis
        state = self._states.get(step)
        if state is None and self.checkpoints is not None and step % self.segment_length == 0:
            stored = self.checkpoints.read(SegmentIndex(step // self.segment_length - 1))
            if stored is not None:
                state = to_device(self.program, stored[0], self.stepper.device)
                self._keep_state(step, state)
        return state

    def _keep_state(self, step: int, state: Tensors) -> None:
        self._states.put(step, state, _count_bytes(state))

    def _compute_operator_tree(self, step: int) -> Tree:
        roots: list[Root] = []
        self._run_watched(step, frozenset(), roots)
        return compute_vector_tree(roots)

    def _get_outputs(self, step: int, wanted: frozenset[int]) -> dict[int, Tensor]:
        """Outputs of the wanted operators in a step, and maybe of others."""
        trace = self._traces.get(step)
        if trace is None or not wanted <= trace.keys():
            trace = self._run_watched(step, wanted, None)
        return trace

    def _run_watched(
        self, step: int, wanted: frozenset[int], roots: list[Root] | None
    ) -> dict[int, Tensor]:
        """Run a step; all outputs if they fit the cache, else the wanted ones; maybe all roots."""
        keeps_all = self._trace_bytes <= self._traces.limit_bytes
        trace: dict[int, Tensor] = {}

        def observe(operator: int, output: Tensor) -> None:
            if keeps_all or operator in wanted:
                trace[operator] = output
            if roots is not None:
                roots.append(compute_tensor_root(output))

        state = self._compute_state(step)
        after, _ = self.stepper.run_step(state, StepIndex(step), observe)
        self._keep_state(step + 1, after)
        self._keep_state(step, state)  # where there is room for one, it is this one
        self._traces.put(step, trace, _count_bytes(trace.values()))
        return trace

    def _get_inputs(self, step: int, operator: int) -> Tensors:
        producers = [item.producer for item in self.program.operators[operator].inputs]
        outputs = self._get_outputs(step, frozenset((*producers, operator)))
        return tuple(outputs[p] for p in producers)

    def _execute_microcode(self, step: int, operator: int) -> list[Tensor]:
        kept = self._microcode.get((step, operator))
        if kept is not None:
            return kept
        inputs = self._get_inputs(step, operator)
        state, batch = self._compute_state(step), self.stepper.compute_batch(StepIndex(step))
        outputs = self.stepper.execute_microcode(StepIndex(step), operator, inputs, state, batch)
        output = self._get_outputs(step, frozenset({operator}))[operator]
        if to_committed(output).tobytes() != to_committed(outputs[-1]).tobytes():
            raise KernelMismatch(
                f"step {step}, {self.program.describe(operator)}: kernel and microcode differ"
            )
        self._microcode.put((step, operator), outputs, _count_bytes(outputs))
        return outputs

    def _keep_tree(self, key: Hashable, compute: Callable[[], Tree]) -> Tree:
        tree = self._trees.get(key)
        if tree is None:
            tree = compute()
            self._trees.put(key, tree, TREE_BYTES_PER_LEAF * tree.count)
        return tree


def _separate(after: Tensors, before: Tensors) -> Tensors:
    """The state after a step without memory of the one before, which others will overwrite."""
    shared = {tensor.untyped_storage().data_ptr() for tensor in before}
    return tuple(t.clone() if t.untyped_storage().data_ptr() in shared else t for t in after)


def _count_bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
