"""One store per test, on both kinds of filesystem: local (atomic renames) and remote."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from offchain.store.artifacts import Store


@pytest.fixture(params=["local", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "local":
        yield Store(str(tmp_path / "store"))
        return
    yield Store("memory://store")
    fsspec.filesystem("memory").store.clear()


def corrupt(store: Store, key: str, data: bytes) -> None:
    """Put other bytes under a key, as a dishonest or damaged store would."""
    store.files.write(key, [data])
