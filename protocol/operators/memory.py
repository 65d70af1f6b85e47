"""Operators without a tensor to compute from: state, batch, constants, positions, randomness."""

from protocol.operators import Attributes, operator
from protocol.operators.microcode import Microcode, Value
from protocol.types import Dtype, Shape


def _int(attributes: Attributes, name: str) -> int:
    value = attributes[name]
    assert isinstance(value, int), f"{name} must be an integer"
    return value


def _shape(attributes: Attributes) -> Shape:
    value = attributes["shape"]
    assert isinstance(value, tuple), "shape must be a list of integers"
    return value


@operator("load_state", 0, "slot", "shape", "dtype")
def _load_state(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """The tensor of a state slot before the step."""
    dtype = Dtype(_int(attributes, "dtype"))
    return code.load_state(_int(attributes, "slot"), _shape(attributes), dtype)


@operator("load_batch", 0, "field", "shape", "dtype")
def _load_batch(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """The step's rows of a dataset field: [rows, *record shape]."""
    dtype = Dtype(_int(attributes, "dtype"))
    return code.load_batch(_int(attributes, "field"), _shape(attributes), dtype)


@operator("full", 0, "value", "shape", "dtype")
def _full(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """A tensor filled with one value (the bits of an f32, or an i32)."""
    dtype = Dtype(_int(attributes, "dtype"))
    return code.constant(_shape(attributes), dtype, _int(attributes, "value"))


@operator("arange", 0, "shape", "axis")
def _arange(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """Positions along an axis, from 0."""
    return code.iota(_shape(attributes), _int(attributes, "axis"))


@operator("random", 1, "shape", "key_0", "key_1")
def _random(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """24 random bits per element; the input is an i32 counter of one element."""
    key_0, key_1 = _int(attributes, "key_0"), _int(attributes, "key_1")
    return code.random(values[0], _shape(attributes), key_0, key_1)
