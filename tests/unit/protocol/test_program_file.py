"""Program files: one per program, and nothing that is not one gets through."""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import rejections as no
from protocol.execution import compute_batch, execute_step
from protocol.instructions import encode_instruction
from protocol.program import Program
from protocol.program_file import (
    DEPTH_MAX,
    FILE_BYTES_MAX,
    decode_program,
    encode_program,
)
from protocol.types import Seed, StepIndex
from protocol.validation import validate
from tests.programs import make_dataset, make_program, make_state
from tests.unit.protocol.test_instructions import INSTRUCTION_TYPE, to_abi

DATA = encode_program(make_program())


def dump(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def edited(edit: Callable[[Any], object]) -> bytes:
    """The reference file with one change."""
    document = json.loads(DATA)
    edit(document)
    return dump(document)


def test_decode_program__encoded_program__is_the_same_with_the_same_root() -> None:
    program = make_program()
    decoded = decode_program(DATA)
    assert decoded == program
    assert decoded.root == program.root
    assert encode_program(decoded) == DATA


def test_encode_program__reference_program__is_compact_ascii_without_floats() -> None:
    assert DATA.isascii() and b" " not in DATA.replace(b"crux program", b"")
    assert b"." not in re.sub(rb'"[^"]*"', b"", DATA)
    assert len(DATA) / len(make_program().operators) < 128


def set_at(*path: str | int) -> Callable[[object], Callable[[Any], object]]:
    """edit(value) puts a value at a place of the document."""

    def make(value: object) -> Callable[[Any], object]:
        def edit(document: Any) -> None:
            for step in path[:-1]:
                document = document[step]
            document[path[-1]] = value

        return edit

    return make


STRIDES = ("operators", 6, "inputs", 0, "view", "strides")
CASES: list[tuple[type[no.InvalidProgram], bytes, str]] = [
    (no.FileTooLarge, b" " * (FILE_BYTES_MAX + 1), "8388609 bytes, limit 8388608"),
    (no.FileTooDeep, b"[" * 100_000, "nested deeper"),
    (no.FileTooDeep, b'{"a":' * 8 + b"1" + b"}" * 8, "nested deeper than 7"),
    (no.NotJson, b"", "no JSON text"),
    (no.NotJson, DATA + b"1", "Extra data"),
    (no.NotJson, b"\xff\xfe", "no JSON text"),
    (no.NotJson, '{"größe":1}'.encode(), "no JSON text"),
    (no.NotJson, b"1" * 5_000, "no JSON text"),
    (no.FileTooDeep, DATA[:-1], "brackets that do not match"),
    (no.WrongType, b"[]", "expected an object, found a list"),
    (no.WrongType, b"NaN", "expected an object, found nan"),
    (no.UnknownFormat, b"{}", "format None, version None; expected 'crux program', 1"),
    (no.UnknownFormat, edited(set_at("version")(2)), "version 2"),
    (no.UnknownFormat, edited(set_at("version")(True)), "version True"),
    (no.UnknownFormat, edited(set_at("format")("onnx")), "format 'onnx'"),
    (no.MissingKey, edited(lambda d: d.pop("rows")), "^key 'rows' is missing"),
    (no.MissingKey, edited(lambda d: d["slots"][1].pop("name")), r"^slots\[1\]: key 'name'"),
    (no.UnknownKey, edited(set_at("extra")(1)), "^unknown key 'extra'"),
    (
        no.UnknownKey,
        edited(set_at("operators", 4, "inputs", 1, "view", "pad")(1)),
        r"^operators\[4\].inputs\[1\].view: unknown key 'pad'",
    ),
    (no.WrongType, edited(set_at(*STRIDES)(7)), r"^operators\[6\].inputs\[0\].view.strides: "),
    (
        no.WrongType,
        edited(set_at(*STRIDES)([1, True])),
        r"^operators\[6\].inputs\[0\].view.strides\[1\]: expected an integer, found True",
    ),
    (no.WrongType, edited(set_at("rows")(4.0)), "^rows: expected an integer, found 4.0"),
    (no.WrongType, edited(set_at("rows")(None)), "^rows: expected an integer, found None"),
    (no.WrongType, edited(set_at("operators")({})), "^operators: expected a list"),
    (no.WrongType, edited(set_at("operators", 0, "kind")(3)), r"^operators\[0\].kind: expected a"),
    (
        no.WrongType,
        edited(set_at("operators", 0, "attributes", "slot")("0")),
        r"^operators\[0\].attributes.slot: expected an integer, found a string",
    ),
    (no.WrongType, edited(set_at("reported", "loss")([])), "^reported.loss: "),
    (
        no.NumberOutOfRange,
        edited(set_at("operators", 1, "attributes", "slot")(2**63)),
        r"^operators\[1\].attributes.slot: an integer of 64 bits",
    ),
    (no.UnknownDtype, edited(set_at("slots", 0, "dtype")("f64")), r"^slots\[0\].dtype: type 'f64'"),
    (no.DuplicateKey, DATA[:-1] + b',"rows":4}', "key 'rows' appears twice"),
    (
        no.DuplicateKey,
        DATA.replace(b'"source":"', b'"source":"","source":"', 1),
        r"^operators\[4\]: key 'source' appears twice",
    ),
    (no.NotCanonical, DATA + b"\n", "differs from the canonical form at byte"),
    (no.NotCanonical, DATA.replace(b'"rows":4', b'"rows": 4'), "differs"),
    (no.NotCanonical, DATA.replace(b'"name":"x"', b'"name":"\\u0078"'), "at byte"),
    (no.NotCanonical, edited(set_at("operators", 0, "inputs")([])), "differs"),
    (no.NotCanonical, edited(set_at("operators", 0, "source")("")), "differs"),
    (no.NotCanonical, edited(set_at("operators", 4, "inputs", 1, "view", "offset")(0)), "differs"),
    (no.NotCanonical, DATA.replace(b'"producer":0', b'"producer":-0', 1), "differs"),
    # Well-formed files of programs that validation refuses.
    (no.NotTopological, edited(set_at("operators", 4, "inputs", 0, "producer")(4)), "operator 4"),
    (no.NotTopological, edited(set_at("operators", 4, "inputs", 0, "producer")(9)), "operator 4"),
    (no.UnknownKind, edited(set_at("operators", 4, "kind")("exec")), "'exec'"),
    (no.InvalidName, edited(set_at("slots", 0, "name")("\ud800")), r"\\ud800"),
    (no.ViewOutOfBounds, edited(set_at(*STRIDES)([1, 4])), "operator 6"),
]


@pytest.mark.parametrize(
    ("rejection", "data", "message"),
    CASES,
    ids=lambda v: "" if isinstance(v, bytes) else getattr(v, "__name__", v),
)
def test_decode_program__malformed__names_the_place(
    rejection: type[no.InvalidProgram], data: bytes, message: str
) -> None:
    with pytest.raises(rejection, match=message) as caught:
        decode_program(data)
    assert type(caught.value) is rejection
    str(caught.value).encode()  # can be shown, whatever the file holds


def test_decode_program__every_rejection_of_a_file__has_a_case() -> None:
    declared = {
        item
        for item in vars(no).values()
        if isinstance(item, type) and issubclass(item, no.MalformedFile)
    }
    assert declared - {no.MalformedFile} <= {case[0] for case in CASES}


def test_decode_program__deepest_place_of_the_format__is_within_the_limit() -> None:
    view = json.loads(DATA)["operators"][6]["inputs"][0]["view"]
    assert view["strides"] == [1, 3]  # document, list, operator, list, input, view, strides
    assert DEPTH_MAX == 7


def test_encode_program__larger_than_a_file_may_be__is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("protocol.program_file.FILE_BYTES_MAX", len(DATA))
    assert encode_program(make_program()) == DATA
    monkeypatch.setattr("protocol.program_file.FILE_BYTES_MAX", len(DATA) - 1)
    with pytest.raises(no.FileTooLarge):
        encode_program(make_program())


# --- Fuzz -----------------------------------------------------------------------------------------


def decode_or_refuse(data: bytes, met: Counter[str]) -> Program | None:
    """A valid program, or None where it is refused; anything else fails the test."""
    try:
        program = decode_program(data)
    except no.InvalidProgram as rejection:
        met[type(rejection).__name__] += 1
        return None
    met["accepted"] += 1
    validate(program)
    assert encode_program(program) == data
    return program


def test_decode_program__mutated_bytes__are_refused_or_valid() -> None:
    met: Counter[str] = Counter()
    pieces = [b"[", b"]", b"{", b"}", b",", b'"', b"-", b"0", b"9", b"1e9", b"true", b"\\u"]

    @settings(max_examples=300)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        mutated = bytearray(DATA)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(mutated) - 1))
            length = data.draw(st.integers(0, 3))
            mutated[at : at + length] = data.draw(st.sampled_from(pieces) | st.binary(max_size=3))
        decode_or_refuse(bytes(mutated), met)

    check()
    assert met["NotJson"] + met["FileTooDeep"] >= 20 and len(met) >= 4, met


