"""Operations that are taken apart while the step is recorded."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from offchain.capture import FieldSpec, UnsupportedOperator, capture
from offchain.capture.self_check import check_step
from tests.unit.offchain.capture.operator_checks import check_operator

ROWS, INNER, OUTER, GROUPS = 8, 4, 8, 3  # grouped_mm asks for multiples of 16 bytes


@pytest.mark.parametrize(("low", "high", "bins"), [(0, 3, 4), (-1, 1, 2), (-0.5, 2.5, 5)])
def test_histc__edges_and_values_outside__like_pytorch(low: float, high: float, bins: int) -> None:
    index = torch.tensor([[3, 1, 0, 1], [2, 5, 3, -2]])
    check_operator(
        lambda x, i: (x * 1.0, torch.histc(i.to(x.dtype), bins, low, high)),
        [torch.randn(2)],
        [index],
    )


class Grouped(nn.Module):
    """Rows multiplied by the matrix of their group, which the batch says."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(GROUPS, INNER, OUTER))
        self.second = nn.Parameter(torch.randn(GROUPS, INNER, OUTER))

    def forward(self, x: Tensor, group: Tensor) -> Tensor:
        numbers, order = torch.sort(group[:, 0])
        counts = torch.histc(numbers.float(), GROUPS, 0, GROUPS - 1)
        ends = counts.cumsum(0, dtype=torch.int32)
        y = torch.tanh(F.grouped_mm(x[order], self.first, offs=ends))
        y = F.grouped_mm(y, self.second.mT, offs=ends)
        return (y**2).mean()


@pytest.mark.parametrize("groups", [[0, 1, 2, 0, 1, 2, 2, 2], [2, 0, 2, 0, 2, 0, 2, 2], [1] * ROWS])
def test_grouped_mm__groups_of_any_size__learns_like_pytorch(groups: list[int]) -> None:
    torch.manual_seed(0)
    module = Grouped()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    fields = {"x": FieldSpec(torch.float32, (INNER,), 1), "group": FieldSpec(torch.int64, (1,), 1)}
    captured = capture(module, optimizer, fields, ROWS)
    batch = {"x": torch.randn(ROWS, INNER), "group": torch.tensor(groups)[:, None]}
    check = check_step(module, optimizer, captured, batch)
    assert set(check.parameters) == {"first", "second"}
    assert check.loss < 1e-3 and check.worst[1] < 2e-3


def test_histc__edges_from_the_values__is_refused() -> None:
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor) -> Tensor:
            return (self.scale * torch.histc(x, 4)).sum()

    module = Module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(UnsupportedOperator, match="aten.histc"):
        capture(module, optimizer, {"x": FieldSpec(torch.float32, (4,), 4)}, 2)


@pytest.mark.parametrize("p", [1, 2])
def test_cdist__pairs_of_rows__like_pytorch(p: int) -> None:
    x, y = torch.randn(2, 3, 5), torch.randn(2, 4, 5)
    check_operator(lambda x, y: torch.cdist(x, y, p=p), [x, y])


def test_pdist__rows__like_pytorch() -> None:
    check_operator(lambda x: F.pdist(x), [torch.randn(5, 3)])


def test_masked_scatter__mask_with_gaps__like_pytorch() -> None:
    mask = torch.tensor([[1, 0, 1], [0, 1, 0], [0, 0, 0]])
    check_operator(
        lambda x, source, mask: x.masked_scatter(mask.bool(), source),
        [torch.randn(3, 3), torch.randn(2, 2)],
        [mask],
    )


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("padding", [None, 2])
def test_embedding_bag__bags_of_any_size__like_pytorch(mode: str, padding: int | None) -> None:
    indices, offsets = torch.tensor([0, 2, 4, 1, 2, 3]), torch.tensor([0, 2, 2, 3])
    weight = torch.randn(5, 3)
    check_operator(
        lambda w, i, o: F.embedding_bag(i, w, o, mode=mode, padding_idx=padding),
        [weight],
        [indices, offsets],
    )
    check_operator(
        lambda w, i: F.embedding_bag(i.view(2, 3), w, mode=mode, padding_idx=padding),
        [weight],
        [indices],
    )


def test_embedding_bag__maximum__is_refused() -> None:
    with pytest.raises(UnsupportedOperator, match="_embedding_bag"):
        check_operator(
            lambda w, i: F.embedding_bag(i.view(2, 3), w, mode="max"),
            [torch.randn(5, 3)],
            [torch.tensor([0, 2, 4, 1, 2, 3])],
        )


@pytest.mark.parametrize("axis", [0, 2])
def test_weight_norm__convolution__learns_like_pytorch(axis: int) -> None:
    torch.manual_seed(0)
    module = nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 3, 3), dim=axis)

    class Loss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = module

        def forward(self, x: Tensor) -> Tensor:
            return (self.conv(x) ** 2).mean()

    model = Loss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    captured = capture(model, optimizer, {"x": FieldSpec(torch.float32, (2, 8), 1)}, 4)
    check = check_step(model, optimizer, captured, {"x": torch.randn(4, 2, 8)})
    assert len(check.parameters) == 3
    assert check.loss < 1e-3 and check.worst[1] < 2e-3


class Skipping(nn.Module):
    """A layer that is left out at random."""

    def __init__(self, rate: float):
        super().__init__()
        self.layer, self.rate = nn.Linear(3, 3), rate

    def forward(self, x: Tensor) -> Tensor:
        drawn = torch.rand([])
        return x.sum() * self.layer.weight.sum() if drawn < self.rate else self.layer(x).sum()


def test_capture__layer_that_is_never_left_out__is_captured() -> None:
    for rate in (0.0, 1.0):
        module = Skipping(rate)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        captured = capture(module, optimizer, {"x": FieldSpec(torch.float32, (3,), 1)}, 2)
        assert captured.program.operators


def test_capture__layer_that_is_left_out_at_random__is_refused() -> None:
    module = Skipping(0.5)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(UnsupportedOperator, match="a layerdrop of 0"):
        capture(module, optimizer, {"x": FieldSpec(torch.float32, (3,), 1)}, 2)
