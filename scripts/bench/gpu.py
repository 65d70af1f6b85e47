"""Training steps of GPT-2's shapes on a GPU, beside bf16 autocast and eager float32.

`python -m scripts.bench.gpu` prints the table; it needs a CUDA device. With `--programs FOLDER
--capture` it only captures the programs, on any machine; with `--programs FOLDER` it reads them.
Model-FLOPs utilisation is (6 N + 12 L T d) FLOPs per token (N parameters, L layers, T context, d
channels: the counting of PaLM, Chowdhery et al. 2022, appendix B) over the step's time, as a share
of the device's dense bf16 peak.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from examples.gpt import Config, build
from offchain.capture.policy import apply_policy, get_policy
from offchain.runner.commitments import compute_state_root
from offchain.runner.plan import get_device
from protocol.program_file import decode_program, encode_program
from protocol.types import StepIndex
from scripts.bench.goals import note
from scripts.bench.steps import Prepared, capture_program, prepare

VOCABULARY = 50_304  # GPT-2's, rounded up to a multiple of 128
HEAD_CHANNELS = 64
# (layers, channels, context, rows): 124M and 1.3B parameters.
SHAPES = {"124M": (12, 768, 1024, 8), "1.3B": (24, 2048, 1024, 2)}
POLICIES = ("float32", "tf32", "int8")
GOALS = {"float32": 2.5, "tf32": 2.0, "int8": 1.0}
REPETITIONS = 10
PEAK_BF16 = {  # dense, FLOPs per second, from the makers' data sheets
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
}


@dataclass(frozen=True)
class GpuFigure:
    """Seconds of a step, medians."""

    shape: str
    policy: str
    crux: float
    autocast: float
    eager: float
    utilisation: float | None
    commit_bytes_per_second: float


def _time(action: Callable[[int], None], device: torch.device) -> float:
    times = []
    for step in range(REPETITIONS + 3):
        start = time.perf_counter()
        action(step)
        torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[3:])


def _get_peak(device: torch.device) -> float | None:
    name = torch.cuda.get_device_name(device)
    return next((peak for key, peak in PEAK_BF16.items() if key in name), None)


def _time_pytorch(
    config: Config, rows: int, device: torch.device, has_autocast: bool
) -> tuple[float, int]:
    """(seconds of a step, parameters)."""
    model, optimizer = build(config)
    model.to(device)
    shape = (rows, config.context + 1)
    tokens = torch.randint(VOCABULARY, shape, device=device)

    def step(_: int) -> None:
        with (
            torch.autocast("cuda", torch.bfloat16, enabled=has_autocast),
            sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]),
        ):
            loss = model(tokens)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return _time(step, device), sum(p.numel() for p in model.parameters())


def _get_path(folder: Path, shape: str, policy: str) -> Path:
    return folder / f"{shape}-{policy}.json"


def write_programs(folder: Path, shapes: Sequence[str]) -> None:
    """Capture the programs on a machine whose time is cheaper than a GPU's."""
    for shape in shapes:
        layers, channels, context, rows = SHAPES[shape]
        config = Config(VOCABULARY, context, layers, channels // HEAD_CHANNELS, channels)
        program = capture_program(config, rows, POLICIES[0])
        for policy in POLICIES:
            operators = list(program.operators)
            loss = program.reported["loss"]
            chosen = tuple(apply_policy(operators, loss, get_policy(policy)))
            data = encode_program(replace(program, operators=chosen))
            _get_path(folder, shape, policy).write_bytes(data)


def _prepare(shape: str, policy: str, device: torch.device, folder: Path | None) -> Prepared:
    size = SHAPES[shape]
    heads = size[1] // HEAD_CHANNELS
    program = None
    if folder is not None:
        program = decode_program(_get_path(folder, shape, policy).read_bytes())
    return prepare(size, policy, device, None, heads, VOCABULARY, program)


def _time_crux(prepared: Prepared, device: torch.device) -> tuple[float, float]:
    """(seconds of a step, bytes of state committed per second)."""
    stepper, state = prepared.stepper, prepared.state

    def step(number: int) -> None:
        nonlocal state
        state, _ = stepper.run_step(state, StepIndex(number), is_donated=True)

    seconds = _time(step, device)
    held = sum(tensor.numel() * tensor.element_size() for tensor in state)
    start = time.perf_counter()
    compute_state_root(state)
    return seconds, held / (time.perf_counter() - start)


def measure_gpu(device_name: str = "cuda", programs: Path | None = None) -> list[GpuFigure]:
    """All shapes and policies, of programs in a folder or captured here.

    Raises UnknownDevice where there is no device.
    """
    device = get_device(device_name)
    peak = _get_peak(device)
    figures = []
    for name, (layers, channels, context, rows) in SHAPES.items():
        config = Config(VOCABULARY, context, layers, channels // HEAD_CHANNELS, channels)
        autocast, parameters = _time_pytorch(config, rows, device, has_autocast=True)
        eager, _ = _time_pytorch(config, rows, device, has_autocast=False)
        per_token = 6 * parameters + 12 * layers * context * channels
        for policy in POLICIES:
            prepared = _prepare(name, policy, device, programs)
            seconds, speed = _time_crux(prepared, device)
            share = per_token * rows * context / seconds / peak if peak else None
            figures.append(GpuFigure(name, policy, seconds, autocast, eager, share, speed))
    return figures


def format_table(figures: list[GpuFigure]) -> str:
    """Markdown."""
    lines = [
        "| shape | policy | Crux ms | of bf16 autocast | of eager float32 | utilisation "
        "| commitment GB/s |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for f in figures:
        share = "unknown peak" if f.utilisation is None else f"{f.utilisation:.1%}"
        lines.append(
            f"| {f.shape} | `{f.policy}` | {f.crux * 1e3:.1f} | {f.crux / f.autocast:.2f} "
            f"| {f.crux / f.eager:.2f} | {share} | {f.commit_bytes_per_second / 1e9:.1f} |"
        )
    return "\n".join(lines)


def measure_profile(device_name: str = "cuda", programs: Path | None = None) -> str:
    """Where a step of the 124M shape goes, by kernel: a table of PyTorch's profiler."""
    device = get_device(device_name)
    prepared = _prepare("124M", "tf32", device, programs)
    stepper, state = prepared.stepper, prepared.state
    for step in range(3):
        state, _ = stepper.run_step(state, StepIndex(step), is_donated=True)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        state, _ = stepper.run_step(state, StepIndex(3), is_donated=True)
        torch.cuda.synchronize(device)
    table = profile.key_averages().table(sort_by="cuda_time_total", row_limit=20)
    return f"```\n{table}\n```"


def measure_table(device: str, programs: Path | None = None) -> str:
    """Markdown."""
    figures = measure_gpu(device, programs)
    for f in figures:
        note(
            f"step, {f.shape}, `{f.policy}`, of bf16",
            f.crux / f.autocast,
            GOALS[f.policy],
            unit="x",
        )
        if f.shape == "1.3B" and f.policy == "tf32" and f.utilisation is not None:
            what = "utilisation, 1.3B, `tf32`"
            note(what, 100 * f.utilisation, 25.0, is_least=True, unit="%")
    return f"{format_table(figures)}\n\n{measure_profile(device, programs)}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=Path, help="folder of programs captured before")
    parser.add_argument("--capture", nargs="*", choices=SHAPES, help="write these there, no more")
    arguments = parser.parse_args()
    if arguments.capture is None:
        print(measure_table("cuda", arguments.programs))
    else:
        write_programs(arguments.programs or Path(), arguments.capture or tuple(SHAPES))
