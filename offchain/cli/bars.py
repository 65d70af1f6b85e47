"""Progress on the terminal: a bar for whatever takes long, nothing where nobody looks."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
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
