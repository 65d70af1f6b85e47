"""What cannot be captured is named with its place, before anything is made."""

import inspect

import pytest
import torch
from torch import nn

from offchain.capture import UnsupportedOperator
from offchain.capture.places import get_short_path


class Model(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.function = function

    def forward(self, x):
        return self.function(self.layer(x))


def use_double(y):
    return y.double().exp().sum().float()


def use_item(y):
    return y.sum() * y[0, 0].item()


def use_mask(y):
    return y[y > 0].sum()


def use_median(y):
    return y.median(0).values.sum()


def use_polar(y):
    return torch.view_as_real(torch.polar(y, y)).sum()


def use_fourier(y):
    return torch.fft.fft(y).real.sum()


def use_lgamma(y):
    return y.lgamma().sum()


@pytest.mark.parametrize(
    ("function", "operation", "reason"),
    [
        (use_lgamma, "aten.lgamma.default", "the instruction set cannot express it"),
        (use_polar, "aten.polar.default", "torch.complex64"),
        (use_fourier, "aten._fft_r2c.default", "no lowering"),
        (use_double, "aten._to_copy.default", "torch.float64"),
        (use_item, "aten._local_scalar_dense.default", ""),
        (use_mask, "aten.index.Tensor", "no fixed shape"),
        (use_median, "aten.median", "no lowering"),
    ],
)
def test_capture__unsupported__names_operation_file_line_and_code(
    capture_module, function, operation, reason
):
    module = Model(function)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    lines, start = inspect.getsourcelines(function)
    with pytest.raises(UnsupportedOperator) as caught:
        capture_module(module, optimizer, {"x": torch.zeros(2, 4)})
    message = str(caught.value)
    assert message.startswith(operation)
    assert reason in message
    assert f"test_unsupported.py:{start + 1}" in message
    assert message.endswith(lines[1].strip())


def test_get_short_path__package_or_elsewhere__says_nothing_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    packages = tmp_path / "env" / "lib" / "site-packages"
    assert get_short_path(str(packages / "library" / "model.py")) == "library/model.py"
    assert get_short_path(str(tmp_path / "mine" / "model.py")) == "mine/model.py"
    assert get_short_path("/one/two/three/model.py") == "three/model.py"
