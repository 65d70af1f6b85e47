"""States as safetensors files: what a submitter fetches, and what a worker checkpoints.

The format is a length, a JSON header and raw bytes; nothing in it is ever executed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from offchain.store.artifacts import check_canonical, check_state, check_tensor
from offchain.store.errors import ArtifactTooLarge, UnreadableWeights, WrongHash, WrongTensor
from offchain.store.files import reported, write_atomically
from protocol.execution import State, compute_state_root
from protocol.program import Slot
from protocol.types import Array, Root

HEADER_BYTES_MAX = 2**26  # = 64 MiB: 1 KiB of header for each of SLOTS_MAX tensors


def save_state(
    path: Path, state: State, slots: Sequence[Slot], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a state under its slots' names, atomically. Raises WrongTensor, StoreUnavailable."""
    check_state(state, slots)
    tensors = {slot.name: np.asarray(t, order="C") for slot, t in zip(slots, state)}
    save_tensors(path, tensors, metadata)


def save_tensors(
    path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors, atomically. Raises StoreUnavailable."""
    notes = dict(metadata) if metadata else None
    with reported(str(path)):
        write_atomically(path, lambda partial: save_file(dict(tensors), partial, metadata=notes))


def load_state(path: Path, slots: Sequence[Slot], root: Root | None = None) -> State:
    """Read a state that has exactly the slots' names, types and shapes.

    With a root, the state must hash to it. Raises ArtifactMissing, ArtifactTooLarge,
    UnreadableWeights, WrongTensor, NonCanonicalNan, WrongHash.
    """
    expected = sum(slot.size * slot.dtype.size_bytes for slot in slots)
    with reported(str(path)):
        size = path.stat().st_size
    if size > expected + HEADER_BYTES_MAX:
        raise ArtifactTooLarge(f"{path}: {size} bytes for {expected} bytes of state")
    with reported(str(path)):
        state = _read(path, slots)
    for tensor, slot in zip(state, slots):
        check_tensor(tensor, slot.dtype, slot.shape, f"{path}: {slot.name}")
        check_canonical(tensor, f"{path}: {slot.name}")
    if root is not None and compute_state_root(state) != root:
        raise WrongHash(f"{path}: state root {compute_state_root(state).hex()}, not {root.hex()}")
    return state


def _read(path: Path, slots: Sequence[Slot]) -> State:
    wanted = {slot.name for slot in slots}
    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            if names != wanted:
                odd = sorted(names ^ wanted)[:4]
                raise WrongTensor(f"{path}: tensors {odd} are missing or unexpected")
            return tuple(file.get_tensor(slot.name) for slot in slots)
    except (SafetensorError, TypeError) as error:  # TypeError: a type that numpy does not have
        raise UnreadableWeights(f"{path}: {error}") from error
