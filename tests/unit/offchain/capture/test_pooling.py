"""Pooling, forward and backward, with PyTorch's rules for ties, NaN, padding and part windows."""

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.offchain.capture.operator_checks import FEW, Argument, check_operator, tensors

MAXIMUM = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_MAXIMUM = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
ADAPTIVE_AVERAGE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def spoil(data: st.DataObject, argument: Argument, met: Counter[str]) -> Argument:
    """The argument with ties, and sometimes a NaN."""
    value = argument.value.round()
    if data.draw(st.sampled_from([True, True, False])) and argument.layout != "expanded":
        flat = value.flatten()
        flat[data.draw(st.integers(0, flat.numel() - 1))] = torch.nan
        value = flat.reshape(value.shape)
        met["nan"] += 1
    return Argument(value, argument.layout)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_pooling__any_geometry__like_float64(count: int, largest: bool) -> None:
    met: Counter[str] = Counter()

    @FEW
    @given(st.data())
    def check(data: st.DataObject) -> None:
        def each(low: int, high: int) -> list[int]:
            return [data.draw(st.integers(low, high)) for _ in range(count)]

        kernel, stride = each(1, 3), each(1, 3)
        padding = [min(p, k // 2) for p, k in zip(each(0, 1), kernel)]
        partial = data.draw(st.booleans())
        dilation = each(1, 2) if largest else [1] * count
        lengths = [d * (k - 1) + 1 + extra for d, k, extra in zip(dilation, kernel, each(0, 3))]
        shape = (data.draw(st.integers(1, 2)), 2, *lengths)
        x = data.draw(tensors(shape))
        if largest:
            x = spoil(data, x, met)
            check_operator(
                lambda x: MAXIMUM[count](
                    x, kernel, stride, padding, dilation, partial, return_indices=True
                ),
                [x],
            )
        else:
            include = data.draw(st.booleans())
            divisor = data.draw(st.sampled_from([None, None, 5])) if count > 1 else None
            rest = (divisor,) if count > 1 else ()
            check_operator(
                lambda x: AVERAGE[count](x, kernel, stride, padding, partial, include, *rest), [x]
            )
        met["padded"] += max(padding) > 0
        met["partial"] += partial
        met["overlapping"] += any(k > s for k, s in zip(kernel, stride))
        met["apart"] += all(k <= s for k, s in zip(kernel, stride))

    check()
    assert min(met.values()) >= 1 and len(met) >= 4 + largest, met


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3, 2), (4, 5, 3)])
def test_adaptive_pooling__uneven_windows__like_float64(count: int, sizes: tuple[int, ...]) -> None:
    x = torch.randn(2, 2, *(4, 5, 3)[:count]).round()
    check_operator(lambda x: ADAPTIVE_AVERAGE[count](x, sizes[:count]), [x])
    check_operator(
        lambda x: ADAPTIVE_MAXIMUM[count](x, sizes[:count], return_indices=True),
        [Argument(x, "permuted")],
    )
