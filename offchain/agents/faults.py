"""Dishonest workers, one lie each. Apart from the lie they compute and commit to everything.

They exist for the demo and the tests: each must be caught. A lie is a strategy of the runner's,
so the liar is consistent with itself at every level above and below its lie and defends it as
far as its commitments allow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from offchain.runner.batches import Batches
from offchain.runner.strategy import Strategy
from protocol.program import Program
from protocol.types import StepIndex

Tensors = tuple[Tensor, ...]


class UnknownSlot(ValueError):
    """The program has no slot of that name."""


def get_slot(program: Program, name: str) -> int:
    """The number of the slot with that name."""
    for number, slot in enumerate(program.slots):
        if slot.name == name:
            return number
    raise UnknownSlot(f"slot {name!r}: the program has none of that name")


def flip_bit(tensor: Tensor, element: int, bit: int) -> Tensor:
    """A copy of a 32-bit tensor with one bit of one element (of the flat tensor) turned over."""
    bits = tensor.contiguous().view(torch.int32).reshape(-1).clone()
    # Bit 31 as a signed number.
    bits[element] ^= bit if (bit := 1 << bit) < 2**31 else -(2**31)
    return bits.view(tensor.dtype).reshape(tensor.shape)


@dataclass(frozen=True)
class FlippedBit(Strategy):
    """After one step, one bit of one element of a state tensor is another."""

    program: Program
    step: int
    slot: int
    element: int = 0
    bit: int = 0

    @cached_property
    def producer(self) -> int:
        """The operator whose output is the slot's next value."""
        return self.program.slots[self.slot].producer

    def get_altered(self, step: StepIndex) -> frozenset[int]:
        """The slot's producer, in the one step."""
        return frozenset({self.producer}) if step == self.step else frozenset()

    def alter(
        self, step: StepIndex, operator: int, instruction: int, output: Tensor, state: Tensors
    ) -> Tensor:
        """The last instruction's output with the bit turned over."""
        last = len(self.program.microcode[operator]) - 1
        return flip_bit(output, self.element, self.bit) if instruction == last else output


@dataclass(frozen=True)
class WrongElement(Strategy):
    """Inside one step, one element of one instruction of one operator is wrong."""

    program: Program
    step: int
    operator: int
    instruction: int
    element: int = 0
    bit: int = 22  # of a float: changes the value by up to a half, which spreads

    def get_altered(self, step: StepIndex) -> frozenset[int]:
        """The operator, in the one step."""
        return frozenset({self.operator}) if step == self.step else frozenset()

    def alter(
        self, step: StepIndex, operator: int, instruction: int, output: Tensor, state: Tensors
    ) -> Tensor:
        """The instruction's output with the element changed."""
        if instruction != self.instruction:
            return output
        if output.dtype is torch.int64:
            changed = output.reshape(-1).clone()
            changed[self.element] += 1 << self.bit
            return changed.reshape(output.shape)
        return flip_bit(output, self.element, self.bit)


@dataclass(frozen=True)
class KeptState(Strategy):
    """From one step up to another, some slots keep their value.

    All slots: the steps are skipped. One slot of the optimiser's: its state is stale.
    """

    program: Program
    first: int
    end: int  # the first step that is honest again
    slots: frozenset[int]

    @cached_property
    def slot_of(self) -> Mapping[int, int]:
        """Slots by their producers."""
        return {self.program.slots[slot].producer: slot for slot in self.slots}

    def get_altered(self, step: StepIndex) -> frozenset[int]:
        """The producers of the slots, in those steps."""
        return frozenset(self.slot_of) if self.first <= step < self.end else frozenset()

    def alter(
        self, step: StepIndex, operator: int, instruction: int, output: Tensor, state: Tensors
    ) -> Tensor:
        """The slot's value before the step in place of the one after."""
        last = len(self.program.microcode[operator]) - 1
        return state[self.slot_of[operator]] if instruction == last else output


@dataclass(frozen=True)
class OtherBatch(Strategy):
    """In one step, a row shows another record than the seed chooses."""

    step: int
    row: int = 0
    shift: int = 1  # records

    def compute_batch(self, batches: Batches, step: StepIndex) -> Tensors:
        """The step's rows, in the one step with a wrong one."""
        records = batches.get_records(step)
        if step == self.step:
            records[self.row] = (records[self.row] + self.shift) % batches.records
        return batches.gather(records)


@dataclass(frozen=True)
class Lie:
    """A dishonest worker: what it does, in words, and how."""

    name: str
    description: str
    build: Callable[[Program], Strategy]
    # A liar that stops answering after so many moves of a game, and loses by its clock.
    silent_after: int | None = None


def build_lies(step: int, parameter: str, moment: str, operator: str) -> tuple[Lie, ...]:
    """The five lies, told at `step` of a run.

    `parameter` and `moment` name the slots of a parameter and of an optimiser's state;
    `operator` is the kind of operator that is computed wrongly.
    """

    def flip(program: Program) -> Strategy:
        return FlippedBit(program, step, get_slot(program, parameter), element=7)

    def miscompute(program: Program) -> Strategy:
        kinds = [item.kind for item in program.operators]
        number = max(n for n, kind in enumerate(kinds) if kind == operator)
        code = program.microcode[number]
        # The fold in the middle: the dispute goes down to one chunk of one element.
        instruction = max(n for n, item in enumerate(code) if item.fold > 1)
        return WrongElement(program, step, number, instruction)

    def skip(program: Program) -> Strategy:
        return KeptState(program, step, step + 3, frozenset(range(len(program.slots))))

    def keep(program: Program) -> Strategy:
        return KeptState(program, step, step + 1, frozenset({get_slot(program, moment)}))

    return (
        Lie("bit", f"one bit of {parameter} is changed after step {step}", flip),
        Lie("element", f"one element of a {operator} is wrong in step {step}", miscompute),
        Lie("skip", f"steps {step} to {step + 2} are skipped", skip),
        Lie("batch", f"step {step} trains on another batch", lambda _: OtherBatch(step)),
        Lie("stale", f"{moment} is kept stale in step {step}", keep),
    )
