"""Every operator kind: shapes, and results against float64 numpy."""

from math import erf
from pathlib import Path

import numpy as np
import pytest

from protocol.execution import execute_microcode
from protocol.instructions import LEGALITY, Source
from protocol.operators import (
    REGISTRY,
    MalformedOperator,
    UnknownOperator,
    expand,
)
from protocol.operators.microcode import Value
from protocol.semantics import Outside
from protocol.types import INSTRUCTIONS_MAX, Dtype
from protocol.views import contiguous

F32, I32 = int(Dtype.F32), int(Dtype.I32)
STATE = (np.arange(6, dtype=np.float32),)
BATCH = (np.arange(4, dtype=np.int32),)


def as_values(arrays, views=None):
    views = views or [contiguous(a.shape) for a in arrays]
    return tuple(
        Value(Source.INPUT, n, Dtype.F32 if a.dtype.kind == "f" else Dtype.I32, a.size, view)
        for n, (a, view) in enumerate(zip(arrays, views))
    )


def run(kind, *arrays, views=None, **attributes):
    """Execute an operator by its microcode."""
    arrays = [
        np.asarray(a, np.float32 if np.asarray(a).dtype.kind == "f" else np.int32) for a in arrays
    ]
    code = tuple(expand(kind, as_values(arrays, views), attributes))
    assert len(code) <= INSTRUCTIONS_MAX
    for instruction in code:
        assert len(instruction.operands) in LEGALITY[instruction.opcode].operand_counts
    result = execute_microcode(code, tuple(arrays), Outside(STATE, BATCH))[-1]
    assert result.shape == code[-1].shape
    return result


def close(result, expected, tolerance=1e-6):
    expected = np.asarray(expected, np.float64)
    assert result.shape == expected.shape
    scale = max(1.0, float(np.abs(expected).max()))
    assert np.abs(result.astype(np.float64) - expected).max() <= tolerance * scale


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def integers(*shape, high=5, seed=0):
    return np.random.default_rng(seed).integers(0, high, shape).astype(np.int32)


def wide(x):
    return np.asarray(x, np.float64)


def softmax64(x, axis=-1):
    e = np.exp(wide(x) - wide(x).max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def erf64(x):
    return np.vectorize(erf)(wide(x))


# --- Pointwise ------------------------------------------------------------------------------------

UNARY = {
    "sqrt": (np.sqrt, np.abs(normal(3, 4))),
    "neg": (np.negative, normal(3, 4)),
    "abs": (np.abs, normal(3, 4)),
    "floor": (np.floor, 3 * normal(3, 4)),
    "exp": (np.exp, normal(3, 4)),
    "log": (np.log, np.abs(normal(3, 4)) + 0.1),
    "tanh": (np.tanh, normal(3, 4)),
    "erf": (erf64, normal(3, 4)),
    "logical_not": (np.logical_not, integers(3, 4, high=2)),
    "to_float": (np.float64, integers(3, 4)),
    "to_int": (np.trunc, 3 * normal(3, 4)),
    "copy": (np.copy, normal(3, 4)),
}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "int_add": np.add,
    "int_sub": np.subtract,
    "int_mul": np.multiply,
    "int_lt": np.less,
    "int_le": np.less_equal,
    "int_eq": np.equal,
}


@pytest.mark.parametrize("kind", UNARY)
def test_unary__values__as_numpy(kind):
    function, x = UNARY[kind]
    close(run(kind, x), function(x.astype(np.float64) if x.dtype.kind == "f" else x))


@pytest.mark.parametrize("kind", BINARY)
def test_binary__broadcast__as_numpy(kind):
    whole = kind.startswith(("int", "bit"))
    x, y = (
        (integers(3, 1, 4), integers(5, 1, seed=1))
        if whole
        else (normal(3, 1, 4), normal(5, 1, seed=1))
    )
    wide_x, wide_y = (x, y) if whole else (wide(x), wide(y))
    result = run(kind, x, y)
    assert result.shape == (3, 5, 4)
    close(result, BINARY[kind](wide_x, wide_y))


def test_where__condition__chooses():
    condition, x, y = integers(3, 1, high=2), normal(3, 4), normal(4, seed=1)
    close(run("where", condition, x, y), np.where(condition, x, np.broadcast_to(y, (3, 4))))
    assert run("where", condition, integers(3, 4), integers(4)).dtype == np.int32


def test_binary__shapes_that_do_not_broadcast__refused():
    with pytest.raises(MalformedOperator, match="do not broadcast"):
        run("add", normal(3), normal(4))


def test_binary__integers_for_floats__refused():
    with pytest.raises(MalformedOperator, match="ADD: no form"):
        run("add", integers(3), normal(3))


