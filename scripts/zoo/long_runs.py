"""Some hundred steps on real data, beside float32 PyTorch on the same batches, and what was learnt.

The text is the source of Python's own library, the images are scikit-learn's handwritten digits.
"""

import copy
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
import transformers
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import LinearLR, LRScheduler

from offchain.capture import FieldSpec, capture
from offchain.data.text import read_text
from offchain.runner.step import Stepper, to_device
from protocol.execution import Dataset, compute_batch
from protocol.types import Seed, StepIndex
from scripts.zoo.entry import Batch
from scripts.zoo.pretrained import Image, Language, without_dropout

SEED = Seed(bytes(range(32)))
CHARACTERS, CONTEXT, WINDOWS = 400_000, 32, 256
CLASSES, ENLARGED = 10, 2  # digits have 8 x 8 pixels; the network halves an image three times
LOSS_DIFFERENCE_MAX = 0.003  # relative
ACCURACY_DIFFERENCE_MAX = 0.005
LAST_RATE = 0.01  # of the first


@dataclass(frozen=True)
class LongRun:
    """What is trained on what, and how its result is measured on data held out."""

    name: str
    figure: str  # "loss" or "accuracy"
    build: Callable[[], nn.Module]
    dataset: Dataset
    fields: dict[str, FieldSpec]
    held_out: Batch
    rows: int
    steps: int
    rate: float


@dataclass(frozen=True)
class Outcome:
    """A long run's figures: before training, after it, and PyTorch's after it."""

    run: LongRun
    untrained: float
    reached: float
    expected: float
    seconds: float  # of the steps

    @property
    def is_close(self) -> bool:
        """Whether Crux has learnt what PyTorch has."""
        difference = abs(self.reached - self.expected)
        if self.run.figure == "loss":
            return difference <= LOSS_DIFFERENCE_MAX * self.expected
        return difference <= ACCURACY_DIFFERENCE_MAX


def _build_gpt2(vocabulary: int) -> nn.Module:
    config = transformers.GPT2Config(
        vocab_size=vocabulary, n_positions=CONTEXT, n_embd=64, n_layer=2, n_head=4,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return Language(transformers.GPT2LMHeadModel(without_dropout(config)))


def make_gpt2() -> LongRun:
    """A language model over characters."""
    text = read_text(Path(sysconfig.get_paths()["stdlib"]), CHARACTERS)
    dataset, rest = text.split(0.1, CONTEXT - 1)
    windows = rest[: WINDOWS * CONTEXT].reshape(WINDOWS, CONTEXT).astype(np.int64)
    return LongRun(
        "GPT-2 on the standard library's source",
        "loss",
        lambda: _build_gpt2(len(text.alphabet)),
        dataset,
        {"tokens": FieldSpec(torch.int64, (CONTEXT,), stride=1)},
        {"tokens": torch.from_numpy(windows)},
        rows=8,
        steps=400,
        rate=1e-3,
    )


def _build_resnet() -> nn.Module:
    config = transformers.ResNetConfig(
        num_channels=1, embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1],
        layer_type="basic", num_labels=CLASSES,
    )  # fmt: skip
    return Image(transformers.ResNetForImageClassification(config))


def make_resnet() -> LongRun:
    """A residual network with batch normalisation; every fifth image is held out."""
    digits = load_digits()
    images = np.kron(digits.images / 16, np.ones((1, ENLARGED, ENLARGED))).astype(np.float32)
    labels, held_out = digits.target.astype(np.int32), np.arange(len(images)) % 5 == 4
    size = images.shape[-1]
    dataset = Dataset((images[~held_out].reshape(-1), labels[~held_out]), int((~held_out).sum()))
    return LongRun(
        "ResNet on handwritten digits",
        "accuracy",
        _build_resnet,
        dataset,
        {
            "x": FieldSpec(torch.float32, (1, size, size), size**2),
            "y": FieldSpec(torch.int64, (1,), 1),
        },
        {
            "x": torch.from_numpy(images[held_out])[:, None],
            "y": torch.from_numpy(labels[held_out].astype(np.int64))[:, None],
        },
        rows=64,
        steps=300,
        rate=1e-3,
    )


RUNS = (make_gpt2, make_resnet)


def evaluate(run: LongRun, module: nn.Module) -> float:
    """The run's figure on the data held out."""
    module = copy.deepcopy(module).eval()
    with torch.no_grad():
        if run.figure == "loss":
            return float(module(**run.held_out))
        scores = module.model(pixel_values=run.held_out["x"]).logits
        return float((scores.argmax(-1) == run.held_out["y"][:, 0]).double().mean())


def _make_optimizer(run: LongRun, module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.parameters(), lr=run.rate, eps=1e-5)


def _make_schedule(run: LongRun, optimizer: torch.optim.Optimizer) -> LRScheduler:
    # At a constant rate the result of the last steps is chance: one part in a million of the first
    # weights changes PyTorch's own accuracy by points.
    return LinearLR(optimizer, 1.0, LAST_RATE, run.steps)


def _train(run: LongRun, module: nn.Module) -> nn.Module:
    """A copy of the module, trained by its captured program."""
    optimizer = _make_optimizer(run, module)
    schedule = _make_schedule(run, optimizer)
    captured = capture(module, optimizer, run.fields, run.rows, schedule=schedule)
    program = captured.program
    stepper = Stepper(program, run.dataset, SEED)
    state = to_device(program, captured.genesis, stepper.device)
    for step in range(run.steps):
        state, _ = stepper.run_step(state, StepIndex(step))
    trained, named = copy.deepcopy(module), {}
    for slot, value in zip(program.slots, state):
        named[slot.name] = value
    with torch.no_grad():
        for name, tensor in (*trained.named_parameters(), *trained.named_buffers()):
            if name in named:
                tensor.copy_(named[name].reshape(tensor.shape))
    return trained


def _train_plainly(run: LongRun, module: nn.Module) -> nn.Module:
    """A copy of the module, trained by PyTorch on the same batches."""
    module = copy.deepcopy(module)
    optimizer = _make_optimizer(run, module)
    program = capture(module, optimizer, run.fields, run.rows).program
    schedule = _make_schedule(run, optimizer)
    for step in range(run.steps):
        rows = compute_batch(program, run.dataset, SEED, StepIndex(step))
        batch = {
            name: torch.from_numpy(x).to(spec.dtype)
            for (name, spec), x in zip(run.fields.items(), rows)
        }
        optimizer.zero_grad()
        module(**batch).backward()
        optimizer.step()
        schedule.step()
    return module


def train_both(run: LongRun) -> Outcome:
    """The run by Crux and by PyTorch."""
    torch.manual_seed(0)
    module = run.build().train()
    started = perf_counter()
    trained = _train(run, module)
    seconds = perf_counter() - started
    plain = _train_plainly(run, module)
    return Outcome(
        run,
        evaluate(run, module),
        evaluate(run, trained),
        evaluate(run, plain),
        seconds,
    )
