"""`python -m scripts.campaign`: its exit code, its reproducer, its record."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from scripts.campaign import __main__ as command
from scripts.campaign import elements
from scripts.campaign.record import DOCUMENT, RECORD
from scripts.campaign.referee import Referee


@pytest.fixture
def run(referee: Referee, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The command in a folder of its own, with the tests' chain."""
    monkeypatch.setattr(command, "Referee", lambda: nullcontext(referee))
    monkeypatch.chdir(tmp_path)
    DOCUMENT.parent.mkdir()
    DOCUMENT.write_text("before\n<!-- begin campaign -->\n<!-- end campaign -->\nafter\n")

    def call(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["campaign", *arguments])
        return command.main()

    return call


def test_main__no_mismatch__zero_and_recorded(
    run: Any, referee: Referee, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("--opcode", "CONST", "--opcode", "NOT", "--opcode", "MALFORMED")
    assert run(*names, "--cases", "40", "--seed", "3", "--record") == 0
    record = json.loads(RECORD.read_text())
    assert list(record) == ["NOT", "CONST", "MALFORMED"]
    assert {item["code"] for item in record.values()} == {referee.code}
    assert (record["NOT"]["seeded"], record["NOT"]["elements"]) == (40, 2)
    assert record["CONST"]["elements"] == record["MALFORMED"]["seeded"] == 40
    document = DOCUMENT.read_text()
    assert document.startswith("before") and document.endswith("after\n")
    assert "| NOT | " in document and "| **in all** | " in document
    capsys.readouterr()
    assert run(*names, "--cases", "40", "--seed", "3", "--record") == 0
    assert capsys.readouterr().out.count("recorded on") == 3


def test_main__more_cases_or_another_seed__run_again(
    run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for cases, seed in (("40", "3"), ("60", "3"), ("60", "4")):
        assert run("--opcode", "NOT", "--cases", cases, "--seed", seed, "--record") == 0
    assert "recorded on" not in capsys.readouterr().out


def test_main__not_asked_to_record__leaves_no_file(run: Any) -> None:
    assert run("--opcode", "NOT", "--cases", "5") == 0
    assert not RECORD.exists()


def test_main__mismatch__one_with_the_reproducer(
    run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(elements, "compute_map", lambda *case: 7)
    assert run("--opcode", "NOT", "--opcode", "ADD", "--cases", "5", "--record") == 1
    printed = capsys.readouterr().out
    assert printed.startswith("NOT: contract and protocol differ, seed 7\nNOT: compute_map(Opcode.")
    assert list(json.loads(RECORD.read_text())) == ["NOT"]
    assert json.loads(RECORD.read_text())["NOT"]["mismatches"] == 1
