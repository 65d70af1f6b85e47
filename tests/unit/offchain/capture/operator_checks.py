"""One operation by itself: its results and gradients against float64 PyTorch, and the fast kernels
against the specification, bit for bit.

The float arguments are parameters that lie in memory in some layout (axes permuted, gaps, read
backwards, repeated), so that operators meet views of every kind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import Phase, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from offchain.capture import Captured, FieldSpec, capture
from offchain.kernels.maps import canonicalize
from offchain.kernels.reading import to_torch
from offchain.kernels.settings import numeric_settings
from offchain.runner.plan import Plan
from protocol.execution import execute_step
from protocol.validation import validate

EXACT = 4e-6  # relative to the largest element: operators without a product of 15 bits
PRODUCT = 6e-4

# An example is a whole capture, half a second: shrinking one takes longer than reading it.
FEW = settings(max_examples=10, phases=(Phase.explicit, Phase.generate))

LAYOUTS = ("plain", "permuted", "flipped", "gaps", "expanded")


@dataclass(frozen=True)
class Argument:
    """A float tensor and how it lies in memory."""

    value: Tensor
    layout: str = "plain"

    def store(self) -> Tensor:
        """What the parameter holds."""
        x = self.value
        match self.layout:
            case "permuted":
                return x.permute(tuple(reversed(range(x.dim())))).contiguous()
            case "flipped":
                return x.flip(list(range(x.dim())))
            case "gaps" if x.dim():
                return torch.stack([x, torch.full_like(x, 7.0)], -1).flatten(-2)
            case "expanded" if x.dim():
                return x[:1].clone()
        return x.clone()

    def load(self, stored: Tensor) -> Tensor:
        """The argument, from the parameter."""
        match self.layout:
            case "permuted":
                return stored.permute(tuple(reversed(range(stored.dim()))))
            case "flipped":
                return stored.flip(list(range(stored.dim())))
            case "gaps" if stored.dim():
                return stored[..., ::2]
            case "expanded" if stored.dim():
                return stored.expand(self.value.shape)
        return stored


class Checked(nn.Module):
    """A function of parameters and integers, whose results are kept in buffers."""

    def __init__(
        self,
        function: Callable[..., object],
        arguments: Sequence[Argument],
        integers: Sequence[Tensor],
    ):
        super().__init__()
        self.function, self.arguments = function, arguments
        self.values = nn.ParameterList(argument.store() for argument in arguments)
        with torch.no_grad():
            results = self.compute([integer[None] for integer in integers])
        generator = torch.Generator().manual_seed(0)
        self.factors = []
        for number, result in enumerate(results):
            self.register_buffer(f"result_{number}", torch.zeros_like(result))
            self.factors.append(torch.randn(result.shape, generator=generator))

    def compute(self, integers: Sequence[Tensor]) -> tuple[Tensor, ...]:
        loaded = [a.load(value) for a, value in zip(self.arguments, self.values)]
        results = self.function(*loaded, *(integer[0] for integer in integers))
        return results if isinstance(results, tuple) else (results,)

    def forward(self, **integers: Tensor) -> Tensor:
        loss = sum(value.sum() * 0.0 for value in self.values)
        for number, result in enumerate(self.compute(list(integers.values()))):
            self.get_buffer(f"result_{number}").copy_(result.detach())
            if result.is_floating_point() and result.requires_grad:
                loss = loss + (result * self.factors[number].to(result.dtype)).sum()
        return loss


def _run(captured: Captured, batch: Sequence[Tensor]) -> dict[str, np.ndarray]:
    """State after a step, by the specification; the fast kernels must agree on every operator."""
    program = captured.program
    arrays = tuple(t.numpy().astype(np.int32) for t in batch)
    outputs = execute_step(program, captured.genesis, arrays)
    compared = 0

    def compare(operator: int, output: Tensor) -> None:
        nonlocal compared
        output = canonicalize(output) if output.dtype is torch.float32 else output
        assert output.numpy().tobytes() == np.ascontiguousarray(outputs[operator]).tobytes(), (
            program.describe(operator)
        )
        compared += 1

    with numeric_settings(threads=1):
        Plan(program, torch.device("cpu")).execute(
            tuple(to_torch(a) for a in captured.genesis),
            tuple(t.to(torch.int32) for t in batch),
            observe=compare,
        )
    assert compared == len(program.operators)
    return {slot.name: outputs[slot.producer].reshape(slot.shape) for slot in program.slots}


def assert_close(
    name: str, result: np.ndarray, expected: Tensor, tolerance: float, each: bool = False
) -> None:
    """Relative to the largest expected element, or `each` to itself; NaN and infinities in the
    same places.
    """
    want = expected.detach().double().numpy()
    assert result.shape == want.shape, name
    finite = np.isfinite(want)
    assert np.array_equal(np.isfinite(result), finite), (name, result, want)
    assert np.array_equal(result[~finite], want[~finite], equal_nan=True), (name, result, want)
    if finite.any():
        sizes = np.abs(want[finite])
        errors = np.abs(result[finite] - want[finite]) / np.maximum(
            sizes if each else sizes.max(), 1e-30
        )
        worst = errors.argmax()
        assert errors.max() <= tolerance, (name, errors.max(), tolerance, want[finite][worst])


def check_operator(
    function: Callable[..., object],
    arguments: Sequence[Argument | Tensor],
    integers: Sequence[Tensor] = (),
    tolerance: float = EXACT,
    each: bool = False,
) -> Captured:
    """Capture, run and compare results and gradients; returns what was captured."""
    given = [a if isinstance(a, Argument) else Argument(a) for a in arguments]
    module = Checked(function, given, integers)
    batch = {f"integer_{n}": integer[None] for n, integer in enumerate(integers)}
    fields = {
        name: FieldSpec(t.dtype, tuple(t.shape[1:]), max(1, t.numel())) for name, t in batch.items()
    }
    # With momentum the optimiser's state after one step is the gradient itself.
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0, momentum=0.9)
    captured = capture(module, optimizer, fields, 1)
    validate(captured.program)
    state = _run(captured, list(batch.values()))
    exact = Checked(function, given, integers).double()
    loss = exact(**batch)
    loss.backward()
    for name, buffer in exact.named_buffers():
        if buffer.is_floating_point():
            assert_close(name, state[name], buffer, tolerance, each)
        else:
            assert np.array_equal(state[name], buffer.numpy()), name
    for name, value in exact.named_parameters():
        assert value.grad is not None
        # Scalars that are equal at genesis and stay equal are one slot.
        gradient = state.get(f"optimizer.{name}.momentum_buffer")
        gradient = state["optimizer.momentum_buffer"] if gradient is None else gradient
        assert_close(f"gradient of {name}", gradient, value.grad, tolerance, each)
    return captured


@st.composite
def tensors(
    draw: st.DrawFn, shape: Sequence[int], low: float = -3.0, high: float = 3.0
) -> Argument:
    """Normal numbers between bounds, in some layout; float32 values, so float64 sees the same."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    value = torch.randn(tuple(shape), generator=generator).clamp(low, high)
    layout = draw(st.sampled_from(LAYOUTS))
    if layout == "expanded" and value.dim():
        value = value[:1].expand(tuple(shape)).clone()
    return Argument(value, layout)
