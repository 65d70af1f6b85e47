"""Slices of one kernel's work, all at the same time."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch

from offchain.kernels import openmp
from offchain.kernels.llvm import Function

Slice = tuple[int, ...]  # a kernel's arguments


@cache
def _get_pool(threads: int) -> ThreadPoolExecutor:
    # A thread takes over how its creator treats subnormals; none may flush them.
    return ThreadPoolExecutor(threads, initializer=torch.set_flush_denormal, initargs=(False,))


if hasattr(os, "register_at_fork"):  # a child does not inherit threads
    os.register_at_fork(after_in_child=_get_pool.cache_clear)


def run_slices(function: Function | Callable[..., None], slices: Sequence[Slice]) -> None:
    """Call the function with each slice's arguments; returns when all have returned."""
    if len(slices) == 1:
        function(*slices[0])
        return
    if isinstance(function, Function) and function.entry is not None and openmp.is_usable():
        openmp.run(function.entry, slices)
        return
    pool = _get_pool(len(slices) - 1)
    waiting = [pool.submit(function, *arguments) for arguments in slices[1:]]
    function(*slices[0])
    for future in waiting:
        future.result()
