"""Batch assembly on the device: the host only computes which records a step reads."""

import torch
from torch import Tensor

from offchain.kernels.reading import to_torch
from protocol.execution import Dataset
from protocol.program import Program
from protocol.sampler import compute_record
from protocol.types import Seed, StepIndex


class DatasetMismatch(ValueError):
    """The dataset's fields are not those of the program."""


class Batches:
    """A dataset on a device, and the rows of any step."""

    def __init__(
        self,
        program: Program,
        dataset: Dataset,
        seed: Seed,
        device: torch.device,
        rows: range | None = None,
    ):
        """`rows` are those of a batch that are wanted; all by default."""
        if len(dataset.fields) != len(program.fields):
            raise DatasetMismatch(
                f"dataset: {len(dataset.fields)} fields, the program reads {len(program.fields)}"
            )
        self.program, self.records, self.seed, self.device = program, dataset.records, seed, device
        self.rows = rows if rows is not None else range(program.rows)
        self._windows = []
        for field, data in zip(program.fields, dataset.fields):
            length = field.compute_length(dataset.records)
            if data.dtype != field.dtype.numpy or data.size < length:
                raise DatasetMismatch(
                    f"dataset field {field.name!r}: {data.size} elements of {data.dtype}, "
                    f"{dataset.records} records need {length} of {field.dtype.name}"
                )
            flat = to_torch(data.reshape(-1), device)
            shape, strides = (dataset.records, field.size), (field.stride, 1)
            self._windows.append(torch.as_strided(flat, shape, strides))

    def get_records(self, step: StepIndex) -> list[int]:
        """The records that the step's rows show."""
        return [compute_record(self.seed, step, row, self.records) for row in self.rows]

    def compute(self, step: StepIndex) -> tuple[Tensor, ...]:
        """The step's rows of every field: [rows, *record shape]."""
        return self.gather(self.get_records(step))

    def gather(self, records: list[int]) -> tuple[Tensor, ...]:
        """Rows showing the given records."""
        chosen = torch.tensor(records, device=self.device)
        return tuple(
            windows[chosen].reshape(len(records), *field.shape)
            for field, windows in zip(self.program.fields, self._windows)
        )
