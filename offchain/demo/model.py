"""The demo's model and data, and plain PyTorch beside it."""

import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from examples.gpt import GPT, Config, build
from offchain.capture import Captured, FieldSpec, capture
from offchain.data.text import Text, get_windows, read_text
from protocol.execution import Dataset, compute_batch
from protocol.program import Program
from protocol.types import Array, Seed, StepIndex

ROWS = 8
CHARACTERS = 400_000
HELD_OUT = 0.1
VALIDATION_WINDOWS = 128
LAYERS = 3
CHANNELS = 96
CONTEXT = 64


@dataclass(frozen=True)
class Lesson:
    """What is to be learned: text, model, program."""

    text: Text
    config: Config
    captured: Captured
    dataset: Dataset
    held_out: Array


def prepare_lesson() -> Lesson:
    """Read the standard library's source and capture the model's training step."""
    text = read_text(Path(sysconfig.get_paths()["stdlib"]), CHARACTERS)
    config = Config(len(text.alphabet), CONTEXT, LAYERS, channels=CHANNELS)
    dataset, held_out = text.split(HELD_OUT, CONTEXT)
    model, optimizer = build(config)
    fields = {"tokens": FieldSpec(torch.int64, (CONTEXT + 1,), stride=1)}
    return Lesson(text, config, capture(model, optimizer, fields, ROWS), dataset, held_out)


def train_in_pytorch(
    lesson: Lesson, program: Program, seed: Seed, steps: int, progress: Callable[[int], None]
) -> GPT:
    """The same model on the same batches, in eager float32."""
    model, optimizer = build(lesson.config)
    for step in range(steps):
        (batch,) = compute_batch(program, lesson.dataset, seed, StepIndex(step))
        loss = model(torch.from_numpy(batch).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress(step + 1)
    return model


def load_weights(lesson: Lesson, path: Path) -> GPT:
    """The original module with the fetched weights."""
    model, _ = build(lesson.config, seed=1)
    model.load_state_dict(load_file(path))
    return model


@torch.no_grad()
def compute_validation_loss(lesson: Lesson, model: GPT) -> float:
    """Mean loss, in nats per character, over text that no step has seen."""
    windows = get_windows(lesson.held_out, lesson.config.context, VALIDATION_WINDOWS)
    return float(model(torch.from_numpy(windows).long()))


def sample_text(lesson: Lesson, model: GPT, prompt: str, count: int) -> str:
    """Text that the model goes on with."""
    tokens: Tensor = torch.tensor([lesson.text.encode(prompt)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return lesson.text.decode(model.generate(tokens, count, temperature=0.8)[0].tolist())
