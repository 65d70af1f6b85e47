"""Capture: a PyTorch module and optimiser become a program, on the submitter's machine."""

from offchain.capture.capture import Captured, FieldSpec, capture
from offchain.capture.errors import (
    AccumulatorTooSmall,
    CaptureError,
    MalformedLoss,
    SlotNameTaken,
    UnevenBatch,
    UnknownPolicy,
    UnsupportedDtype,
    UnsupportedOperator,
    UnsupportedOptimizer,
)

__all__ = [
    "AccumulatorTooSmall",
    "CaptureError",
    "Captured",
    "FieldSpec",
    "MalformedLoss",
    "SlotNameTaken",
    "UnevenBatch",
    "UnknownPolicy",
    "UnsupportedDtype",
    "UnsupportedOperator",
    "UnsupportedOptimizer",
    "capture",
]
