"""Indexing by tensors, assignment and addition at indices, losses that pick by class."""

import pytest
import torch
import torch.nn.functional as F

from offchain.capture import UnsupportedOperator
from tests.unit.offchain.capture.operator_checks import Argument, check_operator

ROWS = torch.tensor([[2, 0, 1], [1, 1, 2]])
MIXED = torch.tensor([[2, -3, 1], [-1, 1, 0]])
FIXED = torch.tensor([0, 2, 1])

INDEXED = {
    "one_axis": lambda x, i: x[i] + x[:, i[0]][0],
    "negative": lambda x, i: x[i - 3] + x[-i],
    "two_axes": lambda x, i: x[i, i.flip(1)],
    "apart": lambda x, i: x[i, :, i.flip(0)],
    "with_constant": lambda x, i: x[FIXED, i] + x[i, FIXED],
    "constants": lambda x, i: x[FIXED[:, None], [[0, 1]], -1] * (i & 3).sum(),
    "none_and_slice": lambda x, i: x[None, i, 1:, i.flip(0)],
    "take_along": lambda x, i: x[:2].take_along_dim((i & 1)[:, :, None], 1),
    "gather": lambda x, i: x.gather(2, i[:1, None, :].expand(3, 2, 3)),
    "gather_short": lambda x, i: x.gather(0, i[:, :, None]),
    "index_select": lambda x, i: x.index_select(1, i[0]),
    "embedding": lambda x, i: F.embedding(i, x[:, :, 0], padding_idx=1),
    "one_hot": lambda x, i: F.one_hot(i, 4)[0].sum() * x + F.one_hot(i[0], 3) * x[0],
}
ASSIGNED = {
    "put": lambda x, i: torch.zeros_like(x).index_put((i[0],), x[:, :, 1]),
    "put_two": lambda x, i: (x * 1.0).index_put((i[0], FIXED), x[0]),
    "put_scalar": lambda x, i: (x * 1.0).index_put((i, i.flip(0)), torch.tensor(2.0).to(x.dtype)),
    "add": lambda x, i: x.index_put((i, i.flip(0)), x[:2], accumulate=True),
    "mask": lambda x, i: assign_where(x, i),
    "slice": lambda x, i: assign_slice(x, i),
    "index_add": lambda x, i: x.index_add(0, i[0], x, alpha=2.0),
    "index_fill": lambda x, i: x.index_fill(1, FIXED, 3.0),
    "index_copy": lambda x, i: torch.zeros_like(x).index_copy(0, FIXED, x),
    "scatter": lambda x, i: x.scatter(1, i[:, :1, None], x[:2, :1, :1] * 3),
    "scatter_many": lambda x, i: torch.zeros_like(x).scatter(2, FIXED.expand(3, 3, 3), x),
    "scatter_value": lambda x, i: x.scatter(1, i[:, :, None], 5.0),
    "scatter_add": lambda x, i: x.scatter_add(1, i[:, :, None].expand(2, 3, 2), x[:2, :, :2] * 2),
    "scatter_reduce": lambda x, i: x.scatter_reduce(0, i[:, :, None], x[:2, :, :1], "sum"),
    "triangle": lambda x, i: x.tril() + x.triu(1) * 2 + torch.diag_embed(x[0]),
    "diagonal": lambda x, i: x.diagonal_scatter(x[0] * 2, 0, 0, 1),
}


def assign_where(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    y = x * 1.0
    y[y > 1] = 0.5
    y[i[0] == 1] = 2.0
    return y


def assign_slice(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    y = x * 1.0
    y[1:, ::2] = x[:2, 1:]
    y[0] += 1
    y[:, 1:1] = 3.0
    return y


@pytest.mark.parametrize("layout", ["plain", "permuted", "flipped"])
@pytest.mark.parametrize("name", INDEXED | ASSIGNED)
def test_index__every_form__like_float64(name: str, layout: str) -> None:
    function = (INDEXED | ASSIGNED)[name]
    check_operator(function, [Argument(torch.randn(3, 3, 3), layout)], [ROWS])


def test_index__negative_numbers_of_a_batch__count_from_the_end() -> None:
    check_operator(lambda x, i: x[i] + x[:, i].sum(0)[..., None], [torch.randn(3, 4)], [MIXED])


def test_index__mask__is_refused() -> None:
    with pytest.raises(UnsupportedOperator, match="aten"):
        check_operator(lambda x: x[x > 0].sum(), [torch.randn(4)])


CLASSES = torch.tensor([1, 0, 3, 2])
WEIGHT = torch.tensor([0.5, 1.0, 2.0, 1.5])
LOSSES = {
    "plain": lambda x, t: F.cross_entropy(x, t),
    "ignored": lambda x, t: F.cross_entropy(x, t, ignore_index=3),
    "weighted": lambda x, t: F.cross_entropy(x, t, weight=WEIGHT.to(x.dtype)),
    "smooth": lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1),
    "all_of_it": lambda x, t: F.cross_entropy(
        x, t, weight=WEIGHT.to(x.dtype), label_smoothing=0.2, ignore_index=0, reduction="sum"
    ),
    "none": lambda x, t: F.cross_entropy(x, t, reduction="none", ignore_index=1),
    "probabilities": lambda x, t: F.cross_entropy(x, x.detach().flip(0).softmax(1)),
    "images": lambda x, t: F.cross_entropy(
        x[:, :, None, None].expand(4, 4, 2, 1), t[:, None, None].expand(4, 2, 1)
    ),
    "one_row": lambda x, t: F.cross_entropy(x[0], t[0]),
    "nll": lambda x, t: F.nll_loss(x.log_softmax(1), t, weight=WEIGHT.to(x.dtype)),
    "mse_l1": lambda x, t: F.mse_loss(x, x.detach() * 2) + F.l1_loss(x, x.detach() * 2),
    "huber": lambda x, t: (
        F.huber_loss(x, x.detach() * 2, delta=0.5) + F.smooth_l1_loss(x, x * 0, beta=2.0)
    ),
    "bce": lambda x, t: F.binary_cross_entropy(x.sigmoid(), F.one_hot(t, 4).to(x.dtype)),
    "bce_logits": lambda x, t: F.binary_cross_entropy_with_logits(
        x, F.one_hot(t, 4).to(x.dtype), weight=WEIGHT.to(x.dtype), pos_weight=WEIGHT.to(x.dtype)
    ),
    "kl": lambda x, t: F.kl_div(x.log_softmax(1), x.detach().softmax(0), reduction="batchmean"),
    "kl_log": lambda x, t: F.kl_div(x.log_softmax(1), x.detach().log_softmax(0), log_target=True),
    "hinge": lambda x, t: (
        F.hinge_embedding_loss(x, x.detach().sign()) + F.soft_margin_loss(x, x.detach().sign())
    ),
    "cosine": lambda x, t: F.cosine_similarity(x, x.detach().flip(0)).sum(),
    "triplet": lambda x, t: F.triplet_margin_loss(x, x.detach().flip(0), x.detach().roll(1, 0)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss__every_option__like_float64(name: str) -> None:
    check_operator(LOSSES[name], [torch.randn(4, 4)], [CLASSES], tolerance=2e-5)
