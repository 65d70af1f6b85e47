"""Several processes under torchrun, on this machine alone."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS_MAX = 300  # of a run; whoever takes longer waits for somebody who will not come


def run_processes(count: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m ARGUMENTS` in so many processes, which meet on a free port of 127.0.0.1."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count)]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    command += ["--local-addr", "127.0.0.1", "-m", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    # On a time limit the launcher is stopped, and stops its processes.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            output, errors = process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.terminate()
            output, errors = process.communicate()
            raise AssertionError(f"{arguments}: took too long\n{output}\n{errors}") from None
    return subprocess.CompletedProcess(command, process.returncode, output, errors)
