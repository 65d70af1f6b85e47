"""Progress on the terminal: a bar for whatever takes long, nothing where nobody looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from offchain.runner.training import Progress, Reported


@contextmanager
def show_steps(title: str) -> Iterator[Progress]:
    """A bar over the steps of a run, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        bar = bars.add_task(title, total=None, visible=False)

        def advance(done: int, steps: int, reported: Reported) -> None:
            scalars = "  ".join(f"{name} {value:.4f}" for name, value in reported.items())
            bars.update(
                bar,
                completed=done,
                total=steps,
                visible=done < steps,
                description=f"{title}  {scalars}",
            )

        yield advance


@contextmanager
def show_bytes(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar over bytes; what it gives is told of each further number of them."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Bars(*columns, TimeRemainingColumn(), **_get_place()) as bars:
        bar = bars.add_task(title, total=total)
        yield lambda done: bars.advance(bar, done)


@contextmanager
def show_count(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar over things that are counted; it shows once there is one."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeRemainingColumn(), **_get_place()) as bars:
        bar = bars.add_task(title, total=None, visible=False)
        yield lambda done, total: bars.update(bar, completed=done, total=total, visible=True)


def _get_place() -> dict[str, Any]:
    """Standard error, where somebody looks; the bar leaves nothing behind."""
    console = Console(stderr=True)
    return {"console": console, "transient": True, "disable": not console.is_terminal}
