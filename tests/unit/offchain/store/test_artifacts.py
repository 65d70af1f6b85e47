"""Artifacts: what comes back is what was put, or an error that says what is wrong with it."""

import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from offchain.store import errors, files
from offchain.store.artifacts import Store
from protocol import rejections
from protocol.merkle import (
    compute_root_from_path,
    compute_tensor_root,
    compute_vector_root,
    compute_vector_tree,
)
from protocol.program_file import encode_program
from protocol.types import Dtype, Root
from tests.programs import make_program
from tests.unit.offchain.store.conftest import corrupt

WEIGHT = np.arange(600, dtype=np.float32).reshape(20, 30)
MISSING = Root(b"\x05" * 32)


def name(root: Root, size_bytes: int) -> str:
    """Where a tensor of that length lies."""
    return f"tensors/{root.hex()}-{size_bytes}"


def read_key(store: Store, key: str) -> bytes:
    return b"".join(store.files.read_blocks(key, 0, 2**30))


# --- Tensors --------------------------------------------------------------------------------------


def test_put_tensor__any_array__comes_back_by_its_tensor_root(store: Store) -> None:
    for array in (WEIGHT, WEIGHT.T, np.array(3, dtype=np.int32), WEIGHT.astype(np.int32)):
        root = store.put_tensor(array)
        assert root == compute_tensor_root(array)
        dtype = Dtype.F32 if array.dtype == np.float32 else Dtype.I32
        found = store.get_tensor(root, dtype, array.shape)
        assert found.shape == array.shape and found.dtype == array.dtype
        assert (found == array).all()


def test_get_tensor__missing__is_named(store: Store) -> None:
    with pytest.raises(errors.ArtifactMissing, match=f"tensors/{MISSING.hex()}"):
        store.get_tensor(MISSING, Dtype.F32, (2,))


def test_get_tensor__truncated__is_refused_before_it_is_hashed(store: Store) -> None:
    root = store.put_tensor(WEIGHT)
    corrupt(store, name(root, 2_400), WEIGHT.tobytes()[:-1])
    with pytest.raises(errors.ArtifactTruncated, match="2399 bytes, expected at least 2400"):
        store.get_tensor(root, Dtype.F32, WEIGHT.shape)


def test_get_tensor__longer_than_its_shape__is_refused(store: Store) -> None:
    root = store.put_tensor(WEIGHT)
    corrupt(store, name(root, 2_400), WEIGHT.tobytes() + bytes(4))
    with pytest.raises(errors.ArtifactTooLarge, match="2404 bytes, limit 2400"):
        store.get_tensor(root, Dtype.F32, WEIGHT.shape)


def test_get_tensor__enormous_shape__allocates_nothing(store: Store) -> None:
    shape = (2**40,)
    corrupt(store, name(MISSING, 2**42), b"little")
    with pytest.raises(errors.ArtifactTruncated):
        store.get_tensor(MISSING, Dtype.F32, shape)


def test_put_tensor__same_root_other_length__are_both_kept(store: Store) -> None:
    """Padding is zero, so zeros of any length below a leaf have one root."""
    short, long = np.zeros(3, dtype=np.float32), np.zeros(200, dtype=np.float32)
    root = store.put_tensor(short)
    assert store.put_tensor(long) == root
    for array in (short, long):
        assert store.get_tensor(root, Dtype.F32, array.shape).shape == array.shape
    with pytest.raises(errors.ArtifactMissing):
        store.get_tensor(root, Dtype.F32, (4,))


def test_get_tensor__one_bit_changed__is_refused(store: Store) -> None:
    root = store.put_tensor(WEIGHT)
    data = bytearray(WEIGHT.tobytes())
    data[1_234] ^= 1
    corrupt(store, name(root, 2_400), bytes(data))
    with pytest.raises(errors.WrongHash, match=f"{name(root, 2_400)}: hashes to"):
        store.get_tensor(root, Dtype.F32, WEIGHT.shape)
    store.put_tensor(WEIGHT)  # putting it again repairs the store
    assert (store.get_tensor(root, Dtype.F32, WEIGHT.shape) == WEIGHT).all()


def test_tensors__nan_that_is_not_canonical__is_refused(store: Store) -> None:
    bits = np.array([0, 0x7FC00000], dtype=np.uint32)
    root = store.put_tensor(bits.view(np.float32))
    assert store.get_tensor(root, Dtype.F32, (2,)).view(np.uint32).tolist() == bits.tolist()
    odd = np.array([0, 0x7FC00001], dtype=np.uint32).view(np.float32)
    with pytest.raises(errors.NonCanonicalNan, match="element 1 is NaN 0x7fc00001"):
        store.put_tensor(odd)
    root = compute_tensor_root(odd)
    corrupt(store, name(root, 8), odd.tobytes())
    with pytest.raises(errors.NonCanonicalNan):
        store.get_tensor(root, Dtype.F32, (2,))
    assert store.get_tensor(root, Dtype.I32, (2,)).tolist() == [0, 0x7FC00001]


# --- Vectors and programs -------------------------------------------------------------------------


def test_put_vector__values__come_back_in_their_number(store: Store) -> None:
    values = [Root(sha256(bytes([i])).digest()) for i in range(5)]
    root = store.put_vector(values)
    assert root == compute_vector_root(values)
    assert store.get_vector(root, 5) == tuple(values)
    with pytest.raises(errors.ArtifactTruncated):
        store.get_vector(root, 6)
    with pytest.raises(errors.ArtifactTooLarge):
        store.get_vector(root, 4)
    corrupt(store, f"vectors/{root.hex()}", b"".join(values[::-1]))
    with pytest.raises(errors.WrongHash):
        store.get_vector(root, 5)


