"""Resizing and padding by fixed linear maps, forward and backward."""

import pytest
import torch
import torch.nn.functional as F

from tests.unit.offchain.capture.operator_checks import Argument, check_operator

SIZES = (3, 5, 4)
RESIZED = [
    ("nearest", 1, {}),
    ("nearest", 2, {}),
    ("nearest", 3, {}),
    ("nearest-exact", 2, {}),
    ("linear", 1, {}),
    ("bilinear", 2, {}),
    ("bilinear", 2, {"align_corners": True}),
    ("bilinear", 2, {"antialias": True}),
    ("bicubic", 2, {}),
    ("trilinear", 3, {}),
]


@pytest.mark.parametrize("scale", [2, 0.7, 1.3])
@pytest.mark.parametrize(("mode", "count", "options"), RESIZED)
def test_interpolate__by_factor_and_by_size__like_float64(
    scale: float, mode: str, count: int, options: dict[str, bool]
) -> None:
    x = torch.randn(2, 2, *SIZES[:count])
    layout = "flipped" if scale == 2 else "plain"
    check_operator(
        lambda x: F.interpolate(x, scale_factor=scale, mode=mode, **options),
        [Argument(x, layout)],
    )
    if scale == 2:
        sizes = (5, 5, 3)[:count]
        check_operator(lambda x: F.interpolate(x, size=sizes, mode=mode, **options), [x])


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "constant"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_pad__every_mode__like_float64(mode: str, count: int) -> None:
    padding = (1, 2, 0, 1, 2, 1)[: 2 * count]
    x = torch.randn(2, 2, *SIZES[:count])
    check_operator(lambda x: F.pad(x, padding, mode=mode), [Argument(x, "permuted")])


def test_pad__negative__removes() -> None:
    x = torch.randn(3, 4, 5)
    check_operator(lambda x: F.pad(x, (-1, 2, 1, -2), value=0.5), [x])


@pytest.mark.parametrize("scale", [2, 3])
def test_pixel_shuffle__there_and_back__like_float64(scale: int) -> None:
    x = torch.randn(2, 2 * scale * scale, 2, 3)
    check_operator(lambda x: F.pixel_shuffle(x, scale), [x])
    check_operator(lambda x: F.pixel_unshuffle(F.pixel_shuffle(x, scale), scale), [x])
