"""States as safetensors files."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from offchain.store import errors
from offchain.store.weights import load_state, save_state
from protocol.execution import compute_state_root
from protocol.types import Root
from tests.programs import make_program, make_state

SLOTS = make_program().slots
STATE = make_state(make_program())


def test_save_state__any_state__comes_back_and_others_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "weights.safetensors"
    save_state(path, STATE, SLOTS, {"step": "200"})
    found = load_state(path, SLOTS, compute_state_root(STATE))
    assert all((a == b).all() and a.shape == b.shape for a, b in zip(found, STATE))
    assert set(load_file(path)) == {"weight", "counter"}


def test_load_state__other_root__is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_state(path, STATE, SLOTS)
    with pytest.raises(errors.WrongHash, match=compute_state_root(STATE).hex()):
        load_state(path, SLOTS, Root(bytes(32)))


def test_load_state__missing__is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.ArtifactMissing, match="nowhere"):
        load_state(tmp_path / "nowhere", SLOTS)


@pytest.mark.parametrize("keep", [0, 7, 40, -1])
def test_load_state__truncated__is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "weights.safetensors"
    save_state(path, STATE, SLOTS)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(errors.UnreadableWeights, match=r"weights\.safetensors"):
        load_state(path, SLOTS)


def test_load_state__pickle__is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'exit 1'\ntR." + bytes(64))
    with pytest.raises(errors.UnreadableWeights):
        load_state(path, SLOTS)


def test_load_state__oversized__is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.safetensors"
    save_state(path, STATE, SLOTS)
    monkeypatch.setattr("offchain.store.weights.HEADER_BYTES_MAX", path.stat().st_size - 28)
    load_state(path, SLOTS)
    monkeypatch.setattr("offchain.store.weights.HEADER_BYTES_MAX", path.stat().st_size - 29)
    with pytest.raises(errors.ArtifactTooLarge, match="for 28 bytes of state"):
        load_state(path, SLOTS)


@pytest.mark.parametrize(
    "tensors",
    [
        {"weight": STATE[0]},
        {"weight": STATE[0], "counter": STATE[1], "extra": STATE[1]},
        {"weight": STATE[0].T.copy(), "counter": STATE[1]},
        {"weight": STATE[0].astype(np.float64), "counter": STATE[1]},
    ],
    ids=["missing", "extra", "shape", "type"],
)
def test_load_state__other_tensors__are_refused(
    tmp_path: Path, tensors: dict[str, np.ndarray]
) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path)
    with pytest.raises(errors.WrongTensor):
        load_state(path, SLOTS)


def test_load_state__nan_that_is_not_canonical__is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    odd = np.full((3, 2), 0x7FC00001, dtype=np.uint32).view(np.float32)
    save_file({"weight": odd, "counter": STATE[1]}, path)
    with pytest.raises(errors.NonCanonicalNan, match="weight"):
        load_state(path, SLOTS)


def test_save_state__tensor_that_does_not_fit__keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_state(path, STATE, SLOTS)
    before = path.read_bytes()
    with pytest.raises(errors.WrongTensor, match="slot weight"):
        save_state(path, (STATE[0].T, STATE[1]), SLOTS)
    with pytest.raises(errors.WrongTensor, match="1 tensors for 2 slots"):
        save_state(path, STATE[:1], SLOTS)
    assert path.read_bytes() == before
