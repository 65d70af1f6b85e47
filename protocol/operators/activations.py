"""Activations that a fused kernel computes in one pass."""

from math import pi, sqrt

from protocol.instructions import Opcode
from protocol.operators import Attributes, operator
from protocol.operators.microcode import Microcode, Value


def _normal_cdf(code: Microcode, x: Value) -> Value:
    """(1 + erf(x * sqrt(1/2))) * 1/2."""
    scaled = code.map(Opcode.MUL, x, code.float_constant(sqrt(0.5)))
    shifted = code.map(Opcode.ADD, code.map(Opcode.ERF, scaled), code.float_constant(1.0))
    return code.map(Opcode.MUL, shifted, code.float_constant(0.5))


@operator("gelu", 1)
def _gelu(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """x * Phi(x), Phi the normal distribution function by erf."""
    return code.map(Opcode.MUL, values[0], _normal_cdf(code, values[0]))


@operator("gelu_backward", 2)
def _gelu_backward(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """(gradient, x) -> gradient * (Phi(x) + x * phi(x)), phi(x) = exp(-x*x/2) / sqrt(2 pi)."""
    gradient, x = values
    square = code.map(Opcode.MUL, x, x)
    exponential = code.map(Opcode.EXP, code.map(Opcode.MUL, square, code.float_constant(-0.5)))
    density = code.map(Opcode.MUL, exponential, code.float_constant(1 / sqrt(2 * pi)))
    slope = code.map(Opcode.ADD, _normal_cdf(code, x), code.map(Opcode.MUL, x, density))
    return code.map(Opcode.MUL, gradient, slope)
