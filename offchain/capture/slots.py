"""Which state tensors share a slot.

An optimiser keeps a step count per parameter. Scalars of it that start equal and stay equal are
one slot: they are assumed equal, the step is lowered under that assumption, and where their next
values turn out to be different operators the assumption is split and tried again.
"""

from dataclasses import dataclass

from offchain.capture.builder import Ref
from offchain.capture.dtypes import to_array
from offchain.capture.lowering import Draft, Lowering
from offchain.capture.trace import Trace
from protocol.types import Array, Dtype


@dataclass(frozen=True)
class DraftSlot:
    """A state tensor: its name, its value at genesis, and after the step."""

    name: str
    genesis: Array
    next: Ref


def lower_sharing_slots(trace: Trace, seed: int) -> tuple[Draft, list[DraftSlot]]:
    """The lowered step and its slots. Raises UnsupportedDtype, UnsupportedOperator."""
    genesis = {name: to_array(name, tensor) for name, tensor in trace.state.items()}
    classes = _guess_classes(trace, genesis)
    fixed = trace.buffers
    while True:
        slot_of = {name: slot for slot, names in enumerate(classes) for name in names}
        first = [genesis[names[0]] for names in classes]
        draft = Lowering(
            trace.module,
            loads=[slot_of[name] for name in trace.state],
            shapes=[array.shape for array in first],
            types=[Dtype.F32 if array.dtype.kind == "f" else Dtype.I32 for array in first],
            seed=seed,
            fixed={n: trace.state[name] for n, name in enumerate(trace.state) if name in fixed},
        ).run()
        following = dict(zip(trace.state, draft.outputs))
        refined = [part for names in classes for part in _split(names, following)]
        if len(refined) == len(classes):
            break
        classes = refined
    counts = [_get_shared_name(trace, names) for names in classes]
    slots = []
    for names, array, shared in zip(classes, first, counts):
        name = shared if len(names) > 1 and counts.count(shared) == 1 else names[0]
        slots.append(DraftSlot(name, array, following[names[0]]))
    return draft, slots


def _get_shared_name(trace: Trace, names: list[str]) -> str:
    key = trace.moments.get(names[0])
    return names[0] if key is None else f"optimizer.{key}"


def _guess_classes(trace: Trace, genesis: dict[str, Array]) -> list[list[str]]:
    classes: dict[object, list[str]] = {}
    for name, array in genesis.items():
        key: object = name
        if name in trace.moments and array.ndim == 0:
            key = (trace.moments[name], array.dtype.str, array.tobytes())
        classes.setdefault(key, []).append(name)
    return list(classes.values())


def _split(names: list[str], following: dict[str, Ref]) -> list[list[str]]:
    parts: dict[Ref, list[str]] = {}
    for name in names:
        parts.setdefault(following[name], []).append(name)
    return list(parts.values())
