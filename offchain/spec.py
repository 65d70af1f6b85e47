"""The file between `crux compile` and `crux submit`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from offchain.store.files import write_atomically
from protocol.json_text import loads_bounded
from protocol.types import Root

SPEC_BYTES_MAX = 2**20  # = 1 MiB


class BadSpec(ValueError):
    """The file is none that `crux compile` writes."""


@dataclass(frozen=True)
class Spec:
    """What `crux compile` writes and `crux submit` reads."""

    program_root: Root
    genesis_root: Root
    dataset_root: Root
    records: int

    def build_trial(self, segments: int, segment_length: int) -> "Trial":
        """So many segments of so many steps."""
        roots = (self.program_root, self.genesis_root, self.dataset_root)
        return Trial(*roots, self.records, segments, segment_length)


@dataclass(frozen=True)
class Trial:
    """Terms of a run that no chain knows."""

    program_root: Root
    genesis_root: Root
    dataset_root: Root
    records: int
    segments: int
    segment_length: int


def write_spec(path: Path, spec: Spec, notes: dict[str, Any]) -> None:
    """Write the file; `notes` are for people and for sampling, nothing depends on them."""
    document = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in asdict(spec).items()
    }
    text = json.dumps({**document, "notes": notes}, indent=2) + "\n"
    write_atomically(path, lambda partial: partial.write_text(text))


def read_spec(path: Path) -> Spec:
    """Read the file. Raises `BadSpec`."""
    if not path.is_file():
        raise BadSpec(f"{path}: no such file; `crux compile` writes it")
    if (size := path.stat().st_size) > SPEC_BYTES_MAX:
        raise BadSpec(f"{path}: {size} bytes, at most {SPEC_BYTES_MAX} are expected")
    try:
        content = loads_bounded(path.read_bytes())
        roots = [bytes.fromhex(content[f"{n}_root"]) for n in ("program", "genesis", "dataset")]
        records = content["records"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadSpec(f"{path}: not written by `crux compile`: {error}") from error
    if any(len(root) != 32 for root in roots) or type(records) is not int:
        raise BadSpec(f"{path}: not written by `crux compile`")
    return Spec(Root(roots[0]), Root(roots[1]), Root(roots[2]), records)
