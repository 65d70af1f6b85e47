"""Checkpoints to go on from: all that does not fit is listed, and nothing is changed then."""

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from offchain.genesis import UnusableCheckpoint, load_checkpoint


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight


def test_load_checkpoint__of_the_module__is_taken(tmp_path):
    source, target = Tied(), Tied()
    source.norm.num_batches_tracked += 7
    save_model(source, str(tmp_path / "c.safetensors"))  # one of the tied names is left out
    load_checkpoint(target, tmp_path / "c.safetensors")
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor)
    assert target.head.weight is target.embedding.weight


def test_load_checkpoint__half_precision__is_widened(tmp_path):
    source = {"weight": torch.randn(3, 2).bfloat16(), "bias": torch.randn(3).half()}
    save_file(source, tmp_path / "c.safetensors")
    target = nn.Linear(2, 3)
    load_checkpoint(target, tmp_path / "c.safetensors")
    assert target.weight.dtype is torch.float32
    assert torch.equal(target.weight.detach(), source["weight"].float())


def test_load_checkpoint__does_not_fit__lists_every_difference_and_changes_nothing(tmp_path):
    tensors = {
        "embedding.weight": torch.zeros(6, 4),
        "norm.weight": torch.zeros(4, dtype=torch.float64),
        "norm.bias": torch.zeros(4),
        "norm.running_mean": torch.zeros(4),
        "norm.num_batches_tracked": torch.tensor(0.0),
        "extra.bias": torch.zeros(2),
    }
    save_file(tensors, tmp_path / "c.safetensors")
    target = Tied()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(UnusableCheckpoint) as caught:
        load_checkpoint(target, tmp_path / "c.safetensors")
    header, *lines = str(caught.value).splitlines()
    assert header.endswith("c.safetensors: 5 differences from the module")
    assert lines == [
        "  norm.running_var: missing, [4] float32",
        "  extra.bias: not the module's, [2] F32",
        "  embedding.weight: [6, 4] float32, the module has [5, 4] float32",
        "  norm.num_batches_tracked: torch.float32, the module has torch.int64; convert it first",
        "  norm.weight: torch.float64, the module has torch.float32; convert it first",
    ]
    for name, tensor in before.items():
        assert torch.equal(target.state_dict()[name], tensor)


def test_load_checkpoint__pickle__is_never_loaded(tmp_path):
    torch.save(Tied().state_dict(), tmp_path / "c.pt")
    with pytest.raises(UnusableCheckpoint, match="no safetensors file .* a pickle is never loaded"):
        load_checkpoint(Tied(), tmp_path / "c.pt")


def test_load_checkpoint__nothing_there__names_the_file(tmp_path):
    with pytest.raises(UnusableCheckpoint, match="no such file"):
        load_checkpoint(Tied(), tmp_path / "c.safetensors")
