"""The numeric settings that Crux kernels run under: set here, restored in `finally`, nowhere else.

No setting may change a bit of a result (that is what the arithmetic is made for); these keep
PyTorch from leaving exact arithmetic: TF32 and reduced-precision products, flushed subnormals.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def numeric_settings(threads: int | None = None) -> Iterator[None]:
    """Run a block under the kernels' settings, on `threads` CPU threads if given."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (
        torch.get_float32_matmul_precision(),
        matmul.allow_fp16_reduced_precision_reduction,
        matmul.allow_bf16_reduced_precision_reduction,
        cudnn.allow_tf32,
        torch.get_num_threads(),
    )
    try:
        torch.set_float32_matmul_precision("highest")
        matmul.allow_fp16_reduced_precision_reduction = False
        matmul.allow_bf16_reduced_precision_reduction = False
        cudnn.allow_tf32 = False
        torch.set_flush_denormal(False)
        if threads is not None:
            torch.set_num_threads(threads)
        with torch.no_grad():
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        matmul.allow_fp16_reduced_precision_reduction = before[1]
        matmul.allow_bf16_reduced_precision_reduction = before[2]
        cudnn.allow_tf32 = before[3]
        torch.set_num_threads(before[4])
