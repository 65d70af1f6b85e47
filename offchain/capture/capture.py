"""A PyTorch module and its optimiser as a program and its genesis state."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from offchain.capture import (  # noqa: F401
    lowering_activations,
    lowering_convolution,
    lowering_functions,
    lowering_indexing,
    lowering_joining,
    lowering_losses,
    lowering_matmul,
    lowering_normalization,
    lowering_ordering,
    lowering_pointwise,
    lowering_pooling,
    lowering_random,
    lowering_reductions,
    lowering_resampling,
    lowering_scans,
    lowering_scatter,
    lowering_selection,
    lowering_trigonometry,
    lowering_views,
    lowering_windows,
)
from offchain.capture.builder import prune
from offchain.capture.dtypes import get_dtype
from offchain.capture.errors import SlotNameTaken, UnevenBatch
from offchain.capture.lowering import Draft
from offchain.capture.optimizer import copy_for_tracing, materialize_state
from offchain.capture.policy import Policy, apply_policy, get_policy
from offchain.capture.schedules import Schedule, get_schedule
from offchain.capture.slots import DraftSlot, lower_sharing_slots
from offchain.capture.trace import Training, trace_step
from protocol.program import Field, Operator, Program, Slot
from protocol.types import Array, Dtype, Shape


@dataclass(frozen=True)
class FieldSpec:
    """A dataset field: PyTorch's type, the shape of one record, and elements between records.

    int64 and bool fields are i32 in the program.
    """

    dtype: torch.dtype
    record_shape: Shape
    stride: int


@dataclass(frozen=True)
class Captured:
    """A program and the state that it starts from, one array per slot."""

    program: Program
    genesis: tuple[Array, ...]

    @property
    def slot_names(self) -> tuple[str, ...]:
        """Names of the slots, in order; parameters and buffers are named as in `state_dict`."""
        return tuple(slot.name for slot in self.program.slots)


def capture(
    module: nn.Module,
    optimizer: Optimizer,
    fields: Mapping[str, FieldSpec],
    rows: int,
    policy: str = "float32",
    seed: int = 0,
    schedule: Schedule | LRScheduler | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
) -> Captured:
    """Capture one training step of `module(**fields)`, whose result is the loss.

    Neither the module nor the optimiser is changed. `rows` is the batch size, `policy` names the
    bits of matrix products, `seed` (32 bits) keys dropout. `schedule` is a scheduler of
    torch.optim, or maps the number of steps taken (a f32 scalar tensor) to the factor of every
    learning rate.
    `clip_norm` bounds the norm of all gradients, `clip_value` each of their elements. `accumulate`
    computes the batch in that many parts, whose losses are averaged. Raises a CaptureError.
    """
    if accumulate < 1 or rows % accumulate:
        raise UnevenBatch(f"a batch of {rows} rows in {accumulate} parts")
    chosen = get_policy(policy)
    traced_module, traced_optimizer = copy_for_tracing(module, optimizer)
    batch = {
        name: torch.zeros((rows, *spec.record_shape), dtype=spec.dtype)
        for name, spec in fields.items()
    }
    program_fields = build_fields(fields)
    moments = materialize_state(traced_optimizer)
    if isinstance(schedule, LRScheduler):
        schedule = get_schedule(schedule)
    training = Training(schedule, clip_norm, clip_value, accumulate)
    trace = trace_step(traced_module, traced_optimizer, moments, batch, training)
    draft, slots = lower_sharing_slots(trace, seed)
    return _assemble(draft, slots, program_fields, rows, chosen)


def build_fields(fields: Mapping[str, FieldSpec]) -> tuple[Field, ...]:
    """The fields of the program. Raises UnsupportedDtype."""
    return tuple(
        Field(name, get_dtype(spec.dtype), tuple(spec.record_shape), spec.stride)
        for name, spec in fields.items()
    )


def _assemble(
    draft: Draft, slots: list[DraftSlot], fields: tuple[Field, ...], rows: int, policy: Policy
) -> Captured:
    """Drop what nothing needs, number slots and operators, choose bits."""
    builder = draft.builder
    nexts = [builder.whole(slot.next) for slot in slots]
    loss = builder.whole(draft.outputs[-1])
    added = [DraftSlot(n, draft.extra[n], draft.extra_next[n]) for n in draft.extra]
    added_nexts = [builder.whole(slot.next) for slot in added]
    _, needed = prune(builder.operators, [ref.producer for ref in (*nexts, loss)])
    read = {
        builder.operators[number].attributes["slot"]
        for number in needed
        if builder.operators[number].kind == "load_state"
    }
    kept = [n for n in range(len(slots) + len(added)) if n < len(slots) or n in read]
    every, every_next = [*slots, *added], [*nexts, *added_nexts]
    roots = [every_next[n].producer for n in kept]
    operators, numbers = prune(builder.operators, [*roots, loss.producer])
    position = {old: new for new, old in enumerate(kept)}
    operators = [_renumber_slot(item, position) for item in operators]
    operators = apply_policy(operators, numbers[loss.producer], policy)
    final = []
    for number in kept:
        slot = every[number]
        dtype = Dtype.F32 if slot.genesis.dtype.kind == "f" else Dtype.I32
        producer = numbers[every_next[number].producer]
        final.append(Slot(slot.name, dtype, slot.genesis.shape, producer))
    names = [slot.name for slot in final]
    for name in names:
        if names.count(name) > 1:
            raise SlotNameTaken(f"slot {name!r}: two state tensors have this name")
    program = Program(
        tuple(final), fields, rows, tuple(operators), {"loss": numbers[loss.producer]}
    )
    return Captured(program, tuple(every[n].genesis for n in kept))


def _renumber_slot(item: Operator, position: dict[int, int]) -> Operator:
    slot = item.attributes.get("slot")
    if not isinstance(slot, int):
        return item
    return replace(item, attributes={**item.attributes, "slot": position[slot]})
