"""Convolutions of one to three dimensions, forward and backward."""

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.offchain.capture.operator_checks import FEW, PRODUCT, check_operator, tensors

FORWARD = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_convolution__any_geometry__like_float64(count: int) -> None:
    met: Counter[str] = Counter()

    @FEW
    @given(st.data())
    def check(data: st.DataObject) -> None:
        def each(low: int, high: int) -> list[int]:
            return [data.draw(st.integers(low, high)) for _ in range(count)]

        groups = data.draw(st.sampled_from([1, 1, 2, 3]))
        filters, channels = groups * data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
        kernel, stride, dilation = each(1, 3), each(1, 3), each(1, 2)
        padding = [min(p, d * (k - 1)) for p, k, d in zip(each(0, 2), kernel, dilation)]
        transposed = data.draw(st.booleans())
        batch, outputs = data.draw(st.integers(1, 2)), each(1, 3)
        if transposed:
            extra = [max(0, min(e, s - 1)) for e, s in zip(each(0, 1), stride)]
            lengths = outputs
            shape = (filters, channels, *kernel)
            x = data.draw(tensors((batch, filters, *lengths)))
            sizes = [
                (n - 1) * s - 2 * p + d * (k - 1) + e + 1
                for n, s, p, d, k, e in zip(lengths, stride, padding, dilation, kernel, extra)
            ]
            if min(sizes) < 1:
                return
            bias = data.draw(tensors((channels * groups,)))
            check_operator(
                lambda x, w, b: TRANSPOSED[count](
                    x, w, b, stride, padding, extra, groups, dilation
                ),
                [x, data.draw(tensors(shape)), bias],
                tolerance=PRODUCT,
            )
        else:
            slack = each(0, 1)
            lengths = [
                max(1, (o - 1) * s + d * (k - 1) + 1 - 2 * p + (r if s > 1 else 0))
                for o, s, d, k, p, r in zip(outputs, stride, dilation, kernel, padding, slack)
            ]
            reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
            if any(n + 2 * p < r for n, p, r in zip(lengths, padding, reach)):
                return
            x = data.draw(tensors((batch, groups * channels, *lengths)))
            w, bias = (
                data.draw(tensors((filters, channels, *kernel))),
                data.draw(tensors((filters,))),
            )
            check_operator(
                lambda x, w, b: FORWARD[count](x, w, b, stride, padding, dilation, groups),
                [x, w, bias],
                tolerance=PRODUCT,
            )
        met["transposed"] += transposed
        met["grouped"] += groups > 1
        met["strided"] += max(stride) > 1
        met["dilated"] += max(dilation) > 1
        met["padded"] += max(padding) > 0

    check()
    assert min(met.values()) >= 1 and len(met) == 5, met


def test_convolution__padding_by_name__like_float64() -> None:
    x, w = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 3, 2)
    check_operator(lambda x, w: F.conv2d(x, w, padding="same"), [x, w], tolerance=PRODUCT)


def test_convolution__one_image_without_batch__like_float64() -> None:
    x, w = torch.randn(3, 5, 4), torch.randn(2, 3, 3, 2)
    check_operator(lambda x, w: F.conv2d(x, w), [x, w], tolerance=PRODUCT)


@pytest.mark.parametrize("stride", [1, 2])
def test_unfold_and_fold__windows__like_float64(stride: int) -> None:
    x = torch.randn(2, 3, 5, 6)
    check_operator(lambda x: F.unfold(x, (3, 2), dilation=(1, 2), padding=1, stride=stride), [x])
    columns = F.unfold(x, (3, 2), dilation=(1, 2), padding=1, stride=stride)
    check_operator(
        lambda c: F.fold(c, (5, 6), (3, 2), dilation=(1, 2), padding=1, stride=stride), [columns]
    )
