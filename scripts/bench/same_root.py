"""One state root on a CPU and on CUDA, or on several thread counts, after some steps.

`python -m scripts.bench.same_root --devices cpu cuda --size 12 768 1024 1 --steps 50`. A device may
be followed by a number of threads: `cpu:1 cpu:2`. With `--save FILE` the program is captured and
written, no more; with `--program FILE` it is read, so that two machines can be compared: the state
it starts from is the same everywhere.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from examples.gpt import Config
from offchain.runner.commitments import compute_state_root
from offchain.runner.plan import get_device
from protocol.program import Program
from protocol.program_file import decode_program, encode_program
from protocol.types import Root, StepIndex
from scripts.bench.steps import capture_program, prepare

Size = tuple[int, int, int, int]  # layers, channels, context, rows


@dataclass(frozen=True)
class Shape:
    """What else the model has."""

    heads: int = 4
    vocabulary: int = 96


def compute_root(
    device: str,
    size: Size,
    policy: str,
    steps: int,
    shape: Shape = Shape(),
    program: Program | None = None,
) -> Root:
    """Root of the state after the steps, on a device or so many threads of the CPU."""
    name, _, threads = device.partition(":")
    count = int(threads) if name == "cpu" and threads else None
    place = get_device("cpu" if name == "cpu" else device)
    prepared = prepare(size, policy, place, count, shape.heads, shape.vocabulary, program)
    state = prepared.state
    for step in range(steps):
        state, _ = prepared.stepper.run_step(state, StepIndex(step), is_donated=True)
    return compute_state_root(state)


def main() -> int:
    """Print each root; 0 if they are all the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", nargs="+", default=["cpu:1", "cpu:2"])
    parser.add_argument("--size", nargs=4, type=int, default=[2, 64, 64, 8])
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=96)
    parser.add_argument("--policy", default="float32")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--program", type=Path)
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    layers, channels, context, rows = options.size
    shape = Shape(options.heads, options.vocabulary)
    program: Program | None = None
    if options.save is not None:
        config = Config(shape.vocabulary, context, layers, shape.heads, channels)
        program = capture_program(config, rows, options.policy)
        options.save.write_bytes(encode_program(program))
        return 0
    if options.program is not None:
        program = decode_program(options.program.read_bytes())
    roots = set()
    for device in options.devices:
        start = time.perf_counter()
        size = (layers, channels, context, rows)
        root = compute_root(device, size, options.policy, options.steps, shape, program)
        roots.add(root)
        print(f"{device}: {root.hex()} ({time.perf_counter() - start:.1f} s)", flush=True)
    print("the same root" if len(roots) == 1 else "DIFFERENT ROOTS")
    return 0 if len(roots) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
