"""One state root on a CPU and on CUDA, or on several thread counts, after some steps.

`python -m scripts.bench.same_root --devices cpu cuda --size 12 768 1024 1 --steps 50`. A device may
be followed by a number of threads: `cpu:1 cpu:2`.
"""

import argparse
import sys
import time

from offchain.runner.commitments import compute_state_root
from offchain.runner.plan import get_device
from protocol.types import Root, StepIndex
from scripts.bench.steps import prepare


def compute_root(device: str, size: tuple[int, int, int, int], policy: str, steps: int) -> Root:
    """Root of the state after the steps, on a device or so many threads of the CPU."""
    name, _, threads = device.partition(":")
    count = int(threads) if name == "cpu" and threads else None
    prepared = prepare(size, policy, get_device("cpu" if name == "cpu" else device), count)
    state = prepared.state
    for step in range(steps):
        state, _ = prepared.stepper.run_step(state, StepIndex(step), is_donated=True)
    return compute_state_root(state)


def main() -> int:
    """Print each root; 0 if they are all the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", nargs="+", default=["cpu:1", "cpu:2"])
    parser.add_argument("--size", nargs=4, type=int, default=[2, 64, 64, 8])
    parser.add_argument("--policy", default="float32")
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    layers, channels, context, rows = options.size
    roots = set()
    for device in options.devices:
        start = time.perf_counter()
        size = (layers, channels, context, rows)
        root = compute_root(device, size, options.policy, options.steps)
        roots.add(root)
        print(f"{device}: {root.hex()} ({time.perf_counter() - start:.1f} s)", flush=True)
    print("the same root" if len(roots) == 1 else "DIFFERENT ROOTS")
    return 0 if len(roots) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
