"""PyTorch's own OpenMP threads, for compiled code: they are awake sooner than Python's.

A region costs about 5 us where Python's thread pool costs 35, and a training step has hundreds.
Used on x86 with GNU's OpenMP, which PyTorch's wheels bring along; elsewhere `threads` does without.
"""

import ctypes
import os
import platform
import struct
from collections.abc import Sequence
from functools import cache

import torch  # noqa: F401  loads OpenMP

NUMBER, COUNT = "omp_get_thread_num", "omp_get_num_threads"
_START = "GOMP_parallel"

_forked = False


def _leave() -> None:
    """In a child of a fork the threads are gone, and waiting for them would last for ever."""
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)


@cache
def _get_library() -> ctypes.CDLL | None:
    if platform.machine() not in ("x86_64", "AMD64"):
        return None
    for name in (None, "libgomp.so.1"):
        try:
            library = ctypes.CDLL(name)
            if all(hasattr(library, symbol) for symbol in (_START, NUMBER, COUNT)):
                library.GOMP_parallel.argtypes = [
                    ctypes.c_void_p,
                    ctypes.c_char_p,
                    ctypes.c_uint,
                    ctypes.c_uint,
                ]
                library.GOMP_parallel.restype = None
                return library
        except OSError:
            continue
    return None


@cache
def get_symbols() -> dict[str, int]:
    """Addresses of what compiled code calls; nothing where there is no such library."""
    library = _get_library()
    if library is None:
        return {}
    return {
        name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
        for name in (NUMBER, COUNT)
    }


def is_usable() -> bool:
    """Whether regions can be started here."""
    return not _forked and _get_library() is not None


def run(entry: int, calls: Sequence[tuple[int, ...]]) -> None:
    """Call an entry (see `llvm`) with the arguments of all calls, on a thread each."""
    library = _get_library()
    assert library is not None
    words = [word for arguments in calls for word in arguments]
    table = struct.pack(f"{len(words) + 1}q", len(calls), *words)
    library.GOMP_parallel(entry, table, len(calls), 0)