# --- Reductions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 1)])
@pytest.mark.parametrize(
    ("kind", "function"), [("sum", np.sum), ("mean", np.mean), ("amax", np.max)]
)
def test_reduction__last_axis__as_numpy(kind, function, shape):
    x = normal(*shape)
    close(run(kind, x), function(wide(x), axis=-1))


def test_reduction__strided_view__copied_first():
    x = normal(5, 3)
    result = run("sum", x, views=[contiguous((5, 3)).permute((1, 0))])
    close(result, wide(x).sum(0))


@pytest.mark.parametrize("kind", ["softmax", "safe_softmax"])
def test_softmax__rows__as_numpy(kind):
    x = 4 * normal(3, 5)
    close(run(kind, x), softmax64(x))


def test_softmax__masked_row__zero_only_if_safe():
    x = np.array([[-np.inf, -np.inf], [-np.inf, 2.0]], np.float32)
    assert run("safe_softmax", x).tolist() == [[0, 0], [0, 1]]
    assert np.isnan(run("softmax", x)[0]).all()


def test_log_softmax__rows__as_numpy():
    x = 4 * normal(3, 5)
    close(run("log_softmax", x), np.log(softmax64(x)))


def test_softmax_backward__rows__as_numpy():
    g, y = normal(3, 5), softmax64(normal(3, 5, seed=1)).astype(np.float32)
    expected = wide(y) * (wide(g) - (wide(g) * wide(y)).sum(-1, keepdims=True))
    close(run("softmax_backward", g, y), expected)


def test_log_softmax_backward__rows__as_numpy():
    g, y = normal(3, 5), np.log(softmax64(normal(3, 5, seed=1))).astype(np.float32)
    expected = wide(g) - np.exp(wide(y)) * wide(g).sum(-1, keepdims=True)
    close(run("log_softmax_backward", g, y), expected)


@pytest.mark.parametrize(
    ("shape_a", "shape_b"),
    [((3, 7), (7, 4)), ((2, 3, 7), (2, 7, 4)), ((2, 1, 3, 7), (5, 7, 4)), ((1, 1), (1, 1))],
)
@pytest.mark.parametrize(("bits", "tolerance"), [(22, 2e-5), (15, 5e-4), (8, 6e-2)])
def test_matmul__bits__as_numpy_within_their_precision(shape_a, shape_b, bits, tolerance):
    a, b = normal(*shape_a), normal(*shape_b, seed=1)
    result = run("matmul", a, b, bits_a=bits, bits_b=bits)
    close(result, wide(a) @ wide(b), tolerance)


def test_matmul__inner_lengths_differ__refused():
    with pytest.raises(MalformedOperator):
        run("matmul", normal(3, 4), normal(5, 3), bits_a=15, bits_b=15)


# --- Normalisation and activations ----------------------------------------------------------------


def normalize64(x, epsilon=1e-5):
    mean = wide(x).mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(((wide(x) - mean) ** 2).mean(-1, keepdims=True) + epsilon)
    return mean[..., 0], rstd[..., 0], (wide(x) - mean) * rstd


def test_layer_norm__pieces__as_numpy():
    x, weight, bias = 3 * normal(4, 6) + 1, normal(6, seed=1), normal(6, seed=2)
    mean, rstd, expected = normalize64(x)
    epsilon = int(np.float32(1e-5).view(np.int32))
    got_mean = run("mean", x)
    got_rstd = run("rstd", x, got_mean, epsilon=epsilon)
    close(got_rstd, rstd)
    close(run("normalize", x, got_mean, got_rstd), expected)
    close(run("layer_norm", x, got_mean, got_rstd, weight, bias), expected * weight + bias)


def test_layer_norm_backward__against_finite_differences():
    x, gradient, weight = normal(2, 6), normal(2, 6, seed=1), normal(6, seed=2)
    mean, rstd, _ = normalize64(x)
    result = run("layer_norm_backward", gradient, x, mean, rstd, weight)
    expected, step = np.zeros((2, 6)), 1e-6
    for place in np.ndindex(2, 6):
        above, below = wide(x).copy(), wide(x).copy()
        above[place] += step
        below[place] -= step
        change = normalize64(above)[2] - normalize64(below)[2]
        expected[place] = (change * wide(weight) * wide(gradient)).sum() / (2 * step)
    close(result, expected, 1e-5)


def test_gelu__values__as_numpy():
    x = 2 * normal(3, 4)
    close(run("gelu", x), wide(x) * 0.5 * (1 + erf64(wide(x) / np.sqrt(2))))


