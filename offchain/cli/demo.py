"""`crux demo`."""

import shutil
import time
from pathlib import Path

import click

from offchain.cli.options import HOME


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=HOME / "demo",
    show_default=True,
    help="Everything of the demo lies here; an earlier demo is replaced.",
)
def demo(folder: Path) -> None:
    """Train a GPT, claim the reward, catch five liars: the main job on a chain of its own."""
    from offchain.demo.play import play

    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARK).exists():
            raise click.UsageError(f"{folder}: exists and is no folder of an earlier demo")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text(f"{time.time():.0f}\n")
    report = play(folder)
    click.echo(f"the report is in {report}")


MARK = "crux-demo"  # a file that says whose the folder is: nothing else is ever removed
