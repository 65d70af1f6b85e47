"""Settings that every test shares: the same examples in every run, on every machine."""

import os
import shutil

import offchain  # noqa: F401  sets how PyTorch's threads wait, before PyTorch is loaded

# isort: split
import ape
import pytest
import torch
from hypothesis import HealthCheck, settings

# Without a GPU, Triton's kernels run in its interpreter. It is chosen before Triton is imported,
# which parts of PyTorch do.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# derandomize: examples follow from the test's source alone, so a failure can be repeated.
# deadline: the first call compiles contracts, and machines differ.
_COMMON = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("default", parent=_COMMON, max_examples=100)
settings.register_profile("quick", parent=_COMMON, max_examples=10)
settings.register_profile("thorough", parent=_COMMON, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    """A home of its own for ape: processes that write one list of nodes garble it, for good."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    folder = config.rootpath / ".pytest_cache" / f"ape-{worker}"
    shutil.rmtree(folder, ignore_errors=True)
    ape.config.DATA_FOLDER = folder
    os.environ["APE_DATA_FOLDER"] = str(folder)  # for what tests start