NUMBERS = st.sampled_from(
    [0, 1, 2, 3, 4, 6, 7, 12, -1, -2, 15, 24, 25, 2**16, 2**31 - 1, 2**31, 2**32, 2**62]
)


def collect_numbers(document: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document that holds a number."""
    if not isinstance(document, dict | list):
        return []
    items = document.items() if isinstance(document, dict) else enumerate(document)
    found = []
    for key, value in list(items):
        found += [(document, key)] if isinstance(value, int) else collect_numbers(value)
    return found


def drop_defaults(document: Any) -> None:
    """Keep a mutated document canonical: a view's offset of 0 is left out."""
    for operator in document["operators"]:
        for item in operator.get("inputs", []):
            if item["view"].get("offset") == 0:
                del item["view"]["offset"]


def test_decode_program__mutated_numbers__accepted_programs_run_and_encode() -> None:
    """What validation accepts, the specification executes and the ABI encodes."""
    met: Counter[str] = Counter()

    @settings(max_examples=600)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        document = json.loads(DATA)
        for item in document["operators"]:
            for one in item.get("inputs", []):
                one["view"].setdefault("offset", 0)
        places = collect_numbers(document)
        for _ in range(data.draw(st.integers(1, 2))):
            container, key = places[data.draw(st.integers(0, len(places) - 1))]
            container[key] = data.draw(NUMBERS)
        drop_defaults(document)
        program = decode_or_refuse(dump(document), met)
        if program is None:
            return
        for instruction in (i for m in program.microcode for i in m):
            wanted = encode([INSTRUCTION_TYPE], [to_abi(instruction)])
            assert encode_instruction(instruction) == wanted
        if validate(program).peak_bytes < 2**20:
            met["executed"] += 1
            dataset = make_dataset(program, records=1)
            batch = compute_batch(program, dataset, Seed(bytes(32)), StepIndex(0))
            outputs = execute_step(program, make_state(program), batch)
            for output, instructions in zip(outputs, program.microcode):
                assert output.shape == instructions[-1].shape
                assert output.dtype == instructions[-1].dtype.numpy
                assert not np.isnan(output).any()

    check()
    assert met["executed"] >= 30 and len(met) >= 10, met
