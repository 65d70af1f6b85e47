"""One row: capture, train beside float32 PyTorch on the same batches, compare bits over paths."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version

import torch
from torch import Tensor

from offchain.capture import Captured, CaptureError, FieldSpec, capture
from offchain.kernels import int8
from offchain.kernels.instructions import execute_microcode
from offchain.kernels.maps import canonicalize
from offchain.kernels.memory import Outside
from offchain.kernels.operators import Inputs
from offchain.kernels.reading import to_torch
from offchain.kernels.settings import numeric_settings
from offchain.runner.plan import Plan, Substitute
from protocol.program import Program
from protocol.rejections import InvalidProgram
from protocol.validation import validate
from scripts.zoo.entry import Batch, Entry

BATCHES = 4  # different ones, taken in turn
PORTABLE_STEPS = 5  # which take several times as long
NUDGE, NUDGES = 1e-7, 4  # about the last bit of a float32
DIFFERENCE_MAX = 0.01  # of the loss after all steps, for a row that counts as agreeing


@dataclass(frozen=True)
class Row:
    """What became of an entry; `failure` is the exact refusal, or what went wrong."""

    name: str
    package: str
    operators: int = 0
    instructions: int = 0
    parameters: int = 0
    first_loss: float = 0.0
    loss: float = 0.0  # after all steps
    expected: float = 0.0  # PyTorch's
    same_bits: bool = False  # with one thread and with two
    same_portable: bool = False  # by the kernels' fastest and by their portable path
    is_random: bool = False
    failure: str = ""

    @property
    def difference(self) -> float:
        """Relative, of the loss after all steps."""
        return abs(self.loss - self.expected) / max(abs(self.expected), 1e-12)


def capture_entry(entry: Entry, batch: Batch) -> tuple[torch.nn.Module, Captured]:
    """The module and its program with AdamW. Raises CaptureError or InvalidProgram."""
    torch.manual_seed(0)
    module = entry.build().train()
    fields = {
        name: FieldSpec(x.dtype, tuple(x.shape[1:]), max(1, x[0].numel()))
        for name, x in batch.items()
    }
    rows = next(iter(batch.values())).shape[0]
    captured = capture(module, _make_optimizer(entry, module), fields, rows)
    validate(captured.program)
    return module, captured


def _make_optimizer(entry: Entry, module: torch.nn.Module) -> torch.optim.Optimizer:
    trained = [p for p in module.parameters() if p.requires_grad]
    # Adam divides a gradient by its own size; a larger epsilon keeps noise near zero small.
    return torch.optim.AdamW(trained, lr=entry.rate, eps=1e-5)


@contextmanager
def _int8_of_any_size() -> Iterator[None]:
    """Products go through the int8 units however small they are, where the CPU has them."""
    usual, int8.PRODUCTS_MIN = int8.PRODUCTS_MIN, 0
    try:
        yield
    finally:
        int8.PRODUCTS_MIN = usual


def _make_portable(program: Program) -> dict[int, Substitute]:
    """Every operator by its microcode, one instruction after the other: no kernel that does
    several, float64 products, no unit that a machine may lack."""

    def execute(operator: int, inputs: Inputs, outside: Outside) -> Tensor:
        code = program.microcode[operator]
        return execute_microcode(code, inputs, outside, torch.device("cpu"))[-1]

    return dict.fromkeys(range(len(program.operators)), execute)


def _run(
    captured: Captured, batches: list[Batch], threads: int, portable: bool = False
) -> tuple[list[float], bytes]:
    """Losses of the steps, and the state after them."""
    losses: list[float] = []
    substitutes = _make_portable(captured.program) if portable else None
    with numeric_settings(threads):
        plan = Plan(captured.program, torch.device("cpu"))
        state: tuple[Tensor, ...] = tuple(to_torch(array) for array in captured.genesis)
        for batch in batches:
            fields = tuple(
                x if x.dtype is torch.float32 else x.to(torch.int32) for x in batch.values()
            )
            state, reported = plan.execute(state, fields, substitutes)
            losses.append(float(reported["loss"]))
        final = [canonicalize(t) if t.dtype is torch.float32 else t for t in state]
    return losses, b"".join(t.contiguous().numpy().tobytes() for t in final)


def _train(entry: Entry, module: torch.nn.Module, batches: list[Batch]) -> list[float]:
    """PyTorch's own losses."""
    optimizer, losses = _make_optimizer(entry, module), []
    for batch in batches:
        optimizer.zero_grad()
        loss = module(**batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _measure_spread(
    entry: Entry, module: torch.nn.Module, batches: list[Batch], expected: float
) -> float:
    """How far PyTorch's own loss moves, relatively, where weights change by a last bit."""
    losses = []
    for seed in range(NUDGES):
        generator = torch.Generator().manual_seed(seed)
        nudged = copy.deepcopy(module)
        with torch.no_grad():
            for p in nudged.parameters():
                p *= 1 + NUDGE * torch.randn(p.shape, generator=generator)
        losses.append(_train(entry, nudged, batches)[-1])
    return max(abs(loss - expected) for loss in losses) / abs(expected)


def measure(entry: Entry, steps: int) -> Row:
    """The entry's row."""
    generator = torch.Generator().manual_seed(1)
    different = [entry.make_batch(generator) for _ in range(BATCHES)]
    package = f"{entry.package} {version(entry.package)}"
    try:
        module, captured = capture_entry(entry, different[0])
    except (CaptureError, InvalidProgram) as error:
        failure = f"{type(error).__name__}: {error}"
        return Row(entry.name, package, failure=failure)
    batches = [different[step % BATCHES] for step in range(steps)]
    losses, state = _run(captured, batches, threads=1)
    _, again = _run(captured, batches, threads=2)
    with _int8_of_any_size():
        _, fastest = _run(captured, batches[:PORTABLE_STEPS], threads=1)
    _, portable = _run(captured, batches[:PORTABLE_STEPS], threads=1, portable=True)
    expected = _train(entry, copy.deepcopy(module), batches)
    program = captured.program
    row = Row(
        entry.name,
        package,
        len(program.operators),
        sum(map(len, program.microcode)),
        sum(p.numel() for p in module.parameters()),
        losses[0],
        losses[-1],
        expected[-1],
        state == again,
        fastest == portable,
        entry.is_random,
    )
    if not (row.same_bits and row.same_portable):
        return replace(row, failure="bits differ")
    if not entry.is_random and row.difference > DIFFERENCE_MAX:
        spread = _measure_spread(entry, module, batches, row.expected)
        failure = (
            f"loss differs by {row.difference:.2%}; PyTorch's own by up to {spread:.0%} where its "
            f"first weights change by {NUDGE:.0e} of themselves"
        )
        return replace(row, failure=failure)
    return row
