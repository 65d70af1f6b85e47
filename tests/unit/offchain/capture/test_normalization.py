"""Normalisations, and the running statistics that training keeps."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.unit.offchain.capture.operator_checks import Argument, check_operator

SHAPES = {1: (4, 4), 2: (3, 4, 5), 3: (2, 4, 3, 2), 4: (2, 4, 1, 3, 2)}
FUNCTIONS = {
    "group": lambda x, w, b: F.group_norm(x, 2, w, b),
    "group_plain": lambda x, w, b: F.group_norm(x, 4),
    "batch": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    "batch_plain": lambda x, w, b: F.batch_norm(x, None, None, training=True),
    "batch_evaluated": lambda x, w, b: F.batch_norm(
        x, torch.full((4,), 0.3).to(x.dtype), torch.full((4,), 2.0).to(x.dtype), w, b
    ),
    "layer": lambda x, w, b: F.layer_norm(x.transpose(1, -1), (4,), w, b),
    "layer_weight": lambda x, w, b: F.layer_norm(x.transpose(1, -1), (4,), w),
    "layer_axes": lambda x, w, b: F.layer_norm(x, x.shape[1:]),
    "rms": lambda x, w, b: F.rms_norm(x.transpose(1, -1), (4,), w),
    "instance": lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
    "local": lambda x, w, b: F.local_response_norm(x, 3),
    "unit": lambda x, w, b: F.normalize(x, dim=1) + F.normalize(x, p=1, dim=0),
    "moments": lambda x, w, b: (x.var(0), x.std(1, correction=0), *torch.var_mean(x), x.std()),
    "norms": lambda x, w, b: (
        x.norm(),
        x.norm(p=1, dim=1),
        x.norm(p=3),
        x.abs().amax(),
        x.logsumexp(1),
    ),
}


@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_normalization__any_rank__like_float64(name: str, rank: int) -> None:
    if rank == 1 and name in ("instance", "local", "group", "group_plain"):
        return
    layout = ["plain", "permuted", "flipped", "gaps"][rank - 1]
    x = Argument(torch.randn(*SHAPES[rank]) * 2 + 1, layout)
    w, b = torch.randn(4), torch.randn(4)
    check_operator(
        lambda x, w, b: as_tuple(FUNCTIONS[name](x, w, b), w, b), [x, w, b], tolerance=3e-5
    )


def as_tuple(result: object, *unused: torch.Tensor) -> tuple[torch.Tensor, ...]:
    results = result if isinstance(result, tuple) else (result,)
    return (*results, *(value * 1.0 for value in unused))


@pytest.mark.parametrize("momentum", [0.1, 0.9])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm__several_steps__running_statistics_like_pytorch(
    compare_training: Callable[..., object], momentum: float, affine: bool
) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv1d(2, 3, 3)
            self.norm = nn.BatchNorm1d(3, momentum=momentum, affine=affine)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.norm(self.layer(x)) * torch.linspace(-1, 1, 6)).pow(2).mean()

    torch.manual_seed(0)
    module = Model()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    batches = [{"x": torch.randn(4, 2, 8) + step} for step in range(3)]
    compare_training(module, optimizer, batches, tolerance=1e-3)
    assert module.norm.num_batches_tracked == 3
