"""The record of what was compared: docs/verification.json, and the table in verification.md."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from protocol.instructions import Opcode
from scripts.bench.document import replace_section

MALFORMED = "MALFORMED"
NAMES = (*Opcode.__members__, MALFORMED)  # of what is compared, in the order of the table
RECORD = Path("docs/verification.json")
DOCUMENT = Path("docs/verification.md")


@dataclass(frozen=True)
class Entry:
    """One run: of an instruction, or of malformed calls."""

    date: str
    code: str  # the first 16 digits of the SHA-256 of MapUnit's and StepVerifier's runtime code
    seed: int
    edges: int
    seeded: int
    elements: int
    mismatches: int
    seconds: int


def read_entries(record: Path = RECORD) -> dict[str, Entry]:
    """What is recorded, by name."""
    if not record.exists():
        return {}
    return {name: Entry(**item) for name, item in json.loads(record.read_text()).items()}


def write_entry(name: str, entry: Entry, record: Path = RECORD, document: Path = DOCUMENT) -> None:
    """Add or replace one, in the record and in the document's table."""
    entries = read_entries(record) | {name: entry}
    entries = {key: entries[key] for key in NAMES if key in entries}
    items = {key: asdict(value) for key, value in entries.items()}
    record.write_text(json.dumps(items, indent=2) + "\n")
    replace_section(document, "campaign", format_table(entries))


def format_table(entries: dict[str, Entry]) -> str:
    """Markdown."""
    lines = [
        "| what | date | contracts | seed | edges | seeded | elements | mismatches | seconds |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, entry in entries.items():
        lines.append(
            f"| {name} | {entry.date} | `{entry.code}` | {entry.seed} | {entry.edges:,} "
            f"| {entry.seeded:,} | {entry.elements:,} | {entry.mismatches} | {entry.seconds:,} |"
        )
    total = sum(entry.edges + entry.seeded + entry.elements for entry in entries.values())
    wrong = sum(entry.mismatches for entry in entries.values())
    seconds = sum(entry.seconds for entry in entries.values())
    return "\n".join(
        [*lines, f"| **in all** | | | | **{total:,}** | | | **{wrong}** | **{seconds:,}** |"]
    )
