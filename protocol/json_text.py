"""JSON from outside: refused before a parser recurses into it.

`json.loads` counts on Python's recursion limit, which any imported library may raise beyond what
the machine's stack holds (py_ecc does); 60,000 brackets then end the process.
"""

import json
import re
from collections.abc import Callable
from typing import Any

# Possessive, and the closing quote optional, so that no text is scanned twice.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_INNERMOST = re.compile(rb"\[\]|\{\}")

DEPTH_MAX = 32  # levels of objects and lists in one another

Pairs = list[tuple[str, Any]]


class TooDeep(ValueError):
    """Objects and lists in one another deeper than the format has them."""


def loads_bounded(
    data: bytes,
    depth_max: int = DEPTH_MAX,
    object_pairs_hook: Callable[[Pairs], Any] | None = None,
    encoding: str = "utf-8",
) -> Any:
    """What `json.loads` makes of a text. Raises TooDeep, or ValueError where it is no JSON."""
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKETS)
    for _ in range(depth_max):
        brackets = _INNERMOST.sub(b"", brackets)
    if brackets:
        raise TooDeep(f"nested deeper than {depth_max} levels, or brackets that do not match")
    return json.loads(data.decode(encoding), object_pairs_hook=object_pairs_hook)
