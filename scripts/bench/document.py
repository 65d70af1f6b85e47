"""Documents whose tables are measured: each stands between two comments that name it."""

import re
from pathlib import Path


def replace_section(document: Path, name: str, body: str) -> None:
    """Replace the text between the section's two comments."""
    pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    replaced, count = pattern.subn(lambda m: f"{m[1]}{body}\n{m[2]}", document.read_text())
    if count != 1:
        raise SystemExit(f"{document}: section {name!r} stands there {count} times, expected once")
    document.write_text(replaced)
