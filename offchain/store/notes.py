"""What somebody says about an artifact, kept beside it under its root.

A note is not hashed into anything: whoever can write to the store can change it. It may be shown
and may name things; nothing that has to be right may depend on it.
"""

from offchain.store.artifacts import Store
from protocol.types import Root

LAYOUT = "layout"  # of a program: how its slots make up the module's state_dict
CURVE = "curve"  # of a claim: the worker's losses and times

NOTE_BYTES_MAX = 2**25  # = 32 MiB: a line for each of SLOTS_MAX names


def put_note(store: Store, kind: str, root: Root, content: bytes) -> None:
    """Keep a note about what has that root. Raises StoreUnavailable."""
    store.files.write(_get_key(kind, root), [content])


def get_note(store: Store, kind: str, root: Root) -> bytes:
    """The note, whoever wrote it. Raises ArtifactMissing, ArtifactTooLarge, StoreUnavailable."""
    return b"".join(store.files.read_blocks(_get_key(kind, root), 0, NOTE_BYTES_MAX))


def _get_key(kind: str, root: Root) -> str:
    return f"notes/{root.hex()}.{kind}"