def test_gelu_backward__values__as_numpy():
    x, gradient = 2 * normal(3, 4), normal(3, 4, seed=1)
    density = np.exp(-(wide(x) ** 2) / 2) / np.sqrt(2 * np.pi)
    slope = 0.5 * (1 + erf64(wide(x) / np.sqrt(2))) + wide(x) * density
    close(run("gelu_backward", gradient, x), wide(gradient) * slope)


# --- Indexing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("table_shape", [(5,), (5, 3), (5, 2, 3)])
def test_embedding__rows__as_numpy(table_shape):
    table, index = normal(*table_shape), integers(2, 4)
    assert (run("embedding", table, index) == table[index]).all()


def test_embedding__index_outside__zero():
    table, index = normal(5, 3), np.array([-1, 5, 2], np.int32)
    result = run("embedding", table, index)
    assert not result[:2].any() and (result[2] == table[2]).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_gather__axis__as_numpy(axis):
    x, index = normal(5, 5), integers(5, 5)
    assert (run("gather", x, index, axis=axis) == np.take_along_axis(x, index, axis)).all()


def test_gather__index_longer_than_table__refused():
    with pytest.raises(MalformedOperator, match="longer than the table"):
        run("gather", normal(2, 3), integers(3, 1), axis=1)


def test_index_add__rows__as_numpy():
    index, values = np.array([0, 2, 2, -1, 9], np.int32), normal(5, 3)
    expected = np.zeros((4, 3))
    expected[0], expected[2] = wide(values)[0], wide(values)[1:3].sum(0)
    close(run("index_add", index, values, rows=4), expected)


def test_scatter_add__lines__as_numpy():
    index, values = np.array([[0, 2, 2, -1], [9, 1, 0, 1]], np.int32), normal(2, 4)
    expected = np.zeros((2, 3))
    for line, places in enumerate(index):
        for place, value in zip(places, wide(values)[line]):
            if 0 <= place < 3:
                expected[line, place] += value
    close(run("scatter_add", index, values, rows=3), expected)


def test_scatter_add__shapes_differ__refused():
    with pytest.raises(MalformedOperator, match="differ in shape"):
        run("scatter_add", np.zeros((2, 3), np.int32), normal(2, 4), rows=3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_cat__axis__as_numpy(axis):
    shapes = [[2, 3, 4], [2, 3, 4]]
    shapes[1][axis] = 5
    first, second = normal(*shapes[0]), normal(*shapes[1], seed=1)
    assert (run("cat", first, second, axis=axis) == np.concatenate([first, second], axis)).all()


def test_cat__other_axes_differ__refused():
    with pytest.raises(MalformedOperator, match="differ off the axis"):
        run("cat", normal(2, 3), normal(2, 4), axis=0)


# --- Memory ---------------------------------------------------------------------------------------


def test_load_state__slot__as_it_was():
    assert (run("load_state", slot=0, shape=(2, 3), dtype=F32) == STATE[0].reshape(2, 3)).all()


def test_load_batch__field__the_rows():
    assert (run("load_batch", field=0, shape=(2, 2), dtype=I32) == BATCH[0].reshape(2, 2)).all()


def test_full__value__everywhere():
    bits = int(np.float32(-1.5).view(np.uint32))
    assert (run("full", value=bits, shape=(2, 3), dtype=F32) == -1.5).all()
    assert (run("full", value=-7, shape=(), dtype=I32) == -7).all()


def test_arange__axis__positions():
    assert (run("arange", shape=(2, 3), axis=1) == np.arange(3)).all()


def test_random__counter__uniform_and_repeatable():
    draws = [run("random", np.int32(c), shape=(64,), key_0=k, key_1=0) for c, k in [(1, 2), (1, 2)]]
    assert (draws[0] == draws[1]).all()
    other = run("random", np.int32(2), shape=(64,), key_0=2, key_1=0)
    assert (draws[0] != other).any()
    assert draws[0].min() >= 0 and draws[0].max() < 2**24
    # 64 uniform values: standard deviation of the mean 0.036.
    assert draws[0].mean() / 2**24 == pytest.approx(0.5, abs=0.15)


# --- The registry ---------------------------------------------------------------------------------


def test_expand__unknown_kind__refused():
    with pytest.raises(UnknownOperator, match="'nothing' does not exist"):
        expand("nothing", (), {})


def test_expand__wrong_count_of_inputs__refused():
    with pytest.raises(MalformedOperator, match="add: 1 inputs, expected 2"):
        expand("add", as_values([normal(3)]), {})


def test_expand__wrong_attributes__refused():
    with pytest.raises(MalformedOperator, match=r"sum: attributes \['axis'\], expected \[\]"):
        expand("sum", as_values([normal(3)]), {"axis": 0})


def test_registry__every_kind__is_named_in_this_file():
    text = Path(__file__).read_text()
    assert [kind for kind in REGISTRY if f'"{kind}"' not in text] == []
