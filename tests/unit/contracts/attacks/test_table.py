"""docs/attacks.md names tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[3]
TABLE = TESTS.parent / "docs" / "attacks.md"


def find_file(name: str) -> Path | None:
    folders = (TESTS, TESTS / "unit" / "contracts")
    return next((f for f in (folder / f"{name}.py" for folder in folders) if f.exists()), None)


def test_table__every_test_that_it_names__exists() -> None:
    named = re.findall(r"`([\w/]+)::(\w+)`", TABLE.read_text(encoding="utf-8"))
    missing = []
    for name, test in named:
        file = find_file(name)
        if file is None or f"def {test}(" not in file.read_text(encoding="utf-8"):
            missing.append(f"{name}::{test}")
    assert missing == []
    assert len(named) > 100


def test_table__every_attack__names_a_test() -> None:
    rows = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    attacks = [row for row in rows if not row.startswith("| attack |")]
    assert [row for row in attacks if "::" not in row] == []
    # Five columns: attack, by, why it fails, test, remains.
    assert {row.count(" |") for row in attacks} == {5}
    assert len(attacks) > 50
