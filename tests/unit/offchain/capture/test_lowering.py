"""Every lowered operation, forward and backward, in a small module against PyTorch."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

ROWS, WIDTH = 3, 4


class Function(nn.Module):
    """A loss of one weight matrix [4, 4], a batch of floats [3, 4] and of integers [3, 4]."""

    def __init__(self, function):
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.weight = nn.Parameter(torch.randn(WIDTH, WIDTH, generator=generator))
        self.function = function

    def forward(self, x, index):
        y = self.function(self.weight, x, index)
        return (y * torch.linspace(0.5, 1.5, y.numel()).reshape(y.shape)).sum()


def make_batches(count):
    generator = torch.Generator().manual_seed(3)
    return [
        {
            "x": torch.randn(ROWS, WIDTH, generator=generator),
            "index": torch.randint(0, WIDTH, (ROWS, WIDTH), generator=generator),
        }
        for _ in range(count)
    ]


def positive(w):
    return w.abs() + 0.5


POINTWISE = {
    "add_alpha": lambda w, x, i: torch.add(w[:3], x, alpha=2.5),
    "sub": lambda w, x, i: x - w[:3] - 1.5,
    "rsub": lambda w, x, i: 2.0 - w,
    "mul_integers": lambda w, x, i: w[:3] * i,
    "div": lambda w, x, i: x / positive(w)[:3],
    "floor_divide": lambda w, x, i: torch.div(x, 0.3, rounding_mode="floor") * w[:3],
    "trunc_ceil_sign": lambda w, x, i: (x.trunc() + x.ceil() + x.sign()) * w[:3],
    "sqrt": lambda w, x, i: positive(w).sqrt(),
    "rsqrt": lambda w, x, i: positive(w).rsqrt(),
    "exp_log": lambda w, x, i: positive(w).log() + w.exp(),
    "log1p_expm1_log2": lambda w, x, i: w.expm1() + positive(w).log1p() + positive(w).log2(),
    "logsumexp": lambda w, x, i: w.logsumexp(1),
    "erf_tanh": lambda w, x, i: w.erf() + w.tanh(),
    "pow_integers": lambda w, x, i: w**2 + w**3 + positive(w) ** -2,
    "pow_fractions": lambda w, x, i: positive(w) ** 0.5 + positive(w) ** -0.5 + positive(w) ** 1.7,
    "pow_scalar_base": lambda w, x, i: 0.9**w,
    "pow_tensors": lambda w, x, i: positive(w) ** positive(w),
    "clamp": lambda w, x, i: w.clamp(-0.5, 0.5) + w.clamp(min=0.1),
    "clamp_integers": lambda w, x, i: w[:3] * i.clamp(1, 2),
    "where": lambda w, x, i: torch.where(x > 0, w[:3], -w[:3]),
    "masked_fill": lambda w, x, i: w[:3].masked_fill(x < 0, 0.25),
    "logical": lambda w, x, i: w[:3] * ((x > 0) & ~(x > 1) | (x.abs() <= 0.1) ^ (i >= 2)),
    "comparisons": lambda w, x, i: w[:3] * ((i == 1).float() + (i != 2) + (i < 2) + (x >= 0)),
    "maximum": lambda w, x, i: torch.maximum(w[:3], x) + torch.minimum(w[:3], x),
    "lerp": lambda w, x, i: torch.lerp(w[:3], x, 0.3) + torch.lerp(w[:3], x, 0.8),
    "addcmul": lambda w, x, i: torch.addcmul(w[:3], x, w[1:], value=0.5),
    "casts": lambda w, x, i: w[:3] * x.to(torch.int64) + w[:3] * i.bool() + w[:3] * x.bool(),
    "isnan": lambda w, x, i: torch.nan_to_num(w / 1.5),
    "in_place": lambda w, x, i: (w * 1.0).add_(1.0).mul_(2.0),
}
ACTIVATIONS = {
    "relu": lambda w, x, i: F.relu(w),
    "leaky_relu": lambda w, x, i: F.leaky_relu(w, 0.1),
    "sigmoid": lambda w, x, i: torch.sigmoid(w),
    "silu": lambda w, x, i: F.silu(w),
    "gelu": lambda w, x, i: F.gelu(w),
    "gelu_tanh": lambda w, x, i: F.gelu(w, approximate="tanh"),
    "softplus": lambda w, x, i: F.softplus(w),
    "elu": lambda w, x, i: F.elu(w),
    "hardtanh": lambda w, x, i: F.hardtanh(w),
    "glu": lambda w, x, i: F.glu(w),
}
REDUCTIONS = {
    "sum_axes": lambda w, x, i: w.sum(0) + w.sum(1) + w.sum((0, 1)),
    "mean": lambda w, x, i: w.mean(0, keepdim=True) + w.mean(),
    "var_std": lambda w, x, i: w.var(1) + w.std(0, correction=0),
    "amax_amin": lambda w, x, i: w.amax(0) + w.amin(1),
    "norm": lambda w, x, i: w / w.norm(dim=1, keepdim=True),
    "softmax": lambda w, x, i: w.softmax(0) + w.softmax(1),
    "log_softmax": lambda w, x, i: w.log_softmax(0) + w.log_softmax(1),
    "any_all": lambda w, x, i: w[:3, 0] * (x > 1).any(1) + w[:3, 0] * (x < 1).all(1),
    "count": lambda w, x, i: w[:3, 0] * (i == 2).sum(1),
    "layer_norm": lambda w, x, i: F.layer_norm(w, (4,), w[0], w[1]),
    "layer_norm_plain": lambda w, x, i: F.layer_norm(w.reshape(2, 2, 4), (2, 4)),
    "rms_norm": lambda w, x, i: F.rms_norm(w, (4,), w[0]),
}
PRODUCTS = {
    "mm": lambda w, x, i: x @ w,
    "linear": lambda w, x, i: F.linear(x, w, w[0]),
    "bmm": lambda w, x, i: torch.bmm(x.reshape(3, 2, 2), w[:3].reshape(3, 2, 2)),
    "baddbmm": lambda w, x, i: torch.baddbmm(
        w[:3].reshape(3, 2, 2), x.reshape(3, 2, 2), x.reshape(3, 2, 2), beta=0.5, alpha=2.0
    ),
    "addmm": lambda w, x, i: torch.addmm(w[:3], x, w, beta=0.5, alpha=2.0),
    "einsum": lambda w, x, i: torch.einsum("bi,ij,kj->bk", x, w, w),
    "matrix_vector": lambda w, x, i: w @ x[0] + torch.dot(w[0], x[0]),
    "outer": lambda w, x, i: torch.outer(w[0], x[0]),
    "attention": lambda w, x, i: F.scaled_dot_product_attention(
        (x @ w).reshape(1, 3, 2, 2).transpose(1, 2),
        (x @ w).reshape(1, 3, 2, 2).transpose(1, 2),
        x.reshape(1, 3, 2, 2).transpose(1, 2),
        is_causal=True,
    ),
    "masked_attention": lambda w, x, i: F.scaled_dot_product_attention(
        (x @ w)[None], x[None], (x @ w)[None], attn_mask=torch.ones(3, 3).tril().bool()[None]
    ),
}
VIEWS = {
    "reshape_transpose": lambda w, x, i: w.t().reshape(2, 8).transpose(0, 1) * 2,
    "slices": lambda w, x, i: w[1:3, ::2] + w[2:, 1::2],
    "select": lambda w, x, i: w[1] * w[:, -1],
    "expand": lambda w, x, i: w[:, None].expand(4, 3, 4) * x,
    "squeeze": lambda w, x, i: w[None].squeeze(0).unsqueeze(-1).squeeze(),
    "split_chunk_unbind": lambda w, x, i: w.split(2)[1] + w.chunk(2)[0] + w.unbind(1)[0][:2, None],
    "flip_roll": lambda w, x, i: w.flip(0, 1) + w.roll(1, 0),
    "diagonal": lambda w, x, i: w.diagonal() + w.diagonal(1).sum() + w.trace(),
    "unfold": lambda w, x, i: w.unfold(1, 2, 1).sum(-1),
    "tril": lambda w, x, i: w.tril() + w.triu(1) * 2,
    "repeat": lambda w, x, i: w.repeat(2, 1) + w.repeat_interleave(2, 0),
}
INDEXING = {
    "embedding": lambda w, x, i: F.embedding(i, w),
    "embedding_padding": lambda w, x, i: F.embedding(i, w, padding_idx=1),
    "embedding_positions": lambda w, x, i: F.embedding(torch.arange(3), w),
    "index_select": lambda w, x, i: w.index_select(1, i[0]),
    "index": lambda w, x, i: w[i] + w[:, i].permute(1, 2, 0),
    "gather": lambda w, x, i: w[:3].gather(1, i) + w.gather(0, i).sum(),
    "scatter": lambda w, x, i: w[:3].scatter(1, i[:, :1], 2.0),
    "scatter_source": lambda w, x, i: x.scatter(1, i[:, :1], w[:3, :1]),
    "scatter_add": lambda w, x, i: x.scatter_add(1, i, w[:3]),
    "one_hot": lambda w, x, i: F.one_hot(i[:, 0], 4) * w[:3],
    "cat": lambda w, x, i: torch.cat([w, x, w[:1]]) * 2,
    "stack": lambda w, x, i: torch.stack([w[:3], x, w[1:]], 1),
    "pad": lambda w, x, i: F.pad(w, (1, 2, -1, 1), value=0.5),
    "slice_assignment": lambda w, x, i: (
        torch.zeros(4, 5).index_fill(0, torch.tensor([1]), 1.0) + F.pad(w, (0, 1))
    ),
    "assign_slice": lambda w, x, i: assign_slice(w, x),
}
LOSSES = {
    "cross_entropy": lambda w, x, i: F.cross_entropy(x @ w, i[:, 0]),
    "cross_entropy_ignored": lambda w, x, i: F.cross_entropy(x @ w, i[:, 0], ignore_index=2),
    "cross_entropy_weighted": lambda w, x, i: F.cross_entropy(
        x @ w, i[:, 0], weight=torch.tensor([0.5, 1.0, 2.0, 1.5])
    ),
    "cross_entropy_smooth": lambda w, x, i: F.cross_entropy(x @ w, i[:, 0], label_smoothing=0.1),
    "cross_entropy_sum": lambda w, x, i: F.cross_entropy(x @ w, i[:, 0], reduction="sum"),
    "cross_entropy_none": lambda w, x, i: F.cross_entropy(x @ w, i[:, 0], reduction="none"),
    "mse": lambda w, x, i: F.mse_loss(x @ w, x),
    "l1": lambda w, x, i: F.l1_loss(x @ w, x),
    "smooth_l1": lambda w, x, i: F.smooth_l1_loss(x @ w, x),
    "binary": lambda w, x, i: F.binary_cross_entropy_with_logits(x @ w, (i > 1).float()),
}


def assign_slice(w, x):
    y = w * 1.0
    y[:3, 1:3] = x[:, :2]
    y[3] = 0.5
    return y


CASES = [
    pytest.param(function, id=name)
    for family in (POINTWISE, ACTIVATIONS, REDUCTIONS, PRODUCTS, VIEWS, INDEXING, LOSSES)
    for name, function in family.items()
]


@pytest.mark.parametrize("function", CASES)
def test_lowering__operation__like_pytorch_forward_and_backward(compare_training, function):
    module = Function(function)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    # Fifteen bits per operand of a product leave a relative error of 1.4e-4.
    compare_training(module, optimizer, make_batches(1), tolerance=1e-3)


def test_lowering__cross_entropy_of_infinite_ignored_row__stays_finite(compare_training):
    def loss(w, x, i):
        y = (x @ w).masked_fill(torch.arange(4) == 2, -math.inf)
        return F.cross_entropy(y, torch.tensor([0, 2, 1]), ignore_index=2)

    module = Function(loss)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    compare_training(module, optimizer, make_batches(1), tolerance=5e-4)
