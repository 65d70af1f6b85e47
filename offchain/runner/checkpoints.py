"""States at the ends of segments, as safetensors files that appear whole or not at all.

A file is written under another name, flushed to the disk and then renamed. Its header says which
run it belongs to and the state's root; whoever reads it re-hashes the tensors, so a damaged file
counts as missing.
"""

import os
import struct
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from offchain.kernels.reading import to_torch
from offchain.runner.commitments import compute_state_root, to_committed
from offchain.runner.plan import Tensors
from protocol.execution import State
from protocol.json_text import loads_bounded
from protocol.program import Program
from protocol.types import Root, SegmentIndex

HEADER_MAX = 2**27  # bytes; a header names up to SLOTS_MAX tensors


class ForeignCheckpoint(ValueError):
    """The folder holds checkpoints of another run; nothing is overwritten."""


def compute_run_id(
    program: Program, dataset_root: Root, genesis_root: Root, seed: bytes, segment_length: int
) -> Root:
    """What identifies a run: everything that its states depend on."""
    words = program.root + dataset_root + genesis_root + seed + segment_length.to_bytes(32, "big")
    return Root(sha256(words).digest())


class Checkpoints:
    """The checkpoints of one run in a folder; segment s is the state after s + 1 segments."""

    def __init__(self, folder: Path, program: Program, run_id: Root):
        self.folder, self.program, self.run_id = Path(folder), program, run_id
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.folder.glob("segment-*.safetensors")):
            header = _read_header(path)
            if header is not None and header.get("run") != run_id.hex():
                raise ForeignCheckpoint(f"{path}: belongs to another run; choose another folder")

    def get_path(self, segment: SegmentIndex) -> Path:
        """The file of a segment."""
        return self.folder / f"segment-{segment:07d}.safetensors"

    def write(self, segment: SegmentIndex, state: Tensors, root: Root) -> None:
        """Store the state after a segment; on return it survives a power failure."""
        tensors = {str(slot): to_committed(tensor) for slot, tensor in enumerate(state)}
        header = {
            "run": self.run_id.hex(),
            "segment": str(segment),
            "state_root": root.hex(),
            "check": self._compute_check(segment, root),
        }
        path = self.get_path(segment)
        temporary = path.with_suffix(f".{os.getpid()}.partial")
        try:
            save_file(tensors, temporary, header)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself
        finally:
            os.close(folder)

    def read_root(self, segment: SegmentIndex) -> Root | None:
        """The state root that a file's header states, or None where there is no whole header."""
        header = _read_header(self.get_path(segment))
        if header is None or header.get("segment") != str(segment):
            return None
        try:
            root = Root(bytes.fromhex(header["state_root"]))
        except (KeyError, ValueError):
            return None
        return root if header.get("check") == self._compute_check(segment, root) else None

    def _compute_check(self, segment: SegmentIndex, root: Root) -> str:
        """Guards the header by itself: a claim is rebuilt from headers alone."""
        return sha256(self.run_id + segment.to_bytes(32, "big") + root).hexdigest()

    def read(self, segment: SegmentIndex) -> tuple[State, Root] | None:
        """The state after a segment and its root, or None where the file is absent or damaged."""
        root = self.read_root(segment)
        if root is None:
            return None
        try:
            tensors = load(self.get_path(segment).read_bytes())
            state = tuple(tensors[str(slot)] for slot in range(len(self.program.slots)))
        except (OSError, SafetensorError, KeyError):
            return None
        fits = all(
            array.shape == slot.shape and array.dtype == slot.dtype.numpy
            for array, slot in zip(state, self.program.slots)
        )
        if not fits or compute_state_root([to_torch(np.asarray(a)) for a in state]) != root:
            return None
        return state, root


def _read_header(path: Path) -> dict[str, str] | None:
    """The metadata of a safetensors file, or None where it cannot be read."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > HEADER_MAX:
                return None
            metadata = loads_bounded(file.read(length)).get("__metadata__", {})
    except (OSError, struct.error, ValueError, AttributeError):
        return None
    return metadata if isinstance(metadata, dict) else None
