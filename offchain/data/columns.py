"""Arrays as fields of a dataset: float32 and 32-bit integers, memory-mapped, flat.

An array that already is what gets committed stays where it lies on the disk. Anything else is
converted block by block into an unnamed file, so that the memory needed does not depend on the size
of the data; the file is gone when the process ends.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from offchain.capture import FieldSpec
from offchain.data.errors import UnusableData
from offchain.store.artifacts import check_canonical
from offchain.store.errors import NonCanonicalNan
from protocol.execution import Dataset
from protocol.types import Array

BLOCK_ELEMENTS = 2**20  # converted at once
I32_MIN, I32_MAX = -(2**31), 2**31 - 1

Advance = Callable[[int, int], None]  # done, in all


@dataclass(frozen=True)
class Data:
    """A dataset that a program can read, and what a module's builder may want to know of it."""

    fields: Mapping[str, FieldSpec]
    dataset: Dataset
    known: Mapping[str, int] = field(default_factory=dict)  # vocabulary, context, classes
    notes: Mapping[str, Any] = field(default_factory=dict)  # for people: alphabet, class names
    files: Mapping[str, bytes] = field(default_factory=dict)  # kept beside the task, by suffix

    def select(self, names: Iterable[str]) -> "Data":
        """Only these fields, in this order."""
        held = dict(zip(self.fields, self.dataset.fields))
        chosen = {name: self.fields[name] for name in names}
        dataset = Dataset(tuple(held[name] for name in chosen), self.dataset.records)
        return replace(self, fields=chosen, dataset=dataset)

    def hold_out(self, share: float) -> "Data":
        """Without that share of the records, at the end. Raises `UnusableData`."""
        kept = self.dataset.records - int(self.dataset.records * share)
        cut = tuple(
            array[: (kept - 1) * spec.stride + _compute_size(spec.record_shape)]
            for spec, array in zip(self.fields.values(), self.dataset.fields)
        )
        return replace(self, dataset=Dataset(cut, kept))

    def get_rows(self, name: str, records: Iterable[int]) -> Array:
        """A field of these records: [records, *shape of one]."""
        spec, flat = self.fields[name], self.dataset.fields[list(self.fields).index(name)]
        size, stride = _compute_size(spec.record_shape), spec.stride
        rows = [flat[r * stride : r * stride + size] for r in records]
        return np.stack(rows).reshape(-1, *spec.record_shape)

    def find_extremes(self) -> list[int]:
        """Records with the smallest and the largest number of each field of integers."""
        found = [0]
        for spec, flat in zip(self.fields.values(), self.dataset.fields):
            if flat.dtype == np.int32:
                places = (int(flat.argmin()), int(flat.argmax()))
                found += [min(p // spec.stride, self.dataset.records - 1) for p in places]
        return sorted(set(found))


def _compute_size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def build_data(arrays: Mapping[str, Array], source: Path, window: int | None, **more: Any) -> Data:
    """Arrays whose first axis counts records; with a window, streams that it slides over.

    Raises `UnusableData`.
    """
    if not arrays:
        raise UnusableData(f"{source}: holds no arrays")
    for name, array in arrays.items():
        check_dtype(array.dtype, f"{source}: field {name!r}")
        if array.ndim == 0:
            raise UnusableData(
                f"{source}: field {name!r}: a single number; the first axis counts records"
            )
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise UnusableData(f"{source}: fields of different lengths: {listed} records")
    length = next(iter(lengths.values()))
    needed = 1 if window is None else window + 1
    if length < needed:
        what = "records, at least 1 is" if window is None else f"elements, a window of {needed} is"
        raise UnusableData(f"{source}: {length} {what} needed")
    fields, flat = {}, []
    for name, array in arrays.items():
        shape, stride = array.shape[1:], _compute_size(array.shape[1:])
        if window is not None:
            shape = (needed, *shape)
        fields[name] = FieldSpec(_get_dtype(array.dtype), tuple(shape), stride)
        flat.append(convert(array, f"{source}: field {name!r}"))
    return Data(fields, Dataset(tuple(flat), length - needed + 1), **more)


def _get_dtype(dtype: np.dtype) -> torch.dtype:
    """What the module sees: integers as PyTorch's own int64, so that they serve as indices."""
    return {"f": torch.float32, "b": torch.bool}.get(dtype.kind, torch.int64)


def check_dtype(dtype: np.dtype, what: str) -> None:
    """Raise `UnusableData` unless a program can hold elements of the type."""
    if dtype.kind in "biuf" and not dtype.isnative:
        remedy = f'array.astype("{dtype.newbyteorder("=").str[1:]}")'
        raise UnusableData(f"{what}: {dtype} has its bytes in reverse order; save {remedy}")
    if dtype.kind in "biu" or dtype == np.float32:
        return
    if dtype.kind == "f":
        remedy = "save array.astype(numpy.float32)"
    elif dtype.kind == "c":
        remedy = "save real and imaginary parts as two float32 fields"
    elif dtype.kind == "O":
        remedy = "objects are pickled, and no pickle is ever loaded; save plain arrays of numbers"
    else:
        remedy = "encode it as numbers first"
    raise UnusableData(f"{what}: {dtype}; a program holds float32 and integers: {remedy}")


def convert(array: Array, what: str) -> Array:
    """The array flat, as float32 or int32. Raises `UnusableData`."""
    wanted = np.dtype(np.float32 if array.dtype.kind == "f" else np.int32)
    if array.dtype == wanted and array.flags.c_contiguous:
        flat: Array = array.reshape(-1)
    else:
        flat = collect(_convert_blocks(array, wanted, what), wanted)
    try:
        check_canonical(flat, what)
    except NonCanonicalNan as error:
        raise UnusableData(f"{error}; save numpy.nan_to_num(array), or numpy.nan") from error
    return flat


def _convert_blocks(array: Array, wanted: np.dtype, what: str) -> Iterator[Array]:
    rows = max(1, BLOCK_ELEMENTS // max(1, _compute_size(array.shape[1:])))
    for start in range(0, len(array), rows):
        block = array[start : start + rows]
        if block.dtype.kind in "iu" and block.size:
            low, high = int(block.min()), int(block.max())
            if low < I32_MIN or high > I32_MAX:
                raise UnusableData(
                    f"{what}: {array.dtype} with values from {low} to {high}, which do not fit "
                    "32 bits; number them from 0"
                )
        yield block.astype(wanted)


def collect(blocks: Iterable[Array], dtype: np.dtype | type) -> Array:
    """All blocks one after the other, flat, in a file that has no name."""
    with tempfile.TemporaryFile() as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype=dtype).reshape(-1).view(np.uint8).data)
        if file.tell() == 0:
            return np.empty(0, dtype)
        file.flush()
        mapped: Array = np.memmap(file, dtype=dtype, mode="r")
        return mapped
