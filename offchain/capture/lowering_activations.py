"""Activation functions and their gradients."""

from math import pi, sqrt

import torch

from offchain.capture.builder import Ref
from offchain.capture.lowering import Lowering, Number
from offchain.capture.lowering_functions import log1p
from offchain.capture.lowering_pointwise import binary, div, is_integer, mul, where
from offchain.capture.lowering_selection import larger
from offchain.capture.registry import lowers

aten = torch.ops.aten

# The tanh form of GELU: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x**3))), Hendrycks and Gimpel.
_TANH_SCALE = sqrt(2 / pi)
_TANH_CUBE = 0.044715


@lowers(aten.relu.default)
def _relu(low: Lowering, x: Ref) -> Ref:
    return larger(low, x, 0 if is_integer(x) else 0.0)


@lowers(aten.threshold_backward.default)
def _threshold_backward(low: Lowering, gradient: Ref, x: Ref, threshold: Number) -> Ref:
    return where(low, binary(low, "le", x, float(threshold)), 0.0, gradient)


@lowers(aten.leaky_relu.default)
def _leaky_relu(low: Lowering, x: Ref, slope: float = 0.01) -> Ref:
    return where(low, binary(low, "lt", 0.0, x), x, mul(low, x, slope))


@lowers(aten.leaky_relu_backward.default)
def _leaky_relu_backward(
    low: Lowering, gradient: Ref, x: Ref, slope: float, is_result: bool
) -> Ref:
    return where(low, binary(low, "lt", 0.0, x), gradient, mul(low, gradient, slope))


def sigmoid(low: Lowering, x: Ref) -> Ref:
    """1 / (1 + exp(-x)): 0 where exp overflows."""
    return div(low, 1.0, binary(low, "add", low.emit("exp", low.emit("neg", x)), 1.0))


@lowers(aten.sigmoid.default)
def _sigmoid(low: Lowering, x: Ref) -> Ref:
    return sigmoid(low, x)


@lowers(aten.sigmoid_backward.default)
def _sigmoid_backward(low: Lowering, gradient: Ref, y: Ref) -> Ref:
    slope = mul(low, binary(low, "sub", 1.0, y), y)
    return mul(low, gradient, slope)


@lowers(aten.tanh_backward.default)
def _tanh_backward(low: Lowering, gradient: Ref, y: Ref) -> Ref:
    return mul(low, gradient, binary(low, "sub", 1.0, mul(low, y, y)))


@lowers(aten.silu.default)
def _silu(low: Lowering, x: Ref) -> Ref:
    return mul(low, x, sigmoid(low, x))


@lowers(aten.silu_backward.default)
def _silu_backward(low: Lowering, gradient: Ref, x: Ref) -> Ref:
    y = sigmoid(low, x)
    inner = mul(low, x, binary(low, "sub", 1.0, y))
    return mul(low, gradient, mul(low, y, binary(low, "add", inner, 1.0)))


def _tanh_of_gelu(low: Lowering, x: Ref) -> Ref:
    cube = mul(low, mul(low, x, x), x)
    inner = binary(low, "add", x, mul(low, cube, _TANH_CUBE))
    return low.emit("tanh", mul(low, inner, _TANH_SCALE))


@lowers(aten.gelu.default)
def _gelu(low: Lowering, x: Ref, approximate: str = "none") -> Ref:
    if approximate == "none":
        return low.emit("gelu", x)
    half = mul(low, x, 0.5)
    return mul(low, half, binary(low, "add", _tanh_of_gelu(low, x), 1.0))


@lowers(aten.gelu_backward.default)
def _gelu_backward(low: Lowering, gradient: Ref, x: Ref, approximate: str = "none") -> Ref:
    if approximate == "none":
        return low.emit("gelu_backward", gradient, x)
    y = _tanh_of_gelu(low, x)
    left = mul(low, binary(low, "add", y, 1.0), 0.5)
    square = mul(low, mul(low, x, x), 3 * _TANH_CUBE)
    inner = mul(low, binary(low, "add", square, 1.0), _TANH_SCALE)
    slope = mul(low, binary(low, "sub", 1.0, mul(low, y, y)), inner)
    right = mul(low, mul(low, x, 0.5), slope)
    return mul(low, gradient, binary(low, "add", left, right))


@lowers(aten.softplus.default)
def _softplus(low: Lowering, x: Ref, beta: Number = 1, threshold: Number = 20) -> Ref:
    scaled = mul(low, x, float(beta))
    soft = log1p(low, low.emit("exp", scaled))
    return where(low, binary(low, "lt", float(threshold), scaled), x, div(low, soft, float(beta)))


@lowers(aten.hardshrink.default)
def _hardshrink(low: Lowering, x: Ref, bound: float = 0.5) -> Ref:
    return where(low, binary(low, "le", low.emit("abs", x), float(bound)), 0.0, x)


@lowers(aten.hardshrink_backward.default, aten.softshrink_backward.default)
def _hardshrink_backward(low: Lowering, gradient: Ref, x: Ref, bound: float) -> Ref:
    return where(low, binary(low, "le", low.emit("abs", x), float(bound)), 0.0, gradient)
