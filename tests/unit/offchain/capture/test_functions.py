"""Functions of one element over their whole range, and broadcasting over every layout."""

import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.offchain.capture.operator_checks import FEW, check_operator, tensors

TINY = [0.0, -0.0, 1e-30, -1e-30, 1e-8, -1e-8, 3e-5, -3e-5]
USUAL = [0.1, -0.1, 0.5, -0.5, 0.7, -0.7, 1.0, -1.0, 1.5, -2.5, 2.0, 3.5, -3.5, 7.25]
LARGE = [19.0, -19.0, 21.0, -21.0, 40.0, -40.0, 87.0, -87.0]
ALL = TINY + USUAL + LARGE
POSITIVE = [abs(v) for v in ALL if v] + [1e9, 3e9, 1e30]
SMALL = [v for v in ALL if abs(v) < 1]

FUNCTIONS = {
    "log1p": (torch.log1p, SMALL + [5.0, 1e10, 1e38]),
    "expm1": (torch.expm1, [v for v in ALL if v > -15]),
    "sinh": (torch.sinh, ALL),
    "cosh": (torch.cosh, ALL),
    "asinh": (torch.asinh, ALL + [1e10, -1e15]),
    "acosh": (torch.acosh, [1.5, 2.0, 1e3, 1e10]),
    "atanh": (torch.atanh, SMALL),
    "log2_log10": (lambda x: x.log2() + x.log10(), POSITIVE),
    "sqrt_rsqrt": (lambda x: x.sqrt() + x.rsqrt(), [v for v in POSITIVE if v > 1e-9]),
    "exp2": (torch.exp2, USUAL + [20.0, -20.0]),
    "round": (lambda x: x.round() + x * 0, ALL + [2.0**23 + 1, 2.0**24 - 1, -(2.0**23) - 1]),
    "floor_ceil_trunc": (lambda x: x.floor() + x.ceil() * 10 + x.trunc() + x.frac(), ALL),
    "sigmoid": (torch.sigmoid, [v for v in ALL if v < 7]),
    "softplus": (F.softplus, ALL),
    "softplus_beta": (lambda x: F.softplus(x, beta=2, threshold=5), ALL),
    "logsigmoid": (F.logsigmoid, ALL),
    "silu": (F.silu, ALL),
    "mish": (F.mish, ALL),
    "gelu": (F.gelu, [v for v in USUAL if v > -2] + TINY),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), [v for v in USUAL if v > -2] + TINY),
    "elu": (F.elu, ALL),
    "celu_selu": (lambda x: F.celu(x, 0.5) + F.selu(x), ALL),
    "hardtanh_relu6": (lambda x: F.hardtanh(x) + F.relu6(x), ALL),
    "hardswish": (F.hardswish, ALL),
    "hardsigmoid": (F.hardsigmoid, ALL),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.1) + F.relu(x), ALL),
    "shrink": (lambda x: F.softshrink(x) + F.hardshrink(x) + F.tanhshrink(x), USUAL),
    "softsign": (F.softsign, ALL),
    "threshold": (lambda x: F.threshold(x, 0.3, -1.0), ALL),
    "power_0": (lambda x: x**0 + x, ALL),
    "power_1": (lambda x: x**1, ALL),
    "power_3": (lambda x: x**3, ALL),
    "power_9": (lambda x: x**9, USUAL),
    "power_minus_2": (lambda x: x**-2, USUAL),
    "power_fraction": (lambda x: x**1.7, [v for v in POSITIVE if 1e-9 < v < 1e4]),
    "power_of_negative": (lambda x: (x**0.3).detach() + x, USUAL),
    "power_base": (lambda x: 0.5**x + 2.0**x, USUAL),
    "erf": (torch.erf, ALL),
    "sign_abs": (lambda x: x.sign() * 2 + x.abs(), ALL),
    "xlogy": (lambda x: torch.xlogy(x, x.abs() + 0.5) + torch.xlogy(0.0, x.abs()), USUAL),
    "reciprocal": (torch.reciprocal, USUAL),
    "sin": (torch.sin, ALL),
    "cos": (torch.cos, ALL),
    "sin_of_large_angles": (torch.sin, [100.5, -1000.25, 3000.125, -8191.5]),
    "tan": (torch.tan, [v for v in ALL if abs(v) < 1.5 or abs(v) > 18]),
    "sinc": (torch.sinc, [0.7, -1.3, 2.5, 3.25, -7.4]),
    "asin": (torch.asin, SMALL + [0.5, -0.5, 0.9]),
    "acos": (torch.acos, [v for v in SMALL if abs(v) > 1e-3] + [0.5, -0.5, 0.9]),
    "atan": (torch.atan, ALL + [1e30, -1e30]),
    "atan2": (lambda x: torch.atan2(x, x.flip(0) * 2 - 0.3), USUAL + LARGE),
    "erfc": (torch.erfc, [v for v in ALL if v < 9]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function__whole_range__like_float64(name: str) -> None:
    function, values = FUNCTIONS[name]
    assert len(values) >= 4
    check_operator(function, [torch.tensor(values)], tolerance=2e-5, each=True)


def test_power__tensors_of_every_sign__like_float64() -> None:
    base = torch.tensor([2.0, -2.0, -2.0, -3.0, 0.0, 0.0, 1.0, -1.0, 0.5, -0.5])
    exponent = torch.tensor([1.5, 3.0, -2.0, 0.0, 2.0, 0.0, 9.0, 5.0, -3.0, -1.0])
    check_operator(lambda x: (x.detach() ** exponent.to(x.dtype) + x * 0,), [base])
    index = torch.tensor([1, 3, 2, 0, 2, 0, 5, 4, 3, 1])
    check_operator(lambda x, i: x**i, [base + 0.25], [index])


def test_softplus__very_negative__keeps_its_relative_size() -> None:
    captured = check_operator(F.softplus, [torch.tensor(-30.0)])
    assert captured.program.operators
    assert math.isclose(F.softplus(torch.tensor(-30.0)).item(), math.exp(-30), rel_tol=1e-5)


BINARY = {
    "add": lambda x, y: torch.add(x, y, alpha=0.5),
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / (y.abs() + 0.5),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "where": lambda x, y: torch.where(x > y, x, y * 2),
    "hypot": lambda x, y: torch.hypot(x, y),
    "logaddexp": torch.logaddexp,
    "lerp": lambda x, y: torch.lerp(x, y, 0.3),
    "masked_fill": lambda x, y: (x + y).masked_fill(y > 0, 2.0),
}


@pytest.mark.parametrize("name", BINARY)
def test_binary__any_shapes_and_layouts__like_float64(name: str) -> None:
    met: Counter[str] = Counter()

    @FEW
    @given(st.data())
    def check(data: st.DataObject) -> None:
        shape = [data.draw(st.integers(1, 4)) for _ in range(data.draw(st.integers(0, 3)))]
        other = [data.draw(st.sampled_from([n, n, 1])) for n in shape]
        other = other[data.draw(st.integers(0, len(other))) :]
        x, y = data.draw(tensors(shape)), data.draw(tensors(other))
        check_operator(BINARY[name], [x, y])
        met["broadcast"] += other != shape
        met[x.layout] += 1
        met[y.layout] += 1

    check()
    assert met["broadcast"] and len(met) >= 5, met


@pytest.mark.parametrize(
    "function",
    [
        lambda x, i: i.abs() * x,
        lambda x, i: (i.remainder(4) + i.relu() + i.sign().clamp(0, 1)) * x,
        lambda x, i: (i & 7) // 3 * x + (i & 7) % 3 * x,
        lambda x, i: (i - 3 + 2 * (i > 0)) * x,
        lambda x, i: (i & 7).amax(0) * x + (i & 7).amin() * x,
        lambda x, i: ((i & 7) ** 2).sum() * x + (i > 0).sum(0) * x,
        lambda x, i: (-i).to(torch.float32).to(x.dtype) * x + i.bool() * x,
        lambda x, i: torch.where(i > 0, i, -1) * x + i.eq(2).logical_not() * x,
    ],
)
def test_integers__arithmetic_and_promotion__like_pytorch(function) -> None:  # type: ignore[no-untyped-def]
    check_operator(function, [torch.randn(2, 4)], [torch.tensor([[3, -1, 0, 6], [-7, 2, 5, 1]])])


EMPTY = {
    "cat": lambda x: torch.cat([x[:, :0], x, x[:, 2:2]], 1),
    "sum": lambda x: x[:0].sum(0) + x[0],
    "sum_all": lambda x: x[:, :0].sum() + x,
    "product": lambda x: x[:, :0] @ x[:0, :] + x,
    "slice": lambda x: x[1:1].reshape(0, 2, 2).flatten(1).sum(0) + x,
    "mean": lambda x: x[:, :0].mean(1).nan_to_num(0.5) + x[:, 0],
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty__parts_without_elements__like_pytorch(name: str) -> None:
    check_operator(EMPTY[name], [torch.randn(4, 4)], tolerance=6e-4)
