"""The example model learns by Crux as it does by float32 PyTorch: same seed, same batches."""

import sysconfig
from pathlib import Path

import numpy as np
import torch

from examples.gpt import Config, build
from offchain.capture.capture import FieldSpec, capture
from offchain.runner.step import Stepper, to_device
from protocol.execution import Dataset, compute_batch
from protocol.types import Seed, StepIndex

STEPS = 300
ROWS = 8
CONTEXT = 32
LAYERS, CHANNELS = 2, 64
CHARACTERS = 400_000
VALIDATION_RECORDS = 256
TOLERANCE = 0.002  # of the validation loss
SEED = Seed(bytes(range(32)))


def _read_text() -> tuple[np.ndarray, int]:
    """Bytes of the standard library's source, renumbered, and how many kinds there are."""
    library = Path(sysconfig.get_paths()["stdlib"])
    data = b"".join(path.read_bytes() for path in sorted(library.glob("*.py")))[:CHARACTERS]
    kinds, tokens = np.unique(np.frombuffer(data, dtype=np.uint8), return_inverse=True)
    return tokens.astype(np.int32), len(kinds)


def test_training__300_steps__learns_like_pytorch():
    tokens, vocabulary = _read_text()
    split = len(tokens) * 9 // 10
    dataset = Dataset((tokens[:split],), split - CONTEXT)
    config = Config(vocabulary=vocabulary, context=CONTEXT, layers=LAYERS, channels=CHANNELS)
    model, optimizer = build(config)
    spec = FieldSpec(torch.int64, (CONTEXT + 1,), 1)
    captured = capture(model, optimizer, {"tokens": spec}, ROWS)
    program = captured.program

    stepper = Stepper(program, dataset, SEED, "cpu", None, None)
    state = to_device(program, captured.genesis, stepper.device)
    losses = []
    for step in range(STEPS):
        state, reported = stepper.run_step(state, StepIndex(step))
        losses.append(float(reported["loss"]))

        (batch,) = compute_batch(program, dataset, SEED, StepIndex(step))
        loss = model(torch.from_numpy(batch.astype(np.int64)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    held_out = tokens[split:]
    windows = torch.from_numpy(
        np.stack(
            [held_out[i * CONTEXT :][: CONTEXT + 1] for i in range(VALIDATION_RECORDS)]
        ).astype(np.int64)
    )
    with torch.no_grad():
        expected = float(model(windows))
        trained = {slot.name: value for slot, value in zip(program.slots, state)}
        model.load_state_dict(
            {name: trained[name].reshape(old.shape) for name, old in model.state_dict().items()}
        )
        reached = float(model(windows))
    untrained = float(np.log(vocabulary))
    print(
        f"\nvalidation loss: Crux {reached:.5f}, PyTorch {expected:.5f}, untrained {untrained:.2f}"
    )
    assert losses[0] > 0.95 * untrained and reached < 0.75 * untrained, "the model did not learn"
    assert abs(reached - expected) <= TOLERANCE * expected
