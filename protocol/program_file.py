"""A program on disk: one JSON document in canonical form, data and nothing else.

The document is ASCII without spaces, keys sorted, integers only, defaults left out, so that each
program has exactly one file and `encode_program(decode_program(data)) == data`:

    {"fields": [{"dtype": "i32", "name": "text", "shape": [65], "stride": 1}],
     "format": "crux program",
     "operators": [{"attributes": {"dtype": 1, "shape": [2, 3], "slot": 0}, "kind": "load_state"},
                   {"inputs": [{"producer": 0, "view": {"shape": [3, 2], "strides": [1, 3]}}],
                    "kind": "neg", "source": "model.py:7"}],
     "reported": {"loss": 1}, "rows": 8,
     "slots": [{"dtype": "f32", "name": "weight", "producer": 1, "shape": [2, 3]}], "version": 1}

Left out where they say nothing: `attributes`, `inputs`, `source` where empty; a view's `strides`
where row-major and its `offset` where 0.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from protocol.json_text import TooDeep, loads_bounded
from protocol.program import FORMAT_VERSION, Field, Input, Operator, Program, Slot
from protocol.rejections import (
    DuplicateKey,
    FileTooDeep,
    FileTooLarge,
    MalformedFile,
    MissingKey,
    NotCanonical,
    NotJson,
    NumberOutOfRange,
    UnknownDtype,
    UnknownFormat,
    UnknownKey,
    WrongType,
)
from protocol.types import Dtype, Shape
from protocol.validation import validate
from protocol.views import View, compute_contiguous_strides

T = TypeVar("T")
Json = dict[str, Any]

FORMAT = "crux program"
FILE_BYTES_MAX = 2**23  # = 8 MiB: 128 bytes for each of OPERATORS_MAX operators
DEPTH_MAX = 7  # document, operators, operator, inputs, input, view, strides

_DTYPE_NAMES = {dtype: dtype.name.lower() for dtype in Dtype}
_DTYPES = {name: dtype for dtype, name in _DTYPE_NAMES.items()}


class _Repeated(dict[str, Any]):
    """An object that names `key` twice."""

    key = ""


# --- Writing --------------------------------------------------------------------------------------


def _write_view(view: View) -> Json:
    document: Json = {"shape": list(view.shape)}
    if view.offset != 0:
        document["offset"] = view.offset
    if view.strides != compute_contiguous_strides(view.shape):
        document["strides"] = list(view.strides)
    return document


def _write_operator(operator: Operator) -> Json:
    document: Json = {"kind": operator.kind}
    if operator.attributes:
        document["attributes"] = dict(operator.attributes)
    if operator.inputs:
        document["inputs"] = [
            {"producer": item.producer, "view": _write_view(item.view)} for item in operator.inputs
        ]
    if operator.source:
        document["source"] = operator.source
    return document


def encode_program(program: Program) -> bytes:
    """The program's file. Raises FileTooLarge."""
    document = {
        "fields": [
            {
                "dtype": _DTYPE_NAMES[item.dtype],
                "name": item.name,
                "shape": list(item.shape),
                "stride": item.stride,
            }
            for item in program.fields
        ],
        "format": FORMAT,
        "operators": [_write_operator(operator) for operator in program.operators],
        "reported": dict(program.reported),
        "rows": program.rows,
        "slots": [
            {
                "dtype": _DTYPE_NAMES[slot.dtype],
                "name": slot.name,
                "producer": slot.producer,
                "shape": list(slot.shape),
            }
            for slot in program.slots
        ],
        "version": FORMAT_VERSION,
    }
    data = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    _check_size(data)
    return data


# --- Reading --------------------------------------------------------------------------------------


def decode_program(data: bytes) -> Program:
    """The program in a file, validated. Raises InvalidProgram, of which MalformedFile is one."""
    _check_size(data)
    program = _read_program(_parse(data))
    validate(program)
    again = encode_program(program)
    if again != data:
        at = next((i for i, (a, b) in enumerate(zip(again, data)) if a != b), len(again))
        raise NotCanonical(f"differs from the canonical form at byte {at}")
    return program


def _check_size(data: bytes) -> None:
    if len(data) > FILE_BYTES_MAX:
        raise FileTooLarge(f"{len(data)} bytes, limit {FILE_BYTES_MAX}")


def _parse(data: bytes) -> Any:
    def build(pairs: list[tuple[str, Any]]) -> Json:
        built = dict(pairs)
        if len(built) == len(pairs):
            return built
        seen: set[str] = set()
        repeated = _Repeated(built)
        for key, _ in pairs:
            if key in seen:
                repeated.key = key
            seen.add(key)
        return repeated

    try:
        return loads_bounded(data, DEPTH_MAX, build, "ascii")
    except TooDeep as error:
        raise FileTooDeep(str(error)) from None
    except ValueError as error:  # UnicodeDecodeError is one
        raise NotJson(f"no JSON text: {error}") from None


