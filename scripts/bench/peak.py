"""Peak memory of some work: in a process of its own, over what it held when the work began."""

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
KIBIBYTE = 2**10


def run_fresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result, from a new process that has loaded nothing else."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise RuntimeError(f"{function.__name__} failed; see above") from None
    finally:
        process.join()


def _send(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    sender.send(function(*arguments))


def _read(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * KIBIBYTE


def measure_peak(work: Callable[[], object]) -> int:
    """Bytes above those in use before; Linux only."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # what others left is not the work's
    if trim is not None:
        trim(0)
    before = _read("VmRSS")
    RESET.write_text("5")  # the high-water mark starts anew
    work()
    return _read("VmHWM") - before
