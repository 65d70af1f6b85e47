"""Extremes with positions, sorting, running sums and products."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from offchain.capture import UnsupportedOperator
from tests.unit.offchain.capture.operator_checks import FEW, Argument, check_operator, tensors

FUNCTIONS = {
    "max": lambda x, axis: tuple(x.max(axis)),
    "min": lambda x, axis: tuple(x.min(axis, keepdim=True)),
    "argmax": lambda x, axis: (x.argmax(axis), x * 1.0),
    "argmin": lambda x, axis: (x.argmin(axis, keepdim=True), x.argmin()),
    "sort": lambda x, axis: tuple(x.sort(dim=axis, stable=True)),
    "sort_down": lambda x, axis: tuple(x.sort(dim=axis, stable=True, descending=True)),
    "topk": lambda x, axis: (x.topk(1, axis).values, x.topk(1, axis, largest=False).values),
    "cumsum": lambda x, axis: x.cumsum(axis),
    "cumprod": lambda x, axis: x.cumprod(axis),
    "prod": lambda x, axis: x.prod(axis),
}
WITHOUT_NAN = {"prod", "cumprod", "topk"}  # the gradient of 0 and NaN: no number either way


@pytest.mark.parametrize("name", FUNCTIONS)
def test_ordering__any_axis_ties_and_nan__like_float64(name: str) -> None:
    met: Counter[str] = Counter()

    @FEW
    @given(st.data())
    def check(data: st.DataObject) -> None:
        shape = [data.draw(st.integers(1, 5)) for _ in range(data.draw(st.integers(1, 3)))]
        axis = data.draw(st.integers(-len(shape), len(shape) - 1))
        x = data.draw(tensors(shape))
        if name not in WITHOUT_NAN:
            value = x.value.round()
            if x.layout != "expanded" and data.draw(st.booleans()):
                value.view(-1)[data.draw(st.integers(0, value.numel() - 1))] = torch.nan
                met["nan"] += 1
            x = Argument(value, x.layout)
        check_operator(lambda x: FUNCTIONS[name](x, axis), [x])
        met["long"] += shape[axis] > 1
        met["one"] += shape[axis] == 1

    check()
    assert met["long"] >= 2 and met["one"] >= 1 and (name in WITHOUT_NAN or met["nan"]), met


def test_topk__several_of_each_line__like_float64() -> None:
    check_operator(lambda x: x.topk(3, 1), [Argument(torch.randn(2, 5, 3), "permuted")])


def test_sort__integers__like_pytorch() -> None:
    index = torch.tensor([[3, 1, 2, 1], [0, 5, 5, -2]])
    check_operator(
        lambda x, i: (
            x * i.sort(dim=1, stable=True).values,
            i.argsort(dim=1, stable=True, descending=True),
        ),
        [torch.randn(2, 4)],
        [index],
    )


def test_cumsum__integers_and_booleans__like_pytorch() -> None:
    index = torch.tensor([[3, 1, 0, 1], [0, 5, 5, -2]])
    check_operator(
        lambda x, i: (x * i.cumsum(1), (i > 0).cumsum(0), (i > 0).long().cumsum(1) * (i > 0)),
        [torch.randn(2, 4)],
        [index],
    )


def test_sort__too_many_comparisons__is_refused(capture_module) -> None:  # type: ignore[no-untyped-def]
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4096))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.weight.sort().values * x).sum()

    module = Model()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(UnsupportedOperator, match="sorting 1 lines of 4096 elements: more than"):
        capture_module(module, optimizer, {"x": torch.zeros(1, 4096)})


@pytest.mark.parametrize("axis", [0, 1])
def test_extremes__integers_beyond_float32__are_exact(axis: int) -> None:
    large = 2**31 - 1
    x = torch.tensor(
        [
            [large, large - 1, -large - 1, 5, 2**24 + 1, -(2**24) - 1],
            [large - 1, large, -large, 5, 2**24, -(2**24)],
            [0, large, -1, -65536, 65535, -65537],
        ]
    )
    check_operator(
        lambda y, x: (*x.max(axis), *x.min(axis), x.argmax(axis), x.argmin(), y * 1.0),
        [torch.randn(2)],
        [x],
    )
