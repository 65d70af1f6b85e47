"""Which of the exact paths a machine takes, in words.

Paths that are wrong somewhere are dropped there before their first use: see `vnni.is_available`,
`int8.is_available`, `rounding.is_compiled`, `maxima.is_available` and `cuda.checks`.
"""

import torch

from offchain.kernels import int8, llvm, openmp, sha256, vnni
from offchain.kernels.cuda import checks


def describe_paths(device: torch.device) -> dict[str, str]:
    """What computes what on a device."""
    if device.type == "cuda":
        has_products, has_trees = checks.has_products(device), checks.has_trees(device)
        return {
            "products": "int8 tensor cores" if has_products else "float64",
            "hashing": "the device" if has_trees else "the host",
        }
    products = "float64"
    if vnni.is_available() or int8.is_available():
        units = "VNNI loops" if vnni.is_available() else "torch's int8 products"
        products = (
            f"{units} from {int8.compute_least_products():,} multiplications on, else float64"
        )
    has_loops = llvm.LLVM is not None
    return {
        "products": products,
        "maps, sums": "loops compiled by LLVM" if has_loops else "torch",
        "threads": "OpenMP's" if has_loops and openmp.is_usable() else "Python's",
        "hashing": "compiled" if sha256.get_hash_many() is not None else "hashlib",
    }
