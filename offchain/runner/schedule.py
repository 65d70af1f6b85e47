"""In which stages a step is executed: operators joined or streamed, lifetimes, memory used twice.

All of it leaves the bits alone; whoever observes a step executes the operators one by one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from offchain.kernels.backends import has_kernel
from offchain.kernels.memory import Outside
from offchain.kernels.operators import CompiledOperator, Kernel
from offchain.runner.grouping import Group, compute_groups
from offchain.runner.streaming import SIZES, CompileCode, Stream, find_streams
from protocol.instructions import Opcode
from protocol.program import Program

Outputs = dict[int, Tensor]  # by operator, as long as something reads them

FROM_OUTSIDE = frozenset({Opcode.LOAD_STATE, Opcode.LOAD_BATCH})


@dataclass(frozen=True)
class Memory:
    """An input whose memory the output takes."""

    number: int
    slot: int | None  # of the state, if it is the state's


@dataclass(frozen=True)
class Stage:
    """One operator, or several that are computed as one."""

    operator: int  # the last
    kernel: Kernel
    producers: tuple[int, ...]
    dead: tuple[int, ...] = ()  # outputs that nothing reads after this stage
    memory: Memory | None = None

    @property
    def operators(self) -> tuple[int, ...]:
        """Whose outputs come of it."""
        return (self.operator,)

    def execute(self, outputs: Outputs, outside: Outside, free: Collection[int]) -> None:
        """Add the output to those there are. `free` are slots that may be overwritten."""
        inputs = tuple(outputs[p] for p in self.producers)
        memory = self.memory
        if memory is not None and (memory.slot is None or memory.slot in free):
            assert isinstance(self.kernel, CompiledOperator)
            outputs[self.operator] = self.kernel(inputs, outside, memory.number)
        else:
            outputs[self.operator] = self.kernel(inputs, outside)


@dataclass(frozen=True)
class StreamedStage:
    """Operators that are computed part by part."""

    stream: Stream
    dead: tuple[int, ...] = ()

    @property
    def operators(self) -> tuple[int, ...]:
        return self.stream.results

    @property
    def producers(self) -> tuple[int, ...]:
        return self.stream.producers

    def execute(self, outputs: Outputs, outside: Outside, free: Collection[int]) -> None:
        """Add the outputs to those there are."""
        outputs.update(self.stream.execute(outputs, outside))


AnyStage = Stage | StreamedStage


class Scheduler:
    """Turns the operators that a program's results need into stages."""

    def __init__(
        self,
        program: Program,
        kernels: Sequence[Kernel],
        device: torch.device,
        compile_code: CompileCode | None,
    ):
        """`compile_code` makes a kernel of any microcode; None: operators stay as they are."""
        self.program = program
        self.device = device
        self.kernels = kernels
        self.compile_code = compile_code
        self.producers = [tuple(item.producer for item in op.inputs) for op in program.operators]
        self.kept = {slot.producer for slot in program.slots} | set(program.reported.values())
        # Operators that are the state's own memory, by slot, and slots that become another's.
        self.loads = {
            j: code[-1].attributes[0]
            for j, code in enumerate(program.microcode)
            if code[-1].opcode is Opcode.LOAD_STATE
        }
        self.passed = {slot for j, slot in self.loads.items() if j in self.kept}

    def schedule(self, constants: Collection[int]) -> tuple[AnyStage, ...]:
        """Stages in order; `constants` are operators whose outputs are known."""
        active = [j for j in sorted(self._compute_needed(constants)) if j not in constants]
        streams: list[Stream] = []
        if self.compile_code is not None:
            sizes = SIZES[self.device.type]
            streams = find_streams(self.program, active, self.kept, self.compile_code, sizes)
        streamed = {j for stream in streams for j in stream.operators}
        results = {j for stream in streams for j in stream.results}
        single = {
            j: Group(self.program.microcode[j], self.producers[j])
            for j in active
            if j not in streamed
        }
        groups = single
        if self.compile_code is not None:
            whole = partial(has_kernel, device=self.device)
            groups = compute_groups(list(single), single, self.kept | results, whole)
        stages: dict[int, AnyStage] = {}  # by the operators that come of them
        for j, group in groups.items():
            stages[j] = Stage(j, self._compile(j, group, group is single[j]), group.producers)
        for stream in streams:
            stages.update(dict.fromkeys(stream.results, StreamedStage(stream)))
        return self._add_lifetimes(_order(stages), constants)

    def _compute_needed(self, constants: Collection[int]) -> set[int]:
        """Operators that a slot or a reported scalar depends on."""
        needed: set[int] = set()
        wanted = list(self.kept)
        while wanted:
            operator = wanted.pop()
            if operator not in needed:
                needed.add(operator)
                if operator not in constants:
                    wanted += self.producers[operator]
        return needed

    def _compile(self, operator: int, group: Group, is_single: bool) -> Kernel:
        if is_single or self.compile_code is None:
            return self.kernels[operator]
        return self.compile_code(group.code)

    def _add_lifetimes(
        self, stages: Sequence[AnyStage], constants: Collection[int]
    ) -> tuple[AnyStage, ...]:
        last_use: dict[int, int] = {}  # operator -> number of a stage
        for number, stage in enumerate(stages):
            last_use.update(dict.fromkeys((*stage.producers, *stage.operators), number))
        last_read: dict[int, int] = {}  # slot -> number of a stage
        for j, slot in self.loads.items():
            last_read[slot] = max(last_read.get(slot, -1), last_use.get(j, -1))
        dead: list[list[int]] = [[] for _ in stages]
        for j, number in last_use.items():
            if j not in self.kept and j not in constants:
                dead[number].append(j)
        result: list[AnyStage] = []
        for number, stage in enumerate(stages):
            if isinstance(stage, Stage):
                unread = {slot for slot, last in last_read.items() if last == number}
                memory = self._choose_memory(stage, dead[number], unread)
                result.append(replace(stage, dead=tuple(dead[number]), memory=memory))
            else:
                result.append(replace(stage, dead=tuple(dead[number])))
        return tuple(result)

    def _choose_memory(
        self, stage: Stage, dead: Collection[int], unread: Collection[int]
    ) -> Memory | None:
        """An input that is not read any more and that the output fits over.

        What goes into a slot is written over that slot, all else over the step's own memory.
        """
        if not isinstance(stage.kernel, CompiledOperator):
            return None
        for number in stage.kernel.over:
            producer = stage.producers[number]
            if producer not in dead or stage.producers.count(producer) > 1:
                continue
            slot = self.loads.get(producer)
            if slot is not None and slot in unread and slot not in self.passed:
                if self.program.slots[slot].producer == stage.operator:
                    return Memory(number, slot)
            is_own = self.program.microcode[producer][-1].opcode not in FROM_OUTSIDE
            if is_own and stage.operator not in self.kept:
                return Memory(number, None)
        return None


def _order(stages: Mapping[int, AnyStage]) -> list[AnyStage]:
    """Each stage after those that it reads, else by operators."""
    ordered: list[AnyStage] = []
    placed: set[int] = set()
    for operator in sorted(stages):
        waiting = [operator]
        while waiting:
            stage = stages[waiting[-1]]
            missing = [p for p in stage.producers if p in stages and p not in placed]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            if not placed.issuperset(stage.operators):
                placed.update(stage.operators)
                ordered.append(stage)
    return ordered
