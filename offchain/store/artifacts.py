"""Artifacts by the roots that the chain knows, so that no other name is needed.

    programs/<program root>  a program file, checked by decoding, validating and hashing it
    tensors/<tensor root>-<bytes>  little-endian row-major bytes; leaves are padded with zeros,
                             so tensors that differ in how many zeros they end with share a root
    vectors/<vector root>    32-byte values one after another: the roots below a state or dataset
    paths/<vector root>-<leaf>  one value of a vector and its siblings up to the root
    blobs/<sha256>           anything else

Whatever is read is re-hashed before it is returned, so a store need not be trusted: the worst
that it can do is not to answer.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from offchain.store.errors import NonCanonicalNan, WrongHash, WrongTensor
from offchain.store.files import BLOCK_BYTES, Files, reported, write_atomically
from offchain.store.hashing import Advance, compute_root
from protocol.execution import Dataset, State
from protocol.merkle import (
    Tree,
    compute_root_from_path,
    compute_vector_root,
)
from protocol.program import Field, Program, Slot
from protocol.program_file import FILE_BYTES_MAX, decode_program, encode_program
from protocol.types import (
    CANONICAL_NAN,
    Array,
    Dtype,
    Root,
    Shape,
    compute_ceil_log2,
    compute_size,
)
from protocol.validation import validate

Digest = bytes  # 32 bytes, SHA-256 of a blob

_CHECK_ELEMENTS = 2**20  # elements that a check holds temporaries for at once


def check_canonical(array: Array, what: str) -> None:
    """Raise NonCanonicalNan if a float32 array holds any NaN but the canonical one."""
    if array.dtype != np.float32:
        return
    bits = array.reshape(-1).view(np.uint32)
    for start in range(0, bits.size, _CHECK_ELEMENTS):
        block = bits[start : start + _CHECK_ELEMENTS]
        bad = ((block & 0x7FFFFFFF) > 0x7F800000) & (block != CANONICAL_NAN)
        if bad.any():
            at = start + int(np.argmax(bad))
            raise NonCanonicalNan(f"{what}: element {at} is NaN {int(bits[at]):#010x}")


def check_tensor(array: Array, dtype: Dtype, shape: Shape, what: str) -> None:
    """Raise WrongTensor unless the array has that type and shape."""
    if (array.dtype, array.shape) != (dtype.numpy, shape):
        raise WrongTensor(f"{what}: {array.dtype} {array.shape}, expected {dtype.numpy} {shape}")


def check_state(state: State, slots: Sequence[Slot]) -> None:
    """Raise WrongTensor unless the state has the slots' types and shapes."""
    if len(state) != len(slots):
        raise WrongTensor(f"{len(state)} tensors for {len(slots)} slots")
    for tensor, slot in zip(state, slots):
        check_tensor(tensor, slot.dtype, slot.shape, f"slot {slot.name}")


def check_dataset(dataset: Dataset, fields: Sequence[Field]) -> None:
    """Raise WrongTensor unless the dataset has the fields' types and its records' length."""
    if len(dataset.fields) != len(fields):
        raise WrongTensor(f"{len(dataset.fields)} tensors for {len(fields)} fields")
    for tensor, field in zip(dataset.fields, fields):
        length = field.compute_length(dataset.records)
        check_tensor(tensor, field.dtype, (length,), f"field {field.name}")


def _split(data: memoryview, advance: Advance | None = None) -> Iterator[memoryview]:
    for start in range(0, len(data), BLOCK_BYTES):
        yield data[start : start + BLOCK_BYTES]
        if advance is not None:
            advance(len(data[start : start + BLOCK_BYTES]))


