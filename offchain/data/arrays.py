"""NumPy and safetensors files, mapped into memory where they lie; nothing is ever unpickled."""

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from safetensors import SafetensorError, safe_open

from offchain.data.columns import check_dtype, collect
from offchain.data.errors import UnusableData
from protocol.json_text import loads_bounded
from protocol.types import Array

BLOCK_BYTES = 2**23  # = 8 MiB: unpacked at once
LOCAL_HEADER = struct.Struct("<26xHH")  # of a member of a zip file: lengths of name and extra field

_SAFETENSORS = {
    "F32": "float32",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}


def read_npy(path: Path) -> dict[str, Array]:
    """One array, named as the file. Raises `UnusableData`."""
    what = f"{path}: field {path.stem!r}"
    with open(path, "rb") as file:
        shape, order, dtype = _read_header(file, what)
        return {path.stem: _map(path, what, shape, order, dtype, file.tell())}


def read_npy_folder(path: Path) -> dict[str, Array]:
    """A field for every .npy file. Raises `UnusableData`."""
    arrays: dict[str, Array] = {}
    for part in sorted(path.glob("*.npy")):
        arrays |= read_npy(part)
    return arrays


def read_npz(path: Path) -> dict[str, Array]:
    """A field for every array; only compressed ones are unpacked. Raises `UnusableData`."""
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name == member.filename:
                    raise UnusableData(f"{path}: holds {name!r}, which is no array of NumPy")
                arrays[name] = _read_member(path, archive, member, f"{path}: field {name!r}")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, struct.error) as error:
        raise UnusableData(f"{path}: no .npz file: {error}") from error
    return arrays


def _read_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, what: str) -> Array:
    with archive.open(member) as file:
        shape, order, dtype = _read_header(file, what)
        start = file.tell()
        size = _compute_bytes(shape, dtype)
        if member.file_size != start + size:
            raise UnusableData(f"{what}: {member.file_size - start} bytes, {size} are expected")
        if member.compress_type != zipfile.ZIP_STORED:
            blocks = (np.frombuffer(block, np.uint8) for block in _read_blocks(file))
            return (
                collect(blocks, np.uint8)
                .view(dtype)
                .reshape(shape, order="F" if order == "F" else "C")
            )
    with open(path, "rb") as raw:
        raw.seek(member.header_offset)
        lengths = LOCAL_HEADER.unpack(raw.read(LOCAL_HEADER.size))
    offset = member.header_offset + LOCAL_HEADER.size + sum(lengths) + start
    return _map(path, what, shape, order, dtype, offset)


def _read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _read_header(file: IO[bytes], what: str) -> tuple[tuple[int, ...], str, np.dtype]:
    """(shape, order, dtype), of a type that a program can hold. Raises `UnusableData`."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(file)
        if version not in readers:
            raise ValueError(f"version {version} of the format")
        shape, is_fortran, dtype = readers[version](file)
    except (ValueError, EOFError) as error:
        reason = str(error).split("\n", 1)[0]
        raise UnusableData(f"{what}: no array of NumPy: {reason}") from error
    check_dtype(dtype, what)
    return shape, "F" if is_fortran else "C", dtype


def _compute_bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    size = dtype.itemsize
    for length in shape:
        size *= length
    return size


def _map(
    path: Path, what: str, shape: tuple[int, ...], order: str, dtype: np.dtype, offset: int
) -> Array:
    size, there = _compute_bytes(shape, dtype), path.stat().st_size - offset
    if there < size or size < 0:
        raise UnusableData(f"{what}: {there} bytes, {size} are expected; the file is cut short")
    if size == 0:
        return np.empty(shape, dtype)
    mapped: Array = np.memmap(path, dtype, "r", offset, shape, order)  # type: ignore[call-overload]
    return mapped


def read_safetensors(path: Path) -> dict[str, Array]:
    """A field for every tensor. Raises `UnusableData`."""
    try:
        with safe_open(path, framework="numpy"):  # checks the layout
            pass
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = loads_bounded(file.read(length))
    except (SafetensorError, struct.error, ValueError) as error:
        raise UnusableData(f"{path}: no safetensors file: {error}") from error
    arrays = {}
    for name, item in header.items():
        if name == "__metadata__":
            continue
        what = f"{path}: field {name!r}"
        if item["dtype"] not in _SAFETENSORS:
            raise UnusableData(
                f"{what}: {item['dtype']}; a program holds float32 and integers: save "
                "tensor.float()"
            )
        dtype = np.dtype(_SAFETENSORS[item["dtype"]])
        offset = 8 + length + item["data_offsets"][0]
        arrays[name] = _map(path, what, tuple(item["shape"]), "C", dtype, offset)
    return arrays
