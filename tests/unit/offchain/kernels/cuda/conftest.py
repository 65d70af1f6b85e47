"""Kernels for CUDA devices, in Triton's interpreter where there is none (tests/conftest.py)."""

import pytest

pytest.importorskip("triton")
