"""Shards give the bits of the whole."""

import numpy as np
import pytest
import torch

from offchain.kernels.instructions import execute
from offchain.kernels.memory import Outside
from offchain.runner.sharding import ALL_REDUCE, compute_parts, execute_sharded
from protocol.instructions import Kind
from protocol.operators import REGISTRY
from tests.unit.offchain.kernels.samples import is_same, make_sample

CPU = torch.device("cpu")
NOTHING = Outside((), ())


@pytest.mark.parametrize("shards", [2, 3])
def test_execute_sharded__folding_operators__equals_the_whole(shards: int) -> None:
    rng = np.random.default_rng(shards)
    met = set()
    for kind in ["matmul", "sum", "amax", "index_add", "softmax"] * 6:
        assert kind in REGISTRY
        sample = make_sample(kind, rng, "wild")
        outputs: list[torch.Tensor] = []
        for code in sample.instructions:
            sources = tuple(
                (outputs if o.source == 1 else sample.inputs)[o.index] for o in code.operands
            )
            outputs.append(execute(code, sources, NOTHING, CPU))
            assert is_same(execute_sharded(code, sources, NOTHING, CPU, shards), outputs[-1])
            if code.kind is Kind.FOLD and code.fold > 1:
                met.add(code.opcode)
    assert met == set(ALL_REDUCE)


def test_compute_parts__uneven_length__covers_it_once() -> None:
    assert compute_parts(7, 3) == [(0, 2), (2, 2), (4, 3)]
    assert compute_parts(1, 2) == [(0, 1)]
