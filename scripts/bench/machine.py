"""What machine a figure was measured on."""

import datetime
import os
import platform
from pathlib import Path

import torch


def _get_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def describe_machine(device: str) -> str:
    """Date, processor, cores, what else it is doing, library and, where there is one, the GPU."""
    parts = [
        datetime.date.today().isoformat(),
        f"{_get_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        f"torch {torch.__version__.split('+')[0]}, {torch.backends.cpu.get_cpu_capability()}",
    ]
    if device == "cuda":
        parts.append(torch.cuda.get_device_name())
    return "; ".join(parts)
