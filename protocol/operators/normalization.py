"""Layer normalisation, in pieces of one output each.

Normalisation runs along the last axis; mean and rstd have the shape of x without it.
"""

from protocol.instructions import Opcode
from protocol.operators import Attributes, operator
from protocol.operators.microcode import Microcode, Value
from protocol.types import Dtype


def _normalize(code: Microcode, x: Value, mean: Value, rstd: Value) -> Value:
    centred = code.map(Opcode.SUB, x, mean.unsqueeze(-1))
    return code.map(Opcode.MUL, centred, rstd.unsqueeze(-1))


@operator("rstd", 2, "epsilon")
def _rstd(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """(x [..., K], mean [...]) -> 1 / sqrt(mean((x - mean)**2) + epsilon) [...].

    Attribute epsilon is the bit pattern of an f32.
    """
    x, mean = values
    epsilon = attributes["epsilon"]
    assert isinstance(epsilon, int), "epsilon must be an integer"
    centred = code.map(Opcode.SUB, x, mean.unsqueeze(-1))
    variance = code.mean(code.map(Opcode.MUL, centred, centred))
    shifted = code.map(Opcode.ADD, variance, code.constant((), Dtype.F32, epsilon))
    return code.map(Opcode.DIV, code.float_constant(1.0), code.map(Opcode.SQRT, shifted))


@operator("normalize", 3)
def _normalized(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """(x, mean, rstd) -> (x - mean) * rstd."""
    return _normalize(code, *values)


@operator("layer_norm", 5)
def _layer_norm(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """(x, mean, rstd, weight, bias) -> (x - mean) * rstd * weight + bias."""
    x, mean, rstd, weight, bias = values
    scaled = code.map(Opcode.MUL, _normalize(code, x, mean, rstd), weight)
    return code.map(Opcode.ADD, scaled, bias)


@operator("layer_norm_backward", 5)
def _layer_norm_backward(
    code: Microcode, values: tuple[Value, ...], attributes: Attributes
) -> Value:
    """(gradient, x, mean, rstd, weight) -> gradient of x.

    With g = gradient * weight and y = (x - mean) * rstd:
    rstd * ((g - mean(g)) - y * mean(g * y)).
    """
    gradient, x, mean, rstd, weight = values
    scaled = code.map(Opcode.MUL, gradient, weight)
    normal = _normalize(code, x, mean, rstd)
    product = code.map(Opcode.MUL, scaled, normal)
    along = code.map(Opcode.MUL, normal, code.mean(product).unsqueeze(-1))
    centred = code.map(Opcode.SUB, scaled, code.mean(scaled).unsqueeze(-1))
    rest = code.map(Opcode.SUB, centred, along)
    return code.map(Opcode.MUL, rest, rstd.unsqueeze(-1))
