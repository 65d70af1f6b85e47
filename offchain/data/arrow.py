"""A Hugging Face dataset as `save_to_disk` leaves it: Arrow files, read with pyarrow alone.

Columns of numbers, and of lists of numbers that all have one length, become fields; columns of text
and others are left out and named.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from offchain.data.columns import Data, build_data, check_dtype, collect
from offchain.data.errors import UnusableData, import_optional
from protocol.json_text import loads_bounded
from protocol.types import Array

STATE, SPLITS = "state.json", "dataset_dict.json"


def is_saved_dataset(path: Path) -> bool:
    """Whether the folder is one that `save_to_disk` wrote."""
    return (path / STATE).is_file() or (path / SPLITS).is_file()


def read_saved_dataset(path: Path, window: int | None = None) -> Data:
    """The dataset in a folder. Raises `UnusableData`."""
    if (path / SPLITS).is_file():
        splits = ", ".join(sorted(child.parent.name for child in path.glob(f"*/{STATE}")))
        raise UnusableData(f"{path}: holds several splits; name one of them: {splits}")
    arrow = import_optional("pyarrow", "pyarrow", f"{path}: reading a saved dataset")
    import_optional("pyarrow.compute", "pyarrow", f"{path}: reading a saved dataset")
    try:
        state = loads_bounded((path / STATE).read_bytes())
        files = [path / item["filename"] for item in state["_data_files"]]
        moved = state.get("_indices_data_files")
        tables = [_open(arrow, file) for file in files]
    except (ValueError, KeyError, TypeError, OSError) as error:  # pyarrow's are ValueErrors
        raise UnusableData(f"{path}: not a saved dataset: {error}") from error
    if moved:
        raise UnusableData(
            f"{path}: its rows are reordered by an index; save dataset.flatten_indices()"
        )
    if not tables:
        raise UnusableData(f"{path}: no Arrow file in it")
    arrays, skipped = {}, []
    for column in tables[0].schema:
        if _is_numeric(arrow, column.type):
            arrays[column.name] = _read_column(arrow, tables, column, path)
        else:
            skipped.append(f"{column.name} ({column.type})")
    if not arrays:
        raise UnusableData(
            f"{path}: no column of numbers, only {', '.join(skipped)}; map a tokenizer over it "
            "first, with a fixed length"
        )
    return build_data(arrays, path, window, notes={"left out": skipped} if skipped else {})


def _open(arrow: Any, path: Path) -> Any:
    """The table of one file, mapped into memory."""
    with arrow.memory_map(str(path)) as source:
        return arrow.ipc.open_stream(source).read_all()


def _is_numeric(arrow: Any, kind: Any) -> bool:
    types = arrow.types
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _read_column(arrow: Any, tables: list[Any], column: Any, path: Path) -> Array:
    """[records, *shape of one]. Raises `UnusableData`."""
    what = f"{path}: field {column.name!r}"
    shapes: set[tuple[int, ...]] = set()

    def blocks() -> Iterator[Array]:
        for table in tables:
            for chunk in table.column(column.name).chunks:
                if len(chunk):
                    block = _flatten(arrow, chunk, what)
                    shapes.add(block.shape[1:])
                    if len(shapes) > 1:
                        raise _uneven(what)
                    yield block

    iterator = blocks()
    first = next(iterator, None)
    if first is None:
        raise UnusableData(f"{what}: no records")
    check_dtype(first.dtype, what)

    def every() -> Iterator[Array]:
        yield first
        yield from iterator

    return collect(every(), first.dtype).reshape(-1, *first.shape[1:])


def _flatten(arrow: Any, chunk: Any, what: str) -> Array:
    shape = [len(chunk)]
    while arrow.types.is_nested(chunk.type):
        if chunk.null_count:
            raise UnusableData(f"{what}: records without a value")
        lengths = set(arrow.compute.list_value_length(chunk).unique().to_pylist())
        if len(lengths) != 1:
            raise _uneven(what)
        chunk = chunk.flatten()
        shape.append(lengths.pop())
    if chunk.null_count:
        raise UnusableData(f"{what}: records without a value")
    values: Array = chunk.to_numpy(zero_copy_only=False)
    return values.reshape(shape)


def _uneven(what: str) -> UnusableData:
    return UnusableData(f"{what}: lists of different lengths; pad or cut them to one length")
