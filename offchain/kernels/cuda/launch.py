"""Whether Triton's kernels can run, and how all of them are compiled."""

import linecache
import os
from collections.abc import Sequence
from typing import Any

import torch

try:
    import triton
except ImportError:  # not made for this platform
    triton = None

# Neither contracted nor flushed: every operation rounds by itself, subnormals are numbers.
OPTIONS = {"enable_fp_fusion": False, "enable_reflect_ftz": False}


def is_interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, on tensors of the CPU. For tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def is_available(device: torch.device) -> bool:
    """Whether kernels run on a device's tensors."""
    return triton is not None and (device.type == "cuda" or is_interpreted())


def compile_source(name: str, source: str, varying: Sequence[str] = ()) -> Any:
    """The kernel of that name in generated source; Triton reads the source again.

    It is not compiled again for other values of the arguments that are named as varying.
    """
    file = f"<crux {name} {hash(source):x}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope: dict[str, Any] = {}
    exec(compile(source, file, "exec"), scope)
    return triton.jit(scope[name], do_not_specialize=list(varying))
