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
