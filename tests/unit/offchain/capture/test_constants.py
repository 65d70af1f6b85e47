"""What depends on no input: scalars, positions, state, or computed where it is large."""

import pytest
import torch
from torch import nn

WIDTH = 4


class Scaled(nn.Module):
    def __init__(self, make, width=WIDTH):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.make = make

    def forward(self, x):
        return (self.weight * x * self.make()).sum()


@pytest.fixture
def captured_kinds(capture_module):
    def get(make, width=WIDTH):
        module = Scaled(make, width)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        captured = capture_module(module, optimizer, {"x": torch.ones(2, width)})
        return captured, {o.kind for o in captured.program.operators}

    return get


def test_constant__splat__is_a_scalar(captured_kinds):
    captured, kinds = captured_kinds(lambda: torch.ones(WIDTH).exp() * 2)
    assert captured.slot_names == ("weight",)
    assert "exp" not in kinds
    full = [o for o in captured.program.operators if o.kind == "full"]
    assert all(o.attributes["shape"] == () for o in full)


def test_constant__positions__are_an_arange(captured_kinds):
    captured, kinds = captured_kinds(lambda: torch.arange(WIDTH))
    assert captured.slot_names == ("weight",)
    assert "arange" in kinds


def test_constant__small_table__is_state_that_stays(captured_kinds, execute):
    captured, _ = captured_kinds(lambda: torch.arange(WIDTH).float().cos())
    assert captured.slot_names == ("weight", "constant.0")
    slot = captured.program.slots[1]
    assert captured.program.operators[slot.producer].kind == "load_state"
    table = torch.arange(WIDTH).float().cos().numpy()
    assert captured.genesis[1].tobytes() == table.tobytes()
    after = execute(captured, [{"x": torch.ones(2, WIDTH)}])
    assert after.state["constant.0"].tobytes() == table.tobytes()


def test_constant__same_table_twice__is_one_slot(captured_kinds):
    def make():
        return torch.tensor([1.0, 2, 3, 5]) * torch.tensor([1.0, 2, 3, 5])

    captured, _ = captured_kinds(make)
    assert captured.slot_names == ("weight", "constant.0")


def test_constant__large_mask__is_computed(captured_kinds):
    width = 5000
    captured, kinds = captured_kinds(lambda: torch.arange(width).float().lgamma(), width)
    assert "constant.0" in captured.slot_names  # nothing computes it
    captured, kinds = captured_kinds(lambda: torch.arange(width).sub(2500).ge(0).float(), width)
    assert captured.slot_names == ("weight",)
    assert {"arange", "int_sub", "int_le"} <= kinds


def test_constant__integer_outside_i32__is_refused(captured_kinds):
    from offchain.capture import CaptureError

    with pytest.raises(CaptureError, match="do not fit i32|does not fit i32"):
        captured_kinds(lambda: torch.tensor([1, 2**40, 3, 4]))


class Rotary(nn.Module):
    """As rotary tables are computed: from a buffer, in every step."""

    def __init__(self, trains=False):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))
        self.register_buffer("frequencies", 1.0 / 10 ** torch.arange(WIDTH), persistent=False)
        self.trains = trains

    def forward(self, x):
        if self.trains:
            self.frequencies.mul_(0.5)
        table = (torch.arange(9.0)[:, None] @ self.frequencies[None, :]).cos()
        return (self.weight * x * table[2]).sum()


def test_constant__from_a_buffer_that_stays__is_computed_at_capture(capture_module, execute):
    module, batch = Rotary(), {"x": torch.ones(2, WIDTH)}
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    captured = capture_module(module, optimizer, batch)
    assert captured.slot_names == ("weight", "frequencies", "constant.0")
    assert not {"matmul"} & {o.kind for o in captured.program.operators}
    losses = execute(captured, [batch]).losses
    assert losses[0] == pytest.approx(module(**batch).item(), rel=1e-6)


def test_constant__from_a_buffer_that_changes__is_computed_in_every_step(capture_module, execute):
    module, batch = Rotary(trains=True), {"x": torch.ones(2, WIDTH)}
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    captured = capture_module(module, optimizer, batch)
    assert {"matmul", "floor"} <= {o.kind for o in captured.program.operators}
    losses = execute(captured, [batch, batch]).losses
    for loss in losses:
        expected = module(**batch)
        assert loss == pytest.approx(expected.item(), rel=1e-5)
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
