"""Operators that fold: sums, maxima, softmax and matrix products.

Folds run along the last axis; the views of an operator's inputs bring the right axis there.
"""

from protocol.instructions import Opcode
from protocol.operators import Attributes, operator
from protocol.operators.microcode import Microcode, Value


@operator("sum", 1)
def _sum(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """[..., K] -> [...]."""
    return code.total(values[0])


@operator("mean", 1)
def _mean(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """[..., K] -> [...]: the sum divided by K."""
    return code.mean(values[0])


@operator("amax", 1)
def _amax(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """[..., K] -> [...]."""
    return code.maximum(values[0])


@operator("matmul", 2, "bits_a", "bits_b")
def _matmul(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """[..., M, K] and [..., K, N] -> [..., M, N]; leading axes broadcast."""
    a, b = values
    bits_a, bits_b = attributes["bits_a"], attributes["bits_b"]
    assert isinstance(bits_a, int) and isinstance(bits_b, int)
    return code.dot(a, b.swap_last(), bits_a, bits_b)


def _shifted(code: Microcode, x: Value) -> Value:
    return code.map(Opcode.SUB, x, code.maximum(x).unsqueeze(-1))


@operator("softmax", 1)
def _softmax(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """exp(x - max) / sum(exp(x - max)) along the last axis."""
    exponentials = code.map(Opcode.EXP, _shifted(code, values[0]))
    return code.map(Opcode.DIV, exponentials, code.total(exponentials).unsqueeze(-1))


@operator("safe_softmax", 1)
def _safe_softmax(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """softmax, but 0 where every element along the axis is -inf (a row masked completely)."""
    x = values[0]
    largest = code.maximum(x).unsqueeze(-1)
    exponentials = code.map(Opcode.EXP, code.map(Opcode.SUB, x, largest))
    result = code.map(Opcode.DIV, exponentials, code.total(exponentials).unsqueeze(-1))
    masked = code.map(Opcode.EQ, largest, code.float_constant(float("-inf")))
    return code.map(Opcode.SELECT, masked, code.float_constant(0.0), result)


@operator("log_softmax", 1)
def _log_softmax(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """(x - max) - log(sum(exp(x - max))) along the last axis."""
    shifted = _shifted(code, values[0])
    total = code.total(code.map(Opcode.EXP, shifted))
    return code.map(Opcode.SUB, shifted, code.map(Opcode.LOG, total).unsqueeze(-1))


@operator("softmax_backward", 2)
def _softmax_backward(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """(gradient, output) -> output * gradient - output * sum(output * gradient)."""
    gradient, output = values
    product = code.map(Opcode.MUL, gradient, output)
    mean = code.map(Opcode.MUL, output, code.total(product).unsqueeze(-1))
    return code.map(Opcode.SUB, product, mean)


@operator("log_softmax_backward", 2)
def _log_softmax_backward(
    code: Microcode, values: tuple[Value, ...], attributes: Attributes
) -> Value:
    """(gradient, output) -> gradient - exp(output) * sum(gradient)."""
    gradient, output = values
    total = code.total(gradient).unsqueeze(-1)
    scaled = code.map(Opcode.MUL, code.map(Opcode.EXP, output), total)
    return code.map(Opcode.SUB, gradient, scaled)
