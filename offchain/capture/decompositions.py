"""Which ATen operations are taken apart before lowering, and which are lowered whole."""

import torch
from torch._decomp import core_aten_decompositions

aten = torch.ops.aten

# Lowered to operators of their own, or shorter than by their decomposition.
_KEPT = (
    aten._log_softmax_backward_data,
    aten._safe_softmax,
    aten._softmax_backward_data,
    aten.addcdiv,
    aten.addcmul,
    aten.lerp,
    aten.baddbmm,
    aten.silu,
    aten.silu_backward,
    aten.sigmoid_backward,
    aten.tanh_backward,
    aten.threshold_backward,
    aten.gelu_backward,
    aten.native_layer_norm_backward,
    aten.nll_loss_backward,
    aten.nll_loss_forward,
    aten.embedding_dense_backward,
    aten.native_dropout,
)

DECOMPOSITIONS = {
    operation: decomposition
    for operation, decomposition in core_aten_decompositions().items()
    if getattr(operation, "overloadpacket", operation) not in _KEPT
}
