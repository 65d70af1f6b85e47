"""What a row of the table is made of."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Entry:
    """A model to be tried: `build` gives a module whose call with a batch gives the loss."""

    name: str
    package: str
    build: Callable[[], nn.Module]
    make_batch: Callable[[torch.Generator], Batch]
    rate: float = 1e-3  # AdamW's
    is_random: bool = False  # draws noise in every step, so losses need not agree closely


def make_images(classes: int, size: int, channels: int, rows: int) -> Callable[..., Batch]:
    """Noise around one pattern per class, and the class."""
    patterns = torch.randn(
        classes, channels, size, size, generator=torch.Generator().manual_seed(7)
    )

    def make(generator: torch.Generator) -> Batch:
        labels = torch.randint(0, classes, (rows, 1), generator=generator)
        noise = torch.randn(rows, channels, size, size, generator=generator)
        return {"x": patterns[labels[:, 0]] + 0.5 * noise, "y": labels}

    return make


def make_tokens(vocabulary: int, length: int, rows: int) -> Callable[..., Batch]:
    """Sequences in which the next token follows from the one before, with some noise."""

    def make(generator: torch.Generator) -> Batch:
        tokens = torch.randint(3, vocabulary, (rows, length), generator=generator)
        for position in range(1, length):
            follows = (tokens[:, position - 1] * 5 + 7) % (vocabulary - 3) + 3
            keep = torch.rand(rows, generator=generator) < 0.8
            tokens[:, position] = torch.where(keep, follows, tokens[:, position])
        return {"tokens": tokens}

    return make
