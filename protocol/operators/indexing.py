"""Operators that move elements by index or position."""

from protocol.operators import Attributes, operator
from protocol.operators.microcode import Microcode, Value


def _axis(attributes: Attributes, name: str = "axis") -> int:
    value = attributes[name]
    assert isinstance(value, int) and value >= 0, f"{name} must be a non-negative integer"
    return value


@operator("embedding", 2)
def _embedding(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """(weight [V, ...], indices [...]) -> [..., *weight.shape[1:]]; 0 outside the vocabulary."""
    weight, indices = values
    rest = weight.shape[1:]
    shape = (*indices.shape, *rest)
    table = weight.reshape(weight.shape) if not rest else weight
    row = table.view.select(0, 0).expand(shape)
    spread = indices.reshape((*indices.shape, *[1] * len(rest))).expand(shape)
    return code.gather(
        Value(table.source, table.index, table.dtype, table.size, row),
        spread,
        stride=weight.view.strides[0],
        limit=weight.shape[0],
    )


@operator("gather", 2, "axis")
def _gather(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """(x, index): out[.., i, ..] = x[.., index[.., i, ..], ..]; index has the output's shape."""
    x, index = values
    axis = _axis(attributes)
    row = x.view.select(axis, 0)
    shape = (*index.shape[:axis], *index.shape[axis + 1 :])
    for length, want in zip(row.shape, shape):
        assert want <= length, "index is longer than the table"
    strides = (*row.strides[:axis], 0, *row.strides[axis:])
    view = type(x.view)(index.shape, strides, row.offset)
    return code.gather(
        Value(x.source, x.index, x.dtype, x.size, view),
        index,
        stride=x.view.strides[axis],
        limit=x.shape[axis],
    )


@operator("index_add", 2, "rows")
def _index_add(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """(index [T], values [T, D]) -> [rows, D]: the sum of the rows with index r."""
    index, rows = values
    return code.match_total(index, rows, _axis(attributes, "rows"))


@operator("scatter_add", 2, "rows")
def _scatter_add(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """(index [..., K], values [..., K]) -> [..., rows]: in each line, the sum of the values with
    index r.
    """
    index, lines = values
    assert index.shape == lines.shape and index.shape, "index and values differ in shape"
    return code.match_lines(index, lines, _axis(attributes, "rows"))


@operator("cat", 2, "axis")
def _cat(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
    """Join two tensors along an axis."""
    first, second = values
    axis = _axis(attributes)
    same = [a == b for i, (a, b) in enumerate(zip(first.shape, second.shape)) if i != axis]
    assert all(same) and len(first.shape) == len(second.shape), "shapes differ off the axis"
    return code.concat(first, second, axis)
