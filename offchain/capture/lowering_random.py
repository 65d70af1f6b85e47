"""Random tensors: drawn by position from a counter that the state holds.

Every draw of a step has a key of its own and all share the counter, which grows by one per step.
"""

from math import factorial, pi

import numpy as np
import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering
from offchain.capture.lowering_pointwise import binary, mul
from offchain.capture.registry import lowers
from protocol.types import Dtype, Shape

aten = torch.ops.aten

COUNTER = "random.counter"
# The counter wraps here: masking is what proves that adding 1 stays inside i32.
COUNTER_MASK = 2**30 - 1
RANDOM_BITS = 24


def draw(low: Lowering, shape: Shape) -> Ref:
    """24 uniform bits per element."""
    if low.counter is None:
        low.counter = low.add_slot(COUNTER, np.zeros((), dtype=np.int32))
        masked = low.emit("bitwise_and", low.counter, low.full(COUNTER_MASK, Dtype.I32))
        low.set_next(COUNTER, low.emit("int_add", masked, low.full(1, Dtype.I32)))
    low.draws += 1
    return low.emit("random", low.counter, shape=shape, key_0=low.seed, key_1=low.draws)


def _bernoulli(low: Lowering, shape: Shape, probability: float) -> Ref:
    """1 with the given probability, rounded to 24 bits."""
    threshold = low.full(round(probability * 2**RANDOM_BITS), Dtype.I32)
    return low.emit("int_lt", draw(low, shape), threshold)


@lowers(aten.rand.default, aten.rand_like.default)
def _rand(low: Lowering, *_: object, **__: object) -> Ref:
    drawn = low.emit("to_float", draw(low, low.get_result_shape()))
    return mul(low, drawn, 2.0**-RANDOM_BITS)


# cos(x) for |x| <= pi / 2 by its series to x**14, which leaves 7e-10.
_COSINE = [(-1) ** k / factorial(2 * k) for k in range(8)]


def _compute_turn(low: Lowering, turn: Ref) -> Ref:
    """cos(2 pi turn) for a turn in [0, 1): through half the angle, around the half turn."""
    angle = mul(low, binary(low, "sub", turn, 0.5), pi)
    square = low.emit("mul", angle, angle)
    cosine = low.full(_COSINE[-1], Dtype.F32)
    for coefficient in _COSINE[-2::-1]:
        cosine = binary(low, "add", low.emit("mul", cosine, square), coefficient)
    return binary(low, "sub", 1.0, mul(low, low.emit("mul", cosine, cosine), 2.0))


def draw_normal(low: Lowering, shape: Shape) -> Ref:
    """Standard normal numbers (Box and Muller) from two draws of 24 bits."""
    first, second = (low.emit("to_float", draw(low, shape)) for _ in range(2))
    uniform = mul(low, binary(low, "add", first, 1.0), 2.0**-RANDOM_BITS)  # in (0, 1]
    radius = low.emit("sqrt", mul(low, low.emit("log", uniform), -2.0))
    return low.emit("mul", radius, _compute_turn(low, mul(low, second, 2.0**-RANDOM_BITS)))


@lowers(aten.randn.default, aten.randn_like.default)
def _randn(low: Lowering, *_: object, **__: object) -> Ref:
    return draw_normal(low, low.get_result_shape())


@lowers(aten.normal_functional.default)
def _normal(low: Lowering, x: Ref, mean: float = 0.0, std: float = 1.0, **_: object) -> Ref:
    return binary(low, "add", mul(low, draw_normal(low, x.shape), float(std)), float(mean))


@lowers(aten.normal.Tensor_Tensor, aten.normal.Tensor_float, aten.normal.float_Tensor)
def _normal_of(low: Lowering, mean: Ref | float, std: Ref | float = 1.0, **_: object) -> Ref:
    drawn = draw_normal(low, low.get_result_shape())
    return low.emit("add", low.as_float(mean), low.emit("mul", drawn, low.as_float(std)))


@lowers(aten.uniform.default)
def _uniform(low: Lowering, x: Ref, start: float = 0.0, end: float = 1.0, **_: object) -> Ref:
    drawn = mul(low, low.emit("to_float", draw(low, x.shape)), 2.0**-RANDOM_BITS)
    return binary(low, "add", mul(low, drawn, float(end - start)), float(start))


@lowers(aten.bernoulli.p)
def _bernoulli_p(low: Lowering, x: Ref, p: float = 0.5, **_: object) -> Ref:
    return low.emit("to_float", _bernoulli(low, low.get_result_shape(), p))


@lowers(aten.bernoulli.default)
def _bernoulli_tensor(low: Lowering, probabilities: Ref, **_: object) -> Ref:
    shape = low.get_result_shape()
    drawn = mul(low, low.emit("to_float", draw(low, shape)), 2.0**-RANDOM_BITS)
    return low.emit("to_float", binary(low, "lt", drawn, probabilities))


@lowers(aten.native_dropout.default)
def _native_dropout(low: Lowering, x: Ref, p: float, train: bool | None) -> tuple[Ref, Ref]:
    if train is False or p == 0:
        return x, low.full(1, Dtype.I32).expand(x.shape)
    mask = _bernoulli(low, x.shape, 1 - p)
    scale = 0.0 if p == 1 else 1 / (1 - p)
    return mul(low, mul(low, x, low.emit("to_float", mask)), scale), mask
