"""From a module, its data and a recipe to a task: what `crux compile` does, for Python too.

data = read_data(Path("train.npz"))
task = compile_task(build, data, optim="adamw(lr=1e-3)", rows=32)
task.save(Store("store"), Path("task.json"))
"""

import copy
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from offchain.builders import (
    BadBuilder,
    Builder,
    call_builder,
    connect,
    describe,
    seeded,
    wire,
)
from offchain.capture import Captured, capture
from offchain.capture.dtypes import get_dtype
from offchain.capture.errors import UnevenBatch, UnsupportedDtype
from offchain.capture.schedules import Schedule
from offchain.capture.self_check import SelfCheck, check_step, without_dropout
from offchain.data import Data
from offchain.genesis import load_checkpoint
from offchain.layout import compute_layout, encode_layout
from offchain.recipes import BadRecipe, build_optimizer, build_schedule
from offchain.spec import Spec, write_spec
from offchain.store.artifacts import Advance, Store
from offchain.store.bundles import save_bundle
from offchain.store.files import write_atomically
from offchain.store.notes import LAYOUT, put_note
from protocol.sampler import compute_record
from protocol.types import Seed, StepIndex


class SelfCheckFailed(ValueError):
    """The program computes something else than PyTorch."""


class ModuleFails(ValueError):
    """The module does not run on the data, with PyTorch itself."""


@dataclass(frozen=True)
class Task:
    """A captured step, the data it reads, and how well it was checked."""

    captured: Captured
    data: Data
    module: nn.Module  # as it was captured, at genesis
    wiring: str  # which field goes where, in words
    left_out: list[str]  # fields that nothing takes
    check: SelfCheck
    notes: dict[str, Any]

    def save(self, store: Store, path: Path, advance: Advance | None = None) -> Spec:
        """Store the artifacts, then write the file that `crux submit` reads.

        `advance` is told of the bytes of data that are done. Raises InvalidProgram, InvalidTask,
        StoreError.
        """
        program, dataset = self.captured.program, self.data.dataset
        roots = save_bundle(store, program, self.captured.genesis, dataset, advance)
        layout = compute_layout(self.module, program.slots)
        put_note(store, LAYOUT, roots.program, encode_layout(layout, program.slots))
        for suffix, content in self.data.files.items():
            write_atomically(path.with_suffix(suffix), partial(Path.write_bytes, data=content))
        spec = Spec(roots.program, roots.genesis, roots.dataset, dataset.records)
        write_spec(path, spec, self.notes)
        return spec


def compile_task(
    builder: Builder,
    data: Data,
    *,
    rows: int = 16,
    optim: str | None = None,
    groups: tuple[str, ...] = (),
    schedule: str | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    policy: str = "float32",
    seed: int = 0,
    start: Path | None = None,
    settings: dict[str, float] | None = None,
) -> Task:
    """Build, capture and check one training step; nothing is written.

    `optim`, `groups` and `schedule` are recipes (offchain.recipes); the first is needed where the
    builder returns no optimiser. `start` is a checkpoint to go on from. `seed` is of the initial
    weights and of dropout. Raises BadBuilder, BadRecipe, WrongFields, UnusableCheckpoint,
    ModuleFails, CaptureError.
    """
    with seeded(seed):
        built = call_builder(builder, settings or {}, data.known)
    wiring = wire(built, list(data.fields))
    left_out = [name for name in data.fields if name not in wiring.fields]
    data = data.select(wiring.fields)
    check_dtypes(built.module)
    if start is not None:
        load_checkpoint(built.module, start)
    optimizer = _choose_optimizer(built.module, built.optimizer, optim, groups)
    if schedule is not None and built.schedule is not None:
        raise BadRecipe("schedule: the builder returns one; give it once")
    recipe = None if schedule is None else build_schedule(schedule)
    module = connect(built, wiring)
    loop: dict[str, Any] = {
        "clip_norm": clip_norm,
        "clip_value": clip_value,
        "accumulate": accumulate,
    }
    if rows % accumulate:
        raise UnevenBatch(f"a batch of {rows} rows in {accumulate} parts")
    batch, part = _compute_first_batch(data, rows), rows // accumulate
    try_forward(module, {name: x[:part] for name, x in batch.items()})
    # A label or token that the module has no place for is rarely in the first batch.
    extremes = data.find_extremes()
    for first in range(0, len(extremes), part):
        try_forward(module, _get_rows(data, list(islice(cycle(extremes), first, first + part))))

    def capture_step(module: nn.Module, optimizer: Optimizer) -> Captured:
        return capture(
            module, optimizer, data.fields, rows, policy, seed, recipe or built.schedule, **loop
        )

    captured = capture_step(module, optimizer)
    # A scheduler of torch.optim has set its first rate already.
    rate = 1.0 if recipe is None else _compute_first_factor(recipe)
    check = check_step(module, optimizer, captured, batch, rate=rate, **loop)
    if check.is_random:
        silent = without_dropout(module, optimizer)
        check = check_step(*silent, capture_step(*silent), batch, rate=rate, **loop)
    notes = {**data.notes, **data.known, "policy": policy, "seed": seed, "fields": str(wiring)}
    return Task(captured, data, built.module, str(wiring), left_out, check, notes)


def check_passed(check: SelfCheck) -> None:
    """Raises `SelfCheckFailed`."""
    if not check.is_good:
        name, difference = check.worst
        raise SelfCheckFailed(
            f"self-check: after one step {name or 'nothing'} differs from PyTorch's by "
            f"{difference:.0%} of its step, the loss by {check.loss:.1%}; the program is not what "
            "the module computes"
        )


def check_dtypes(module: nn.Module) -> None:
    """Raises UnsupportedDtype, naming the first tensor that no program can hold."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        try:
            get_dtype(tensor.dtype)
        except UnsupportedDtype as error:
            raise UnsupportedDtype(f"{name}: {error}") from None


def try_forward(module: nn.Module, batch: dict[str, Tensor]) -> None:
    """Run the module as PyTorch does, so that what fails there is told apart.

    Raises `ModuleFails`.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            result = copy.deepcopy(module)(**batch)
        except Exception as error:  # the user's own code
            raise ModuleFails(f"the module fails on the data: {describe(error)}") from error
    if isinstance(result, Tensor) and not bool(result.isfinite().all()):
        raise ModuleFails("the loss is not finite, in PyTorch too; the data or the module has NaN")


def _choose_optimizer(
    module: nn.Module, optimizer: Optimizer | None, recipe: str | None, groups: tuple[str, ...]
) -> Optimizer:
    if optimizer is not None:
        if recipe is not None or groups:
            raise BadRecipe("optimizer: the builder returns one; give it once")
        return optimizer
    if recipe is None:
        raise BadBuilder('no optimizer: return one, or give --optim "adamw(lr=1e-3)"')
    return build_optimizer(recipe, module, groups)


def _compute_first_factor(schedule: Schedule) -> float:
    return float(torch.as_tensor(schedule(torch.zeros(()))))


def _compute_first_batch(data: Data, rows: int) -> dict[str, Tensor]:
    """Of a run whose sampler has the seed 0."""
    seed, step = Seed(bytes(32)), StepIndex(0)
    records = [compute_record(seed, step, row, data.dataset.records) for row in range(rows)]
    return _get_rows(data, records)


def _get_rows(data: Data, records: list[int]) -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(data.get_rows(name, records)).to(spec.dtype)
        for name, spec in data.fields.items()
    }
