"""A GPT of the demo's kind, small enough for a dispute within seconds, and its task."""

from functools import cache

import numpy as np
import torch

from examples.gpt import Config, build
from offchain.capture import Captured, FieldSpec, capture
from offchain.chain.records import Terms
from offchain.demo.acts import build_terms
from offchain.store.artifacts import Store
from offchain.store.bundles import save_bundle
from protocol.execution import Dataset
from protocol.validation import validate

CONTEXT = 8
VOCABULARY = 16
ROWS = 40  # with CONTEXT more than 256 terms in a weight gradient: disputes reach level CHUNK
CHARACTERS = 500
SEGMENTS, SEGMENT_LENGTH = 3, 2
LIE_STEP = 3  # the last step of segment 1

PARAMETER = "blocks.0.mlp.fc.weight"
MOMENT = f"optimizer.{PARAMETER}.exp_avg"


@cache
def capture_small_gpt() -> Captured:
    """Captured once per session: nothing changes it."""
    config = Config(VOCABULARY, CONTEXT, layers=1, heads=2, channels=8)
    fields = {"tokens": FieldSpec(torch.int64, (CONTEXT + 1,), stride=1)}
    return capture(*build(config), fields, ROWS)


def build_small_dataset() -> Dataset:
    """Random tokens with a fixed seed."""
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, CHARACTERS).astype(np.int32)
    return Dataset((tokens,), CHARACTERS - CONTEXT)


def save_small_task(
    store: Store, segments: int = SEGMENTS, segment_length: int = SEGMENT_LENGTH
) -> Terms:
    """Store the task's artifacts; returns its terms."""
    captured, dataset = capture_small_gpt(), build_small_dataset()
    roots = save_bundle(store, captured.program, captured.genesis, dataset)
    operations = validate(captured.program).operations
    return build_terms(roots, dataset.records, segments, segment_length, operations)
