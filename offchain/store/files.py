"""Named byte strings on any filesystem that fsspec knows; local writes are atomic.

Nothing here trusts what it reads: sizes are asked for before anything is read, and
`offchain.store.artifacts` re-hashes every byte before it is used.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import fsspec

from offchain.store.errors import (
    ArtifactMissing,
    ArtifactTooLarge,
    ArtifactTruncated,
    StoreError,
    StoreUnavailable,
    UnusableStore,
)

BLOCK_BYTES = 2**23  # = 8 MiB: one request to an object store


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, make it durable, then give it its name.

    A reader sees the old file or the whole new one, whenever the machine stops.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    os.close(descriptor)
    try:
        write(Path(name))
        with open(name, "rb") as file:
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and a rename is durable
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Turn failures of a filesystem into StoreError.

    Every failure: object stores raise classes of their own clients.
    """
    try:
        yield
    except StoreError:
        raise
    except FileNotFoundError as error:
        raise ArtifactMissing(f"{what}: not there") from error
    except Exception as error:
        raise StoreUnavailable(f"{what}: {type(error).__name__}: {error}") from error


class Files:
    """Byte strings under one URL: a local folder, or s3, gcs, ipfs, memory ... by scheme."""

    def __init__(self, url: str):
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise UnusableStore(f"store {url}: {error}") from error
        protocols = self._fs.protocol
        self._is_local = "file" in ([protocols] if isinstance(protocols, str) else protocols)
        self.url = url

    def _get_path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"

    def exists(self, key: str) -> bool:
        """Whether something is stored under the key."""
        with reported(key):
            return bool(self._fs.exists(self._get_path(key)))

    def write(self, key: str, blocks: Iterable[bytes | memoryview]) -> None:
        """Store bytes under a key, replacing what is there. Raises StoreUnavailable."""

        def fill(file: IO[bytes]) -> None:
            for block in blocks:
                file.write(block)

        def fill_path(path: Path) -> None:
            with open(path, "wb") as file:
                fill(file)

        path = self._get_path(key)
        with reported(key):
            if self._is_local:
                write_atomically(Path(path), fill_path)
                return
            self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            with self._fs.open(path, "wb") as file:
                fill(file)

    def get_size(self, key: str) -> int:
        """Bytes under a key. Raises ArtifactMissing, StoreUnavailable."""
        with reported(key):
            return int(self._fs.info(self._get_path(key))["size"] or 0)

    def read_blocks(self, key: str, low: int, high: int) -> Iterator[bytes]:
        """The bytes under a key, block by block, if there are `low` to `high` of them.

        Raises ArtifactMissing, ArtifactTruncated, ArtifactTooLarge, StoreUnavailable. The size is
        checked before the first byte is read and again while reading: a store may lie about it.
        """
        self._check_size(key, self.get_size(key), low, high)
        total = 0
        with reported(key), self._fs.open(self._get_path(key), "rb") as file:
            while block := file.read(BLOCK_BYTES):
                total += len(block)
                if total > high:
                    break
                yield block
        self._check_size(key, total, low, high)

    @staticmethod
    def _check_size(key: str, size: int, low: int, high: int) -> None:
        if size < low:
            raise ArtifactTruncated(f"{key}: {size} bytes, expected at least {low}")
        if size > high:
            raise ArtifactTooLarge(f"{key}: {size} bytes, limit {high}")
