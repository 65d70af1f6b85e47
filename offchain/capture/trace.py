"""A whole training step as one functional graph of ATen operations.

First the step runs as PyTorch runs it (forward, autograd, the optimiser's in-place updates) over
fake tensors and is recorded; then the record is replayed under functionalisation, which turns
updates into values, and under decompositions.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedOperatorException,
)
from torch.fx import traceback
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import stateless
from torch.optim import Optimizer

from offchain.capture.certain import CertainMode
from offchain.capture.decompositions import RECORDING, get_decompositions
from offchain.capture.errors import (
    CaptureError,
    MalformedLoss,
    SlotNameTaken,
    UnsupportedOperator,
)
from offchain.capture.optimizer import ParameterState, has_started, is_dampened, swapped
from offchain.capture.places import PlaceMode, get_where
from offchain.capture.schedules import Schedule

SCHEDULE_STEP = "schedule.step"


@dataclass(frozen=True)
class Training:
    """What a training loop does around a module and its optimiser."""

    schedule: Schedule | None = None
    clip_norm: float | None = None  # of all gradients together
    clip_value: float | None = None  # of each element of a gradient
    accumulate: int = 1  # parts of the batch whose gradients are averaged


@dataclass(frozen=True)
class Trace:
    """The graph's inputs are the state tensors, then the fields; its outputs the next state
    tensors, then the loss."""

    module: fx.GraphModule
    state: dict[str, Tensor]  # by slot name, in the order of the graph's inputs
    moments: dict[str, str]  # which of them the optimiser keeps -> its own name for it
    buffers: frozenset[str]  # which of them are the module's buffers


def trace_step(
    module: nn.Module,
    optimizer: Optimizer,
    optimizer_state: dict[Tensor, ParameterState],
    batch: Mapping[str, Tensor],
    training: Training,
) -> Trace:
    """Trace one step; `module` and `optimizer` are copies that may be changed.

    Raises UnsupportedOperator, MalformedLoss, SlotNameTaken.
    """
    parameters = dict(module.named_parameters())
    buffers = dict(module.named_buffers())
    names = {parameter: name for name, parameter in parameters.items()}
    moments = {
        f"optimizer.{names[p]}.{key}": (p, key)
        for p, entries in optimizer_state.items()
        for key in entries
    }
    for name in (*moments, SCHEDULE_STEP):
        if name in parameters or name in buffers:
            raise SlotNameTaken(f"slot {name!r}: the module and the optimiser both have it")
    state = {name: tensor.detach() for name, tensor in (parameters | buffers).items()}
    state |= {name: optimizer_state[p][key] for name, (p, key) in moments.items()}
    schedule, counts = training.schedule, _has_to_count(optimizer, training)
    if counts:
        state[SCHEDULE_STEP] = torch.zeros(())
    started = has_started(optimizer)
    places = PlaceMode(module, type(optimizer).__name__)

    def step(values: list[Tensor], fields: list[Tensor]) -> list[Tensor]:
        now = dict(zip(state, values))
        leaves = {
            name: now[name].detach().requires_grad_(p.requires_grad)
            for name, p in parameters.items()
        }
        traced_buffers = {name: now[name] for name in buffers}
        with (
            places,
            CertainMode(),
            sdpa_kernel(SDPBackend.MATH),
            torch.backends.mkldnn.flags(enabled=False),  # whose LSTM is one opaque operation
            stateless._reparametrize_module(module, {**leaves, **traced_buffers}, tie_weights=True),
        ):
            loss = _compute_loss(module, dict(zip(batch, fields)), training.accumulate)
            next_buffers = dict(module.named_buffers())
            trained = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
            places.watch_backward(loss)
            gradients = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
            places.end_backward()
            clipped = _clip(gradients, training)
            by_parameter = {parameters[n]: g for n, g in zip(trained, clipped)}
            traced_state: dict[Tensor, ParameterState] = {p: {} for p in optimizer_state}
            for name, (p, key) in moments.items():
                traced_state[p][key] = now[name]
            tensors = {p: leaves[name] for name, p in parameters.items()}
            owners = {id(leaf): name for name, leaf in leaves.items()}
            owners |= {id(now[name]): names[p] for name, (p, _) in moments.items()}
            rate = None if schedule is None else schedule(now[SCHEDULE_STEP])
            is_first = now[SCHEDULE_STEP] == 0 if counts and not started else None
            with (
                swapped(optimizer, tensors, by_parameter, traced_state, rate, is_first),
                places.update(owners),
            ):
                optimizer.step()
            if counts:
                now[SCHEDULE_STEP] = now[SCHEDULE_STEP] + 1
        after = {**now, **leaves, **{name: next_buffers[name] for name in buffers}}
        return [*(after[name].detach() for name in state), loss.detach()]

    with warnings.catch_warnings(), traceback.preserve_node_meta():
        warnings.simplefilter("ignore")
        try:
            recorded = make_fx(
                step,
                decomposition_table=RECORDING,
                tracing_mode="fake",
                _allow_non_fake_inputs=True,
            )(list(state.values()), list(batch.values()))
        except CaptureError:
            raise
        except _UNTRACEABLE as error:
            reason = f"{_HINT} ({str(error).split(chr(10), 1)[0].strip()})"
            raise UnsupportedOperator(f"{places.operation}: {reason}{places.last.where}") from error
        except RuntimeError as error:  # an operation that does not run on these shapes and types
            reason = str(error).split("\n", 1)[0]
            raise UnsupportedOperator(f"{places.operation}: {reason}{places.last.where}") from error
        functional = _functionalize(recorded, list(state.values()), list(batch.values()))
    kept = {name: key for name, (_, key) in moments.items()}
    return Trace(functional, state, kept, frozenset(buffers))


def _has_to_count(optimizer: Optimizer, training: Training) -> bool:
    dampened = any(map(is_dampened, optimizer.param_groups)) and not has_started(optimizer)
    return training.schedule is not None or dampened


def _compute_loss(module: nn.Module, fields: dict[str, Tensor], parts: int) -> Tensor:
    """The loss of the batch, or the mean of the losses of its parts, one after the other."""
    if parts == 1:
        return _get_loss(module(**fields))
    rows = next(iter(fields.values())).shape[0] // parts
    losses = [
        _get_loss(module(**{name: x[n * rows : (n + 1) * rows] for name, x in fields.items()}))
        for n in range(parts)
    ]
    return torch.stack([loss / parts for loss in losses]).sum()


def _clip(gradients: Sequence[Tensor | None], training: Training) -> list[Tensor | None]:
    """As torch.nn.utils.clip_grad_value_ and clip_grad_norm_ do, in that order."""
    bound, limit = training.clip_value, training.clip_norm
    clipped = [
        g.clamp(-bound, bound) if g is not None and bound is not None else g for g in gradients
    ]
    if limit is None:
        return clipped
    norms = [torch.linalg.vector_norm(g) for g in clipped if g is not None]
    total = torch.linalg.vector_norm(torch.stack(norms))
    factor = torch.clamp(limit / (total + 1e-6), max=1.0)
    return [None if g is None else g * factor for g in clipped]


_HINT = (
    "shapes and control flow cannot depend on values, which are not known at capture; use "
    "torch.where, or settle it by an argument (such as tgt_is_causal, or a layerdrop of 0) or in "
    "the module's __init__"
)
_UNTRACEABLE = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedOperatorException,
    GuardOnDataDependentSymNode,
)


def _functionalize(
    recorded: fx.GraphModule, values: list[Tensor], fields: list[Tensor]
) -> fx.GraphModule:
    def replay(values: list[Tensor], fields: list[Tensor]) -> Any:
        return fx.Interpreter(recorded).run(values, fields)

    functional = make_fx(
        torch.func.functionalize(replay, remove="mutations"),
        decomposition_table=get_decompositions(),
        tracing_mode="fake",
        _allow_non_fake_inputs=True,
    )(values, fields)
    for node in functional.graph.nodes:
        _refuse_mutation(node, recorded)
    functional.graph.eliminate_dead_code()
    return functional


def _refuse_mutation(node: fx.Node, recorded: fx.GraphModule) -> None:
    """A decomposition that writes in place would be lowered as if it did nothing."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return
    # Functionalisation ends by writing new values back to the inputs, which nothing reads.
    if node.target is torch.ops.aten.copy_.default and node.args[0].op == "placeholder":
        return
    for cause in recorded.graph.nodes:  # complex numbers come about part by part, in place
        value = cause.meta.get("val")
        if isinstance(value, Tensor) and value.is_complex():
            raise UnsupportedOperator(
                f"{cause.target}: its result is {value.dtype}; a program holds float32 and "
                f"integers only, write it in real parts{get_where(cause)}"
            )
    raise UnsupportedOperator(f"{node.target}: writes in place{get_where(node)}")


def _get_loss(result: Any) -> Tensor:
    """The loss in a module's result: the tensor itself, `result["loss"]` or `result.loss`."""
    if isinstance(result, Mapping):
        result = result.get("loss")
    loss = result if isinstance(result, Tensor) else getattr(result, "loss", None)
    if not isinstance(loss, Tensor):
        raise MalformedLoss(f"loss: the module returns {type(result).__name__}, not a tensor")
    if loss.dim() != 0 or loss.dtype != torch.float32:
        raise MalformedLoss(f"loss: {loss.dtype} of shape {tuple(loss.shape)}, not a f32 scalar")
    if not loss.requires_grad:
        raise MalformedLoss("loss: it depends on no parameter that requires a gradient")
    return loss
