"""A program made ready for one device: kernels compiled, constants folded, lifetimes known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from offchain.kernels import llvm
from offchain.kernels.memory import Outside
from offchain.kernels.operators import Inputs, Kernel, compile_operator
from offchain.runner.grouping import Group, compute_groups
from protocol.instructions import Opcode
from protocol.program import Program

Tensors = tuple[Tensor, ...]
Substitute = Callable[[int, Inputs, Outside], Tensor]  # computes one operator otherwise
Observer = Callable[[int, Tensor], None]  # sees each operator's output

_FROM_OUTSIDE = frozenset({Opcode.LOAD_STATE, Opcode.LOAD_BATCH})


class UnknownDevice(ValueError):
    """The device is neither `cpu` nor a CUDA device that this machine has."""


def get_device(name: str) -> torch.device:
    """The device of that name. Raises UnknownDevice."""
    kind = name.split(":")[0]
    if kind not in ("cpu", "cuda"):
        raise UnknownDevice(f"device {name!r}: only cpu and cuda are supported")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UnknownDevice(f"device {name!r}: this machine has no usable CUDA device")
    return torch.device(name)


@dataclass(frozen=True)
class _Stage:
    operator: int  # the last, where several are computed as one
    kernel: Kernel
    producers: tuple[int, ...]
    dead: tuple[int, ...]  # outputs that nothing reads after this operator


class Plan:
    """How to execute one step of a program on one device. Holds no state between steps."""

    def __init__(self, program: Program, device: torch.device):
        self.program = program
        self.device = device
        operators = program.operators
        producers = [tuple(item.producer for item in op.inputs) for op in operators]
        self._kept = {slot.producer for slot in program.slots} | set(program.reported.values())
        self._kernels = self._compile(program)
        self._producers = producers
        self._constants = self._fold_constants()
        self._stages = self._schedule(self._compute_needed())

    def _compile(self, program: Program) -> list[Kernel]:
        return [compile_operator(code, self.device) for code in program.microcode]

    def _fold_constants(self) -> dict[int, Tensor]:
        """Outputs that depend on neither state nor batch."""
        constants: dict[int, Tensor] = {}
        nothing = Outside((), ())
        for operator, code in enumerate(self.program.microcode):
            from_outside = any(instruction.opcode in _FROM_OUTSIDE for instruction in code)
            if from_outside or any(p not in constants for p in self._producers[operator]):
                continue
            inputs = tuple(constants[p] for p in self._producers[operator])
            constants[operator] = self._kernels[operator](inputs, nothing)
        return constants

    def _compute_needed(self) -> set[int]:
        """Operators that a slot or a reported scalar depends on."""
        needed: set[int] = set()
        wanted = list(self._kept)
        while wanted:
            operator = wanted.pop()
            if operator not in needed:
                needed.add(operator)
                if operator not in self._constants:
                    wanted += self._producers[operator]
        return needed

    def _may_join(self) -> bool:
        """Whether several operators may be computed as one."""
        return self.device.type == "cpu" and llvm.LLVM is not None

    def _schedule(self, needed: set[int]) -> tuple[_Stage, ...]:
        active = [j for j in sorted(needed) if j not in self._constants]
        single = {j: Group(self.program.microcode[j], self._producers[j]) for j in active}
        groups = compute_groups(active, single, self._kept) if self._may_join() else single
        last_use = {j: j for j in groups}
        for j, group in groups.items():
            last_use.update(dict.fromkeys(group.producers, j))
        dead: dict[int, list[int]] = {j: [] for j in groups}
        for j, user in last_use.items():
            if j not in self._kept and j not in self._constants:
                dead[user].append(j)
        stages = []
        for j, group in groups.items():
            alone = group is single[j]
            kernel = self._kernels[j] if alone else compile_operator(group.code, self.device)
            stages.append(_Stage(j, kernel, group.producers, tuple(dead[j])))
        return tuple(stages)

    def execute(
        self,
        state: Tensors,
        batch: Tensors,
        substitutes: Mapping[int, Substitute] | None = None,
        observe: Observer | None = None,
    ) -> tuple[Tensors, dict[str, Tensor]]:
        """(state after the step, reported scalars).

        With an observer every operator is executed, in program order and also where nothing
        depends on it, and shown. Tensors may be aliases of the state's and of each other.
        """
        outside = Outside(state, batch)
        outputs: dict[int, Tensor] = dict(self._constants)
        if observe is not None or substitutes:
            self._execute_watched(outside, outputs, substitutes or {}, observe)
        else:
            for stage in self._stages:
                inputs = tuple(outputs[p] for p in stage.producers)
                outputs[stage.operator] = stage.kernel(inputs, outside)
                for j in stage.dead:
                    del outputs[j]
        program = self.program
        return (
            tuple(outputs[slot.producer].reshape(slot.shape) for slot in program.slots),
            {name: outputs[j] for name, j in program.reported.items()},
        )

    def _execute_watched(
        self,
        outside: Outside,
        outputs: dict[int, Tensor],
        substitutes: Mapping[int, Substitute],
        observe: Observer | None,
    ) -> None:
        """Like the loop above, but any operator may be computed otherwise, constants included."""
        last_use = {j: j for j in range(len(self._kernels))}
        for j, producers in enumerate(self._producers):
            last_use.update(dict.fromkeys(producers, j))
        altered = set(substitutes)
        for j, kernel in enumerate(self._kernels):
            inputs = tuple(outputs[p] for p in self._producers[j])
            if j in substitutes:
                outputs[j] = substitutes[j](j, inputs, outside)
            elif j not in self._constants or altered & set(self._producers[j]):
                outputs[j] = kernel(inputs, outside)
                altered |= {j} if j in self._constants else set()
            if observe is not None:
                observe(j, outputs[j])
            for p in {*self._producers[j], j}:
                if last_use[p] == j and p not in self._kept:
                    outputs.pop(p, None)
