"""Text as a dataset: bytes, characters or tokens become numbers, a record is a window of them.

Files of any size are read piece by piece: a pass that counts the characters, a pass that numbers
them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from offchain.data.columns import Data, build_data, collect
from offchain.data.errors import UnusableData, import_optional
from protocol.execution import Dataset
from protocol.types import Array

SUFFIXES = (".py", ".txt", ".md", ".rst")  # what is read of a folder
RARE = 10  # a character that occurs less often is shown as UNKNOWN
UNKNOWN = "?"
FIELD = "tokens"
BYTES, CHARACTERS = "bytes", "characters"  # the alternative is a tokenizer's file
PIECE_CHARACTERS = 2**22  # = 4 million: read at once
CODE_POINTS = 0x110000
TOKENIZER_BYTES_MAX = 2**27  # = 128 MiB
TOKENIZER_SUFFIX = ".tokenizer.json"


class UnusableText(UnusableData):
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


def find_texts(source: Path) -> list[Path]:
    """A file, or all text files of a folder in order of their names. Raises `UnusableText`."""
    if source.is_dir():
        return sorted(p for p in source.iterdir() if p.is_file() and p.suffix in SUFFIXES)
    if source.is_file():
        return [source]
    raise UnusableText(f"data {source}: no such file or folder")


def read_text(source: Path, characters: int | None = None) -> Text:
    """The text of a file or folder in the alphabet of its own characters. Raises `UnusableText`."""
    counts: Counter[str] = Counter()
    for piece in _read_pieces(source, characters):
        counts.update(piece)
    if not counts:
        raise UnusableText(f"data {source}: no text in it")
    return _number(counts, _read_pieces(source, characters))


def compute_text(text: str) -> Text:
    """The text in the alphabet of its own characters."""
    return _number(Counter(text), [text])


def _number(counts: Counter[str], pieces: Iterable[str]) -> Text:
    alphabet = "".join(sorted({c for c in counts if counts[c] >= RARE} | {UNKNOWN}))
    numbers = np.full(CODE_POINTS, alphabet.index(UNKNOWN), np.int32)
    numbers[[ord(c) for c in alphabet]] = np.arange(len(alphabet), dtype=np.int32)
    codes = (
        np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32) for piece in pieces
    )
    return Text(alphabet, collect((numbers[code] for code in codes), np.int32))


def _read_pieces(source: Path, characters: int | None = None) -> Iterator[str]:
    """The text piece by piece; what is not UTF-8 shows as U+FFFD. Raises `UnusableText`."""
    left = characters
    for path in find_texts(source):
        with _reported(path), open(path, encoding="utf-8", errors="replace") as file:
            while piece := file.read(min(PIECE_CHARACTERS, left or PIECE_CHARACTERS)):
                if "\0" in piece:
                    raise UnusableText(f"data {path}: not a text; tokenizer `bytes` takes any file")
                yield piece
                if left is not None and (left := left - len(piece)) == 0:
                    return


def _read_blocks(path: Path) -> Iterator[bytes]:
    with _reported(path), open(path, "rb") as file:
        while block := file.read(PIECE_CHARACTERS):
            yield block


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnusableText(f"data {path}: {error.strerror}") from error


def read_text_data(source: Path, tokenizer: str, characters: int | None, window: int) -> Data:
    """Windows over the text; `tokenizer` is `bytes`, `characters` or a file of `tokenizers`.

    Raises `UnusableData`.
    """
    files: dict[str, bytes] = {}
    if tokenizer == CHARACTERS:
        text = read_text(source, characters)
        tokens, vocabulary, notes = text.tokens, len(text.alphabet), {"alphabet": text.alphabet}
    elif tokenizer == BYTES:
        paths = find_texts(source)
        blocks = (np.frombuffer(b, np.uint8) for path in paths for b in _read_blocks(path))
        tokens, vocabulary, notes = collect(blocks, np.int32), 256, {"tokenizer": BYTES}
        tokens = tokens[:characters]
    else:
        content = _read_tokenizer(Path(tokenizer))
        package = import_optional("tokenizers", "tokenizers", f"tokenizer {tokenizer}")
        try:
            encoder = package.Tokenizer.from_str(content.decode())
        except Exception as error:  # the package raises no class of its own
            raise UnusableText(f"tokenizer {tokenizer}: {error}") from error
        pieces = (encoder.encode(t, add_special_tokens=False).ids for t in _read_lines(source))
        tokens = collect((np.array(ids, np.int32) for ids in pieces), np.int32)[:characters]
        vocabulary = encoder.get_vocab_size()
        notes = {"tokenizer": sha256(content).hexdigest()}
        files = {TOKENIZER_SUFFIX: content}
    if len(tokens) <= window:
        raise UnusableText(
            f"data {source}: {len(tokens)} tokens, a window of {window + 1} does not fit"
        )
    known = {"vocabulary": vocabulary, "context": window}
    return build_data({FIELD: tokens}, source, window, known=known, notes=notes, files=files)


def _read_tokenizer(path: Path) -> bytes:
    if not path.is_file():
        raise UnusableText(
            f"tokenizer {path}: no such file; expected {BYTES}, {CHARACTERS} or a tokenizer.json"
        )
    if path.stat().st_size > TOKENIZER_BYTES_MAX:
        raise UnusableText(f"tokenizer {path}: {path.stat().st_size} bytes, too large for one")
    return path.read_bytes()


def _read_lines(source: Path) -> Iterator[str]:
    """The text in pieces that end with a line, so that no word is cut."""
    rest = ""
    for piece in _read_pieces(source):
        text = rest + piece
        cut = text.rfind("\n") + 1 or len(text)
        yield text[:cut]
        rest = text[cut:]
    yield rest


def get_windows(tokens: Array, window: int, count: int) -> Array:
    """`count` windows of window + 1 tokens, spread evenly: [count, window + 1]."""
    starts = np.linspace(0, len(tokens) - window - 1, count).astype(int)
    return np.stack([tokens[start : start + window + 1] for start in starts])