class Store:
    """A place for artifacts, by URL. Every `get_` raises only StoreError and InvalidProgram."""

    def __init__(self, url: str):
        self.files = Files(url)

    # Blobs.

    def put_bytes(self, data: bytes) -> Digest:
        """Store bytes; returns their SHA-256."""
        digest = sha256(data).digest()
        self.files.write(f"blobs/{digest.hex()}", _split(memoryview(data)))
        return digest

    def put_file(self, path: Path) -> Digest:
        """Store a file of any size, holding one block in memory; returns its SHA-256."""
        hasher = sha256()
        for block in _read_file(path):
            hasher.update(block)
        self.files.write(f"blobs/{hasher.hexdigest()}", _read_file(path))
        return hasher.digest()

    def get_bytes(self, digest: Digest, max_bytes: int) -> bytes:
        """The bytes with that SHA-256, if they are at most so many."""
        data = b"".join(self.files.read_blocks(f"blobs/{digest.hex()}", 0, max_bytes))
        if sha256(data).digest() != digest:
            raise WrongHash(f"blobs/{digest.hex()}: hashes to {sha256(data).hexdigest()}")
        return data

    def get_file(self, digest: Digest, path: Path, max_bytes: int) -> None:
        """Write the blob to a file that appears only once it is whole and its hash is right."""
        key = f"blobs/{digest.hex()}"
        hasher = sha256()

        def fill(partial: Path) -> None:
            with open(partial, "wb") as file:
                for block in self.files.read_blocks(key, 0, max_bytes):
                    hasher.update(block)
                    file.write(block)
            if hasher.digest() != digest:
                raise WrongHash(f"{key}: hashes to {hasher.hexdigest()}")

        with reported(str(path)):
            write_atomically(path, fill)

    # Tensors and vectors of roots.

    def put_tensor(self, array: Array, advance: Advance | None = None) -> Root:
        """Store a tensor; returns its root. Of a tensor that is mapped from a file, little more
        than a block is in memory at once. Raises NonCanonicalNan.
        """
        check_canonical(array, "tensor")
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        root = compute_root(data, advance)
        self.files.write(_get_tensor_key(root, len(data)), _split(data, advance))
        return root

    def get_tensor(self, root: Root, dtype: Dtype, shape: Shape) -> Array:
        """The tensor with that root; memory is taken only after the store names the size."""
        size_bytes = compute_size(shape) * dtype.size_bytes
        key = _get_tensor_key(root, size_bytes)
        blocks = self.files.read_blocks(key, size_bytes, size_bytes)
        first = next(blocks)
        data = np.empty(size_bytes, dtype=np.uint8)
        position = 0
        for block in _chain(first, blocks):
            data[position : position + len(block)] = np.frombuffer(block, dtype=np.uint8)
            position += len(block)
        array: Array = data.view(dtype.numpy).reshape(shape)
        found = compute_root(data.data)
        if found != root:
            raise WrongHash(f"{key}: hashes to {found.hex()}")
        check_canonical(array, key)
        return array

    def put_vector(self, values: Sequence[Root]) -> Root:
        """Store a vector of roots; returns its root."""
        root = compute_vector_root(values)
        self.files.write(f"vectors/{root.hex()}", [b"".join(values)])
        return root

    def get_vector(self, root: Root, count: int) -> tuple[Root, ...]:
        """The `count` values with that vector root."""
        key = f"vectors/{root.hex()}"
        data = b"".join(self.files.read_blocks(key, 32 * count, 32 * count))
        values = tuple(Root(data[i : i + 32]) for i in range(0, len(data), 32))
        if compute_vector_root(values) != root:
            raise WrongHash(f"{key}: hashes to {compute_vector_root(values).hex()}")
        return values

    def put_path(self, tree: Tree, leaf: int) -> None:
        """Store one leaf of a vector's tree with its proof, and no other leaf but its sibling."""
        values = (tree.get_node(0, leaf), *tree.get_path(leaf))
        self.files.write(_get_path_key(tree.root, leaf), [b"".join(values)])

    def get_path(self, root: Root, leaf: int, count: int) -> tuple[Root, tuple[Root, ...]]:
        """(value, siblings) of a leaf of the vector of `count` values with that root."""
        key = _get_path_key(root, leaf)
        size = 32 * (1 + compute_ceil_log2(count))
        data = b"".join(self.files.read_blocks(key, size, size))
        value, *path = (Root(data[i : i + 32]) for i in range(0, size, 32))
        found = compute_root_from_path(value, leaf, path)
        if found != root:
            raise WrongHash(f"{key}: hashes to {found.hex()}")
        return value, tuple(path)

    # What the chain names.

    def put_program(self, program: Program) -> Root:
        """Store a program; returns its root. Raises InvalidProgram."""
        validate(program)
        self.files.write(f"programs/{program.root.hex()}", [encode_program(program)])
        return program.root

    def get_program(self, root: Root) -> Program:
        """The program with that root, validated. Names and notes are not under the root."""
        key = f"programs/{root.hex()}"
        program = decode_program(b"".join(self.files.read_blocks(key, 0, FILE_BYTES_MAX)))
        if program.root != root:
            raise WrongHash(f"{key}: holds the program {program.root.hex()}")
        return program

    def put_state(self, state: State) -> Root:
        """Store the tensors of a state; returns the state root."""
        return self.put_vector([self.put_tensor(tensor) for tensor in state])

    def get_state(self, root: Root, slots: Sequence[Slot]) -> State:
        """The state with that root, shaped as the slots say."""
        roots = self.get_vector(root, len(slots))
        return tuple(self.get_tensor(r, s.dtype, s.shape) for r, s in zip(roots, slots))

    def put_dataset(self, dataset: Dataset, advance: Advance | None = None) -> Root:
        """Store the tensors of a dataset; returns the dataset root."""
        return self.put_vector([self.put_tensor(tensor, advance) for tensor in dataset.fields])

    def get_dataset(self, root: Root, fields: Sequence[Field], records: int) -> Dataset:
        """The dataset with that root, for so many records."""
        roots = self.get_vector(root, len(fields))
        tensors = tuple(
            self.get_tensor(r, f.dtype, (f.compute_length(records),)) for r, f in zip(roots, fields)
        )
        return Dataset(tensors, records)


def _get_tensor_key(root: Root, size_bytes: int) -> str:
    return f"tensors/{root.hex()}-{size_bytes}"


def _get_path_key(root: Root, leaf: int) -> str:
    return f"paths/{root.hex()}-{leaf}"


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _read_file(path: Path) -> Iterator[bytes]:
    with reported(str(path)), open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block
