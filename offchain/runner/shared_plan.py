"""One process's part of a step that several compute together, with the bits of one alone.

Each operator's microcode becomes the part of this process (`parts`). Where the parts need nothing
of each other, it is compiled like any other; where they do, it is executed instruction by
instruction and the processes exchange what is missing. What no index map divides, every process
computes in full.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from offchain.kernels.instructions import execute, get_sources
from offchain.kernels.memory import Outside
from offchain.kernels.operators import Inputs, Kernel, compile_operator
from offchain.runner.group import Group
from offchain.runner.parts import Part, Period, compute_part
from offchain.runner.plan import Observer, Plan, Substitute, Tensors
from protocol.instructions import Instruction, Source
from protocol.program import Program


@dataclass(frozen=True)
class Parts:
    """An operator's instructions as this process computes them."""

    parts: tuple[Part, ...]
    wanted: tuple[tuple[int, int], ...]  # inputs that are needed whole, and their periods

    @property
    def period(self) -> Period:
        """Of the operator's output."""
        return self.parts[-1].period

    @property
    def is_alone(self) -> bool:
        """Whether, given the inputs, the processes need nothing of each other."""
        return not any(part.is_partial or any(part.gathered) for part in self.parts)


class SharedPlan(Plan):
    """A plan for one process of a group. The state is whole in each, the batch its own rows."""

    def __init__(self, program: Program, device: torch.device, group: Group):
        self.group = group
        self.operators: list[Parts] = []
        super().__init__(program, device)

    def _compile(self, program: Program) -> list[Kernel]:
        kernels: list[Kernel] = []
        kept = {slot.producer for slot in program.slots} | set(program.reported.values())
        periods: list[Period] = []
        for operator, code in zip(program.operators, program.microcode):
            inputs = tuple(periods[item.producer] for item in operator.inputs)
            parts = self._divide(code, inputs)
            kernel = self._compile_parts(parts)
            periods.append(parts.period)
            if parts.period is not None and len(self.operators) in kept:
                kernel, periods[-1] = self._complete(kernel, parts.period), None
            kernels.append(kernel)
            self.operators.append(parts)
        self.periods = tuple(periods)
        return kernels

    def _may_join(self) -> bool:
        """Kernels are of parts; what the program's microcode joins would be of the whole."""
        return False

    def _divide(self, code: tuple[Instruction, ...], inputs: tuple[Period, ...]) -> Parts:
        parts: list[Part] = []
        wanted: dict[tuple[int, int], int] = {}  # to the number of the input that is the whole
        for instruction in code:
            periods = tuple(
                parts[o.index].period if o.source is Source.INSTRUCTION else inputs[o.index]
                for o in instruction.operands
            )
            part = compute_part(instruction, periods, self.group.ranks)
            operands, gathered = list(part.instruction.operands), list(part.gathered)
            for number, (operand, period) in enumerate(zip(operands, gathered)):
                if period is not None and operand.source is Source.INPUT:
                    place = wanted.setdefault((operand.index, period), len(inputs) + len(wanted))
                    operands[number], gathered[number] = replace(operand, index=place), None
            own = replace(part.instruction, operands=tuple(operands))
            parts.append(replace(part, instruction=own, gathered=tuple(gathered)))
        return Parts(tuple(parts), tuple(wanted))

    def _compile_parts(self, parts: Parts) -> Kernel:
        group = self.group
        kernel: Kernel
        if parts.is_alone:
            kernel = compile_operator(tuple(p.instruction for p in parts.parts), self.device)
        else:
            kernel = self._build_exchange(parts.parts)
        if not parts.wanted:
            return kernel

        def gather_first(inputs: Inputs, outside: Outside) -> Tensor:
            whole = [group.gather(inputs[place], period) for place, period in parts.wanted]
            return kernel((*inputs, *whole), outside)

        return gather_first

    def _build_exchange(self, parts: tuple[Part, ...]) -> Kernel:
        group, device = self.group, self.device

        def exchange(inputs: Inputs, outside: Outside) -> Tensor:
            values: list[Tensor] = []
            for part in parts:
                sources = tuple(
                    source if period is None else group.gather(source, period)
                    for source, period in zip(
                        get_sources(part.instruction, values, inputs), part.gathered
                    )
                )
                value = execute(part.instruction, sources, outside, device)
                values.append(group.combine(value) if part.is_partial else value)
            return values[-1]

        return exchange

    def _complete(self, kernel: Kernel, period: int) -> Kernel:
        return lambda inputs, outside: self.group.gather(kernel(inputs, outside), period)

    def execute(
        self,
        state: Tensors,
        batch: Tensors,
        substitutes: Mapping[int, Substitute] | None = None,
        observe: Observer | None = None,
        is_donated: bool = False,
    ) -> tuple[Tensors, dict[str, Tensor]]:
        """As a plan does; `batch` is this process's rows. An observer is shown whole outputs."""
        assert not substitutes, "only whole operators can be computed otherwise"
        if observe is None:
            return super().execute(state, batch, is_donated=is_donated)

        def show(operator: int, output: Tensor) -> None:
            period = self.periods[operator]
            observe(operator, output if period is None else self.group.gather(output, period))

        return super().execute(state, batch, None, show)
