"""A program made ready for one device: kernels compiled, constants folded, stages scheduled."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from offchain.kernels.backends import can_compile
from offchain.kernels.memory import Outside
from offchain.kernels.operators import Inputs, Kernel, compile_operator
from offchain.runner.schedule import FROM_OUTSIDE, Outputs, Scheduler
from protocol.instructions import Instruction
from protocol.program import Program

Tensors = tuple[Tensor, ...]
Substitute = Callable[[int, Inputs, Outside], Tensor]  # computes one operator otherwise
Observer = Callable[[int, Tensor], None]  # sees each operator's output


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


class Plan:
    """How to execute one step of a program on one device. Holds no state between steps."""

    def __init__(self, program: Program, device: torch.device):
        self.program = program
        self.device = device
        self.kernels = self._compile(program)
        compile_code = self._compile_code if self._may_join() else None
        self.scheduler = Scheduler(program, self.kernels, device, compile_code)
        self.constants = self._fold_constants()
        self.stages = self.scheduler.schedule(self.constants)

    def _compile(self, program: Program) -> list[Kernel]:
        return [self._compile_code(code) for code in program.microcode]

    def _compile_code(self, code: tuple[Instruction, ...]) -> Kernel:
        return compile_operator(code, self.device)

    def _may_join(self) -> bool:
        """Whether several operators may be computed as one."""
        return can_compile(self.device)

    def _fold_constants(self) -> Outputs:
        """Outputs that depend on neither state nor batch."""
        constants: Outputs = {}
        nothing = Outside((), ())
        for operator, code in enumerate(self.program.microcode):
            from_outside = any(instruction.opcode in FROM_OUTSIDE for instruction in code)
            producers = self.scheduler.producers[operator]
            if not from_outside and all(p in constants for p in producers):
                inputs = tuple(constants[p] for p in producers)
                constants[operator] = self.kernels[operator](inputs, nothing)
        return constants

    def execute(
        self,
        state: Tensors,
        batch: Tensors,
        substitutes: Mapping[int, Substitute] | None = None,
        observe: Observer | None = None,
        is_donated: bool = False,
    ) -> tuple[Tensors, dict[str, Tensor]]:
        """(state after the step, reported scalars).

        With an observer every operator is executed, in program order and also where nothing
        depends on it, and shown. Tensors may be aliases of the state's and of each other. A
        state that is donated may be overwritten: nobody may read it afterwards.
        """
        outside = Outside(state, batch)
        outputs: Outputs = dict(self.constants)
        if observe is not None or substitutes:
            self._execute_watched(outside, outputs, substitutes or {}, observe)
        else:
            free = _find_unshared(state) if is_donated else frozenset()
            for stage in self.stages:
                stage.execute(outputs, outside, free)
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
        outputs: Outputs,
        substitutes: Mapping[int, Substitute],
        observe: Observer | None,
    ) -> None:
        """Like the loop above, but any operator may be computed otherwise, constants included."""
        all_producers, kept = self.scheduler.producers, self.scheduler.kept
        last_use = {j: j for j in range(len(self.kernels))}
        for j, producers in enumerate(all_producers):
            last_use.update(dict.fromkeys(producers, j))
        altered = set(substitutes)
        for j, kernel in enumerate(self.kernels):
            inputs = tuple(outputs[p] for p in all_producers[j])
            if j in substitutes:
                outputs[j] = substitutes[j](j, inputs, outside)
            elif j not in self.constants or altered & set(all_producers[j]):
                outputs[j] = kernel(inputs, outside)
                altered |= {j} if j in self.constants else set()
            if observe is not None:
                observe(j, outputs[j])
            for p in {*all_producers[j], j}:
                if last_use[p] == j and p not in kept:
                    outputs.pop(p, None)


def _find_unshared(state: Tensors) -> frozenset[int]:
    """Slots whose memory is no other slot's."""
    places: dict[int, list[int]] = {}
    for slot, tensor in enumerate(state):
        places.setdefault(tensor.data_ptr(), []).append(slot)
    return frozenset(slots[0] for slots in places.values() if len(slots) == 1)
