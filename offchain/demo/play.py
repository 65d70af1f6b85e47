"""The whole demo in order."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from offchain.agents.faults import build_lies
from offchain.chain.registry import Role
from offchain.demo import acts, model, report
from offchain.demo.town import Town, found_town
from offchain.runner.training import Reported
from offchain.store.bundles import save_bundle
from protocol.validation import validate

STEPS, SEGMENTS = 200, 8
SHORT_STEPS, SHORT_SEGMENTS = 16, 4
AUDIT_SEGMENTS, AUDIT_SEGMENT_LENGTH = 5, 3
LIE_STEP = 9
SILENT_AFTER = 12  # moves: the liar that skips steps stops answering there
WIDTH = 110


def play(folder: Path, console: Console | None = None) -> Path:
    """Everything, in a folder of its own; returns the report's path.

    Raises `DemoFailed`, ChainError.
    """
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    screen = console or Console()
    paper = Console(record=True, width=WIDTH, file=(folder / "report.txt").open("w"))
    phases: list[tuple[str, float]] = []

    def show(function: Callable[..., None], *arguments: object) -> None:
        for place in (screen, paper):
            function(place, *arguments)

    with ExitStack() as stack:
        bars = stack.enter_context(_bars(screen))
        with _phase(phases, "chain and contracts"), bars.step("a chain and the contracts"):
            town = stack.enter_context(found_town(folder))
        _play(town, bars, show, phases)
    for place in (screen, paper):
        place.print(f"{'whole demo':<24} {time.monotonic() - started:6.1f} s")
        for name, seconds in phases:
            place.print(f"  {name:<22} {seconds:6.1f} s")
    paper.save_html(str(folder / "report.html"))
    return folder / "report.html"


def _play(
    town: Town,
    bars: "Bars",
    show: Callable[..., None],
    phases: list[tuple[str, float]],
) -> None:
    for name, roles in acts.PEOPLE.items():
        town.add(name, roles)
    town.add("malicious challenger")
    with _phase(phases, "capture"), bars.step("capture of the model"):
        lesson = model.prepare_lesson()
        program, dataset = lesson.captured.program, lesson.dataset
        roots = save_bundle(town.store, program, lesson.captured.genesis, dataset)
    operations = validate(program).operations
    terms = acts.build_terms(roots, dataset.records, SEGMENTS, STEPS // SEGMENTS, operations)
    show(report.show_submission, lesson, STEPS)

    with _phase(phases, "honest run"), bars.count("honest training", STEPS) as advance:
        honest = acts.run_honest(town, terms, advance)
    with _phase(phases, "PyTorch beside it"), bars.count("the same in PyTorch", STEPS) as advance:
        trained = model.train_in_pytorch(
            lesson, program, terms.seed, STEPS, lambda done: advance(done, STEPS, {})
        )
        fetched = model.load_weights(lesson, honest.weights)
        losses = {
            "Crux": model.compute_validation_loss(lesson, fetched),
            "float32 PyTorch": model.compute_validation_loss(lesson, trained),
        }
        sample = model.sample_text(lesson, fetched, "def ", 240)
    token = town.bank.token
    show(report.show_honest, token, honest, losses, sample)

    audited = replace(terms, segments=AUDIT_SEGMENTS, segment_length=AUDIT_SEGMENT_LENGTH)
    for name in ("auditor", "copying auditor"):
        town.add(name, Role.AUDITOR)
    with _phase(phases, "audit"), bars.count("audited training", None) as advance:
        audit = acts.run_audit(town, audited, advance)
    acts.check_audit(audit)
    show(report.show_audit, token, audit)

    short = replace(terms, segments=SHORT_SEGMENTS, segment_length=SHORT_STEPS // SHORT_SEGMENTS)
    layer = f"blocks.{lesson.config.layers - 1}.mlp.fc.weight"
    lies = build_lies(LIE_STEP, layer, f"optimizer.{layer}.exp_avg", "matmul")
    for number, lie in enumerate(lies, 1):
        if lie.name == "skip":
            lie = replace(lie, silent_after=SILENT_AFTER)
        with _phase(phases, f"lie: {lie.name}"), bars.count(lie.description, None) as advance:
            dispute = acts.run_lie(town, short, lie, advance)
        acts.check_dispute(dispute, worker_wins=False)
        show(report.show_dispute, token, f"4.{number}", dispute, program)
    with _phase(phases, "malicious challenger"), bars.count("malice", None) as advance:
        dispute = acts.run_malice(town, short, advance)
    acts.check_dispute(dispute, worker_wins=True)
    show(report.show_dispute, token, "5.", dispute, program)


class Bars:
    """Progress bars, one for each part."""

    def __init__(self, progress: Progress):
        self._progress = progress

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A part whose length is not known."""
        bar = self._progress.add_task(title, total=None)
        try:
            yield
        finally:
            self._progress.remove_task(bar)

    @contextmanager
    def count(
        self, title: str, total: int | None
    ) -> Iterator[Callable[[int, int, Reported], None]]:
        """A part that counts its steps."""
        bar = self._progress.add_task(title, total=total)

        def advance(done: int, steps: int, reported: Reported) -> None:
            self._progress.update(bar, completed=done, total=steps)

        try:
            yield advance
        finally:
            self._progress.remove_task(bar)


@contextmanager
def _bars(console: Console) -> Iterator[Bars]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress)


@contextmanager
def _phase(phases: list[tuple[str, float]], name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    phases.append((name, time.monotonic() - started))
