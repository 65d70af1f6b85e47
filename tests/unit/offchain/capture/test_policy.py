"""Bits of matrix products by named policy."""

import pytest
import torch

from examples.gpt import Config, build
from offchain.capture import AccumulatorTooSmall, UnknownPolicy
from offchain.capture.policy import POLICIES, apply_policy, check_accumulator, get_policy
from protocol.program import Input, Operator
from protocol.types import Dtype
from protocol.views import contiguous


def load(shape):
    return Operator("load_state", (), {"slot": 0, "shape": shape, "dtype": int(Dtype.F32)})


def unary(kind, producer, shape):
    return Operator(kind, (Input(producer, contiguous(shape)),))


def matmul(a, shape_a, b, shape_b):
    inputs = (Input(a, contiguous(shape_a)), Input(b, contiguous(shape_b)))
    return Operator("matmul", inputs, {"bits_a": 15, "bits_b": 15})


def get_bits(operators):
    return [
        (o.attributes["bits_a"], o.attributes["bits_b"]) for o in operators if o.kind == "matmul"
    ]


def capture_gpt(capture_module, policy):
    model, optimizer = build(Config(11, context=4, layers=1, heads=2, channels=8))
    batch = {"tokens": torch.zeros(2, 5, dtype=torch.int64)}
    return capture_module(model, optimizer, batch, policy=policy).program


@pytest.mark.parametrize(("policy", "bits"), [("float32", 15), ("tf32", 14)])
def test_policy__uniform__same_bits_everywhere(capture_module, policy, bits):
    program = capture_gpt(capture_module, policy)
    assert set(get_bits(program.operators)) == {(bits, bits)}


def test_policy__int8__head_and_its_gradients_keep_fifteen(capture_module):
    with pytest.warns(UserWarning, match="policy int8"):
        program = capture_gpt(capture_module, "int8")
    counts = {"head": 0, "body": 0}
    for item in program.operators:
        if item.kind == "matmul":
            is_head = "head" in item.source
            counts["head" if is_head else "body"] += 1
            assert get_bits([item]) == [(15, 15) if is_head else (8, 8)], item.source
    assert counts == {"head": 3, "body": 18}


@pytest.mark.parametrize("policy", ["float32", "tf32", "int8"])
@pytest.mark.parametrize(("length", "widened"), [(4096, False), (4097, True)])
@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
def test_policy__long_contraction_of_probabilities__twenty_two_bits(policy, length, widened, kind):
    operators = [
        load((2, length)),
        load((length, 3)),
        unary(kind, 0, (2, length)),
        unary("neg", 2, (2, length)),
        matmul(3, (2, length), 1, (length, 3)),
        matmul(0, (2, length), 1, (length, 3)),
        matmul(4, (2, 3), 5, (3, 2)),
    ]
    bits = POLICIES[policy].bits
    done = get_bits(apply_policy(operators, 6, POLICIES[policy]))
    assert done[0] == ((22 if widened else bits), bits)
    assert done[1] == (bits, bits)


def test_policy__unknown__refused():
    with pytest.raises(UnknownPolicy, match="'bf16': not one of float32, tf32, int8"):
        get_policy("bf16")


def test_check_accumulator__limit_is_sixty_two_bits():
    check_accumulator(22, 22, 2**20)
    with pytest.raises(AccumulatorTooSmall, match="need 63 bits, limit 62"):
        check_accumulator(22, 22, 2**20 + 1)
