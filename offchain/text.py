"""Text as a dataset: characters become numbers, a record is a window of them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protocol.execution import Dataset
from protocol.types import Array

SUFFIXES = (".py", ".txt", ".md", ".rst")  # what is read of a folder
RARE = 10  # a character that occurs less often is shown as UNKNOWN
UNKNOWN = "?"


class UnusableText(ValueError):
    """There is no text, or too little of it."""


@dataclass(frozen=True)
class Text:
    """A text's characters as numbers in its alphabet."""

    alphabet: str
    tokens: Array  # [characters] int32

    def encode(self, text: str) -> list[int]:
        """Numbers of a text's characters; those outside the alphabet become UNKNOWN's."""
        return [max(0, self.alphabet.find(c if c in self.alphabet else UNKNOWN)) for c in text]

    def decode(self, tokens: list[int]) -> str:
        """The text of some numbers."""
        return "".join(self.alphabet[token] for token in tokens)

    def split(self, share: float, window: int) -> tuple[Dataset, Array]:
        """(training set of windows of window + 1 characters, tokens held out at the end).

        Raises `UnusableText`.
        """
        kept = int(len(self.tokens) * (1 - share))
        if kept <= window or len(self.tokens) - kept <= window:
            raise UnusableText(
                f"text: {len(self.tokens)} characters, windows of {window + 1} need "
                f"{int((window + 2) / max(share, 1e-9))}"
            )
        return Dataset((self.tokens[:kept],), kept - window), self.tokens[kept:]


def read_text(source: Path, characters: int | None = None) -> Text:
    """A file, or all text files of a folder in order of their names. Raises `UnusableText`."""
    if source.is_dir():
        paths = sorted(p for p in source.iterdir() if p.is_file() and p.suffix in SUFFIXES)
    elif source.is_file():
        paths = [source]
    else:
        raise UnusableText(f"data {source}: no such file or folder")
    parts: list[str] = []
    total = 0
    for path in paths:
        try:
            parts.append(path.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise UnusableText(f"data {path}: {error.strerror}") from error
        total += len(parts[-1])
        if characters is not None and total >= characters:
            break
    text = "".join(parts)[:characters]
    if not text:
        raise UnusableText(f"data {source}: no text in it")
    return compute_text(text)


def compute_text(text: str) -> Text:
    """The text in the alphabet of its own characters."""
    counts = Counter(text)
    alphabet = "".join(sorted({c for c in counts if counts[c] >= RARE} | {UNKNOWN}))
    number = {c: i for i, c in enumerate(alphabet)}
    unknown = number[UNKNOWN]
    tokens = np.fromiter((number.get(c, unknown) for c in text), dtype=np.int32, count=len(text))
    return Text(alphabet, tokens)


def get_windows(tokens: Array, window: int, count: int) -> Array:
    """`count` windows of window + 1 tokens, spread evenly: [count, window + 1]."""
    starts = np.linspace(0, len(tokens) - window - 1, count).astype(int)
    return np.stack([tokens[start : start + window + 1] for start in starts])