def test_put_program__valid__comes_back_by_its_program_root(store: Store) -> None:
    program = make_program()
    root = store.put_program(program)
    assert root == program.root
    assert store.get_program(root) == program


def test_get_program__another_program__is_refused(store: Store) -> None:
    corrupt(store, f"programs/{MISSING.hex()}", encode_program(make_program()))
    with pytest.raises(errors.WrongHash, match=make_program().root.hex()):
        store.get_program(MISSING)


def test_get_program__malformed_or_oversized__is_refused(store: Store) -> None:
    data = encode_program(make_program())
    key = f"programs/{MISSING.hex()}"
    corrupt(store, key, data[:-10])
    with pytest.raises(rejections.MalformedFile):
        store.get_program(MISSING)
    corrupt(store, key, bytes(2**23 + 1))
    with pytest.raises(errors.ArtifactTooLarge):
        store.get_program(MISSING)


# --- Blobs ----------------------------------------------------------------------------------------


def test_put_bytes__any_bytes__come_back_by_their_digest(store: Store) -> None:
    for data in (b"", b"x", os.urandom(3_000)):
        digest = store.put_bytes(data)
        assert digest == sha256(data).digest()
        assert store.get_bytes(digest, len(data)) == data
    with pytest.raises(errors.ArtifactTooLarge, match="3000 bytes, limit 2999"):
        store.get_bytes(digest, 2_999)
    corrupt(store, f"blobs/{digest.hex()}", b"other")
    with pytest.raises(errors.WrongHash):
        store.get_bytes(digest, 3_000)


def test_put_file__several_blocks__are_streamed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 1_000)
    monkeypatch.setattr("offchain.store.artifacts.BLOCK_BYTES", 1_000)
    source, target = tmp_path / "source", tmp_path / "folder" / "target"
    source.write_bytes(os.urandom(4_567))
    digest = store.put_file(source)
    store.get_file(digest, target, 5_000)
    assert target.read_bytes() == source.read_bytes()


def test_get_file__wrong_hash__leaves_what_was_there(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"before")
    digest = store.put_bytes(b"content")
    corrupt(store, f"blobs/{digest.hex()}", b"CONTENT")
    with pytest.raises(errors.WrongHash):
        store.get_file(digest, target, 100)
    assert target.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".partial")] == []


def test_put_file__missing_source__is_an_error_of_the_store(store: Store, tmp_path: Path) -> None:
    with pytest.raises(errors.ArtifactMissing, match="nowhere"):
        store.put_file(tmp_path / "nowhere")


# --- Stores ---------------------------------------------------------------------------------------


def test_store__unknown_scheme__is_named() -> None:
    with pytest.raises(errors.UnusableStore, match="carrier-pigeon://loft"):
        Store("carrier-pigeon://loft")


def test_store__folder_that_is_a_file__is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(errors.StoreUnavailable, match="blobs/"):
        Store(str(tmp_path / "file")).put_bytes(b"data")


class Lying:
    """A filesystem that promises a small file and delivers without end."""

    protocol = "lying"

    def info(self, path: str) -> dict[str, int]:
        return {"size": 10}

    def open(self, path: str, mode: str) -> "Lying":
        return self

    def read(self, length: int) -> bytes:
        return bytes(length)

    def __enter__(self) -> "Lying":
        return self

    def __exit__(self, *error: object) -> None:
        return None


def test_read_blocks__store_lies_about_the_size__stops_at_the_limit(store: Store) -> None:
    store.files._fs = Lying()
    with pytest.raises(errors.ArtifactTooLarge):
        read_key(store, "blobs/00")
    with pytest.raises(errors.ArtifactTooLarge):
        store.get_bytes(MISSING, 100)


def test_write__killed_in_the_middle__leaves_the_old_artifact(tmp_path: Path) -> None:
    """kill -9 between two blocks of a local write: the name still holds the old bytes."""
    script = (
        "import os, sys\n"
        "from offchain.store.files import Files\n"
        "def blocks():\n"
        "    yield b'new' * 1000\n"
        "    os.kill(os.getpid(), 9)\n"
        "Files(sys.argv[1]).write('blobs/a', blocks())\n"
    )
    store = Store(str(tmp_path))
    store.files.write("blobs/a", [b"old"])
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert read_key(store, "blobs/a") == b"old"
    store.files.write("blobs/a", [b"new"])
    assert read_key(store, "blobs/a") == b"new"


@pytest.mark.parametrize(("count", "leaf"), [(1, 0), (5, 3), (5, 4), (8, 7)])
def test_put_path__leaf_of_a_vector__comes_back_verified(store: Store, count: int, leaf: int):
    tree = compute_vector_tree([sha256(bytes([i])).digest() for i in range(count)])
    store.put_path(tree, leaf)
    value, path = store.get_path(tree.root, leaf, count)
    assert (value, list(path)) == (tree.get_node(0, leaf), tree.get_path(leaf))
    assert compute_root_from_path(value, leaf, path) == tree.root


def test_get_path__other_bytes__are_refused(store: Store):
    tree = compute_vector_tree([sha256(bytes([i])).digest() for i in range(5)])
    store.put_path(tree, 2)
    key = f"paths/{tree.root.hex()}-2"
    data = b"".join(store.files.read_blocks(key, 128, 128))
    corrupt(store, key, bytes(1) + data[1:])
    with pytest.raises(errors.WrongHash):
        store.get_path(tree.root, 2, 5)
    corrupt(store, key, data[:-1])
    with pytest.raises(errors.ArtifactTruncated):
        store.get_path(tree.root, 2, 5)
    # Proofs of other leaves, or of taller trees, are other artifacts.
    with pytest.raises(errors.ArtifactMissing):
        store.get_path(tree.root, 1, 5)
