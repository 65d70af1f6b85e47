"""JSON from outside ends in a value or an error, never with the process."""

import subprocess
import sys

import pytest

from protocol.json_text import DEPTH_MAX, TooDeep, loads_bounded


@pytest.mark.parametrize(
    "text", ['{"a": [1, {"b": null}]}', '"[[[["', r'["\"[[{", "]]\\"]', "[]", "3", '{"größe": 1}']
)
def test_loads_bounded__json__is_read(text: str) -> None:
    value = loads_bounded(text.encode(), 3)
    assert value is not None
    assert loads_bounded(text.encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "[[[[]]]]",
        '{"a": {"b": [[]]}}',
        '["]]]]", [[[]]]]',  # closing brackets in a string close nothing
        r'["\"", [[[]]]]',
        "[" * 60_000,
        '[{"a":' * 60_000,
        '"\\"' * 60_000 + "[" * 60_000,
        "[}",
    ],
)
def test_loads_bounded__deep__is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        loads_bounded(text.encode(), 3)


def test_loads_bounded__limit__is_exact() -> None:
    text = "[" * DEPTH_MAX + "]" * DEPTH_MAX
    assert loads_bounded(text.encode())
    with pytest.raises(TooDeep, match="deeper than 32 levels"):
        loads_bounded(f"[{text}]".encode())


@pytest.mark.parametrize("data", [b"", b"{", b"nul", b"\xff", b'"abc', b'"abc\\', b"[] []"])
def test_loads_bounded__malformed__is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        loads_bounded(data)


def test_loads_bounded__recursion_limit_raised_by_a_library__the_process_lives() -> None:
    code = (
        "import sys; sys.setrecursionlimit(10**6)\n"
        "from protocol.json_text import TooDeep, loads_bounded\n"
        "try: loads_bounded(b'[' * 10**6)\n"
        "except TooDeep: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
