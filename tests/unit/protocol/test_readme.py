"""The specification's reading guide: its examples run, its tables are the code's."""

import doctest
from pathlib import Path

import protocol
from protocol.instructions import Opcode

FOLDER = Path(protocol.__file__).parent
README = FOLDER / "README.md"


def test_readme__worked_example__runs_as_printed() -> None:
    result = doctest.testfile(str(README), module_relative=False, raise_on_error=False)
    assert result.attempted > 30
    assert result.failed == 0


def test_readme__order_of_reading__names_every_file() -> None:
    text = README.read_text(encoding="utf-8")
    names = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert {name for name in names if f"`{name}`" not in text} == set()
    assert len(names) > 20


def test_readme__abi_types__are_those_of_the_docstrings() -> None:
    """The documented words of a descriptor are as many as the encoding has."""
    text = README.read_text(encoding="utf-8")
    for name in ("header", "slot", "field", "operator", "instruction", "operand"):
        assert f"| {name} | `(" in text
    for word in ("uint64[8] shape", "int64[4] attributes", "operand[3] operands"):
        assert word in text
    assert max(Opcode) < 2**8
