"""A small program written by hand: an embedding, a linear layer, cross-entropy, momentum.

The product for the head's gradient folds over 320 positions, so its element has two chunks.
"""

import struct

import numpy as np

from protocol.execution import Dataset, State
from protocol.program import Field, Input, Operator, Program, Slot
from protocol.types import Dtype, Seed
from protocol.views import View, contiguous

ROWS, LENGTH, DEPTH, VOCABULARY = 16, 20, 4, 7
POSITIONS = ROWS * LENGTH
SEED = Seed(bytes(range(32)))
EMBEDDING, HEAD, MOMENTUM, COUNTER = range(4)  # slots


def bits_of(value: float) -> int:
    """The bits of an f32."""
    return int(struct.unpack("<i", struct.pack("<f", value))[0])


def build_program(rate: float = 0.5) -> Program:
    """One training step; `rate` is the learning rate."""
    operators: list[Operator] = []

    def add(kind: str, *inputs: tuple[int, View], **attributes: int | tuple[int, ...]) -> int:
        reads = tuple(Input(producer, view) for producer, view in inputs)
        operators.append(Operator(kind, reads, attributes, source=f"step.py:{len(operators)}"))
        return len(operators) - 1

    def constant(value: float) -> tuple[int, View]:
        made = add("full", value=bits_of(value), shape=(), dtype=int(Dtype.F32))
        return made, contiguous(())

    f32, i32 = int(Dtype.F32), int(Dtype.I32)
    table, head = contiguous((VOCABULARY, DEPTH)), contiguous((DEPTH, VOCABULARY))
    hidden, scores = contiguous((POSITIONS, DEPTH)), contiguous((POSITIONS, VOCABULARY))
    row = View((ROWS, LENGTH), (LENGTH + 1, 1))
    w = add("load_state", slot=EMBEDDING, shape=table.shape, dtype=f32)
    h = add("load_state", slot=HEAD, shape=head.shape, dtype=f32)
    m = add("load_state", slot=MOMENTUM, shape=table.shape, dtype=f32)
    count = add("load_state", slot=COUNTER, shape=(), dtype=i32)
    tokens = add("load_batch", field=0, shape=(ROWS, LENGTH + 1), dtype=i32)
    inputs = add("copy", (tokens, row))
    targets = add("copy", (tokens, View(row.shape, row.strides, 1)))
    x = add("embedding", (w, table), (inputs, contiguous((POSITIONS,))))
    logits = add("matmul", (x, hidden), (h, head), bits_a=15, bits_b=15)
    log_p = add("log_softmax", (logits, scores))
    column = View((POSITIONS, 1), (1, 0))
    picked = add("gather", (log_p, scores), (targets, column), axis=1)
    loss = add("neg", (add("mean", (picked, contiguous((POSITIONS,)))), contiguous(())))
    classes = add("arange", shape=(VOCABULARY,), axis=0)
    spread = contiguous((VOCABULARY,)).expand(scores.shape)
    hot = add("int_eq", (classes, spread), (targets, column.expand(scores.shape)))
    gradient = add("mul", (add("to_float", (hot, scores)), scores), constant(-1 / POSITIONS))
    d_logits = add("log_softmax_backward", (gradient, scores), (log_p, scores))
    d_h = add("matmul", (x, hidden.permute((1, 0))), (d_logits, scores), bits_a=15, bits_b=15)
    d_x = add("matmul", (d_logits, scores), (h, head.permute((1, 0))), bits_a=15, bits_b=15)
    d_w = add("index_add", (inputs, contiguous((POSITIONS,))), (d_x, hidden), rows=VOCABULARY)
    decayed = add("mul", (m, table), constant(0.9))
    next_m = add("add", (decayed, table), (d_w, table))
    step_w = add("mul", (next_m, table), constant(rate))
    step_h = add("mul", (d_h, head), constant(rate))
    next_w = add("sub", (w, table), (step_w, table))
    next_h = add("sub", (h, head), (step_h, head))
    one = add("full", value=1, shape=(), dtype=i32)
    next_count = add("int_add", (count, contiguous(())), (one, contiguous(())))
    slots = (
        Slot("embedding", Dtype.F32, table.shape, next_w),
        Slot("head", Dtype.F32, head.shape, next_h),
        Slot("momentum", Dtype.F32, table.shape, next_m),
        Slot("counter", Dtype.I32, (), next_count),
    )
    fields = (Field("tokens", Dtype.I32, (LENGTH + 1,), 1),)
    return Program(slots, fields, ROWS, tuple(operators), {"loss": loss})


def build_genesis() -> State:
    """Random parameters, no momentum."""
    rng = np.random.default_rng(5)
    return (
        rng.standard_normal((VOCABULARY, DEPTH)).astype(np.float32),
        rng.standard_normal((DEPTH, VOCABULARY)).astype(np.float32),
        np.zeros((VOCABULARY, DEPTH), dtype=np.float32),
        np.zeros((), dtype=np.int32),
    )


def build_dataset() -> Dataset:
    """A sequence in which the next token follows from the last."""
    tokens = (np.arange(500) * np.arange(500) % VOCABULARY).astype(np.int32)
    return Dataset((tokens,), records=500 - LENGTH)
