"""What every source of the contracts begins with, and is written in."""

import pytest

from tests.economy import CONTRACTS

SOURCES = sorted(
    path.relative_to(CONTRACTS).as_posix()
    for path in CONTRACTS.rglob("*.vy*")
    if path.suffix in (".vy", ".vyi")
)


@pytest.mark.parametrize("name", SOURCES)
def test_source__pinned_compiler_and_ascii(name):
    """Explorers and auditors see the bytes: no character may look like another one."""
    text = (CONTRACTS / name).read_bytes()
    assert text.isascii()
    pragmas = [line for line in text.decode().splitlines() if line.startswith("# pragma ")]
    assert pragmas[0] == "# pragma version ==0.4.3"
    reentrancy = [pragma for pragma in pragmas if pragma.startswith("# pragma nonreentrancy")]
    assert len(reentrancy) == (0 if name.endswith(".vyi") else 1)