def _describe(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", int: "an integer"}
    return names.get(type(value), f"{value!r:.40}")


def _read_integer(value: Any) -> int:
    if type(value) is not int:
        raise WrongType(f"expected an integer, found {_describe(value)}")
    if not -(2**63) <= value < 2**63:
        raise NumberOutOfRange(f"an integer of {value.bit_length()} bits, limit 64 with the sign")
    return value


def _read_string(value: Any) -> str:
    if type(value) is not str:
        raise WrongType(f"expected a string, found {_describe(value)}")
    return value


def _read_list(value: Any, read: Callable[[Any], T]) -> tuple[T, ...]:
    if type(value) is not list:
        raise WrongType(f"expected a list, found {_describe(value)}")
    items = []
    for index, item in enumerate(value):
        try:
            items.append(read(item))
        except MalformedFile as rejection:
            raise rejection.inside(f"[{index}]") from None
    return tuple(items)


def _read_object(value: Any) -> Json:
    if type(value) is _Repeated:
        raise DuplicateKey(f"key {value.key!r:.80} appears twice")
    if type(value) is not dict:
        raise WrongType(f"expected an object, found {_describe(value)}")
    return value


def _read_mapping(value: Any, read: Callable[[Any], T]) -> dict[str, T]:
    return {key: _read_key(value, key, read) for key in _read_object(value)}


def _check_keys(value: Any, required: frozenset[str], optional: frozenset[str]) -> None:
    keys = _read_object(value).keys()
    for key in sorted(required - keys):
        raise MissingKey(f"key {key!r} is missing")
    for key in sorted(keys - required - optional):
        raise UnknownKey(f"unknown key {key!r:.80}")


def _read_key(value: Json, key: str, read: Callable[[Any], T]) -> T:
    try:
        return read(value[key])
    except MalformedFile as rejection:
        step = key if key.isprintable() else repr(key)
        raise rejection.inside(f".{step:.80}") from None


def _read_shape(value: Any) -> Shape:
    return _read_list(value, _read_integer)


def _read_dtype(value: Any) -> Dtype:
    name = _read_string(value)
    if name not in _DTYPES:
        raise UnknownDtype(f"type {name!r:.40}, expected one of {sorted(_DTYPES)}")
    return _DTYPES[name]


_VIEW_KEYS = frozenset({"shape"}), frozenset({"offset", "strides"})
_INPUT_KEYS = frozenset({"producer", "view"}), frozenset[str]()
_OPERATOR_KEYS = frozenset({"kind"}), frozenset({"attributes", "inputs", "source"})
_SLOT_KEYS = frozenset({"dtype", "name", "producer", "shape"}), frozenset[str]()
_FIELD_KEYS = frozenset({"dtype", "name", "shape", "stride"}), frozenset[str]()
_PROGRAM_KEYS = (
    frozenset({"fields", "format", "operators", "reported", "rows", "slots", "version"}),
    frozenset[str](),
)


def _read_view(value: Any) -> View:
    _check_keys(value, *_VIEW_KEYS)
    shape = _read_key(value, "shape", _read_shape)
    if "strides" in value:
        strides = _read_key(value, "strides", _read_shape)
    else:
        strides = compute_contiguous_strides(shape)
    offset = _read_key(value, "offset", _read_integer) if "offset" in value else 0
    return View(shape, strides, offset)


def _read_input(value: Any) -> Input:
    _check_keys(value, *_INPUT_KEYS)
    return Input(_read_key(value, "producer", _read_integer), _read_key(value, "view", _read_view))


def _read_attribute(value: Any) -> int | tuple[int, ...]:
    return _read_shape(value) if type(value) is list else _read_integer(value)


def _read_operator(value: Any) -> Operator:
    _check_keys(value, *_OPERATOR_KEYS)
    inputs: tuple[Input, ...] = ()
    if "inputs" in value:
        inputs = _read_key(value, "inputs", lambda v: _read_list(v, _read_input))
    attributes: dict[str, int | tuple[int, ...]] = {}
    if "attributes" in value:
        attributes = _read_key(value, "attributes", lambda v: _read_mapping(v, _read_attribute))
    source = _read_key(value, "source", _read_string) if "source" in value else ""
    return Operator(_read_key(value, "kind", _read_string), inputs, attributes, source)


def _read_slot(value: Any) -> Slot:
    _check_keys(value, *_SLOT_KEYS)
    return Slot(
        _read_key(value, "name", _read_string),
        _read_key(value, "dtype", _read_dtype),
        _read_key(value, "shape", _read_shape),
        _read_key(value, "producer", _read_integer),
    )


def _read_field(value: Any) -> Field:
    _check_keys(value, *_FIELD_KEYS)
    return Field(
        _read_key(value, "name", _read_string),
        _read_key(value, "dtype", _read_dtype),
        _read_key(value, "shape", _read_shape),
        _read_key(value, "stride", _read_integer),
    )


def _read_program(value: Any) -> Program:
    document = _read_object(value)
    found = (document.get("format"), document.get("version"))
    if found != (FORMAT, FORMAT_VERSION) or type(found[1]) is not int:
        raise UnknownFormat(
            f"format {_shorten(found[0])}, version {_shorten(found[1])}; expected {FORMAT!r}, "
            f"{FORMAT_VERSION}"
        )
    _check_keys(document, *_PROGRAM_KEYS)
    return Program(
        _read_key(document, "slots", lambda v: _read_list(v, _read_slot)),
        _read_key(document, "fields", lambda v: _read_list(v, _read_field)),
        _read_key(document, "rows", _read_integer),
        _read_key(document, "operators", lambda v: _read_list(v, _read_operator)),
        _read_key(document, "reported", lambda v: _read_mapping(v, _read_integer)),
    )


def _shorten(value: Any) -> str:
    return _describe(value) if isinstance(value, dict | list) else f"{value!r:.40}"
