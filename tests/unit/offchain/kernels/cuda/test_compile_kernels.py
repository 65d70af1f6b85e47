"""The kernels pass Triton's compiler for an H100, whatever machine this is."""

import os
import subprocess
import sys
from pathlib import Path


def test_compile_kernels__for_an_h100__all_pass(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    module = "tests.unit.offchain.kernels.cuda.compile_kernels"
    done = subprocess.run(
        [sys.executable, "-m", module], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    compiled = {line.split()[0] for line in done.stdout.splitlines()}
    assert compiled == {
        "_find_largest",
        "_multiply",
        "_quantize_held",
        "_quantize_part",
        "chain",
        "rows",
        "tree",
    }
