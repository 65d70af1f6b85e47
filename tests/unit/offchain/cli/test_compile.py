"""crux compile: what comes of a good module, and what is said of bad ones."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from offchain.cli import main

MODULE = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 4)
        self.head = nn.Linear(4, vocabulary)

    def forward(self, tokens):
        x = self.embedding(tokens[:, :-1])
        {line}
        return nn.functional.cross_entropy(self.head(x).flatten(0, 1), tokens[:, 1:].flatten())


def build(vocabulary):
    torch.manual_seed(0)
    model = Model(vocabulary)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)
"""


def compile_module(folder: Path, line: str = "x = torch.tanh(x)", *, name: str = "build") -> Result:
    module, data = folder / "model.py", folder / "data.txt"
    module.write_text(MODULE.replace("{line}", line))
    data.write_text("the quick brown fox jumps over the lazy dog " * 20)
    return CliRunner().invoke(
        main,
        ["compile", f"{module}:{name}", "--data", str(data), "--rows", "2", "--seq", "4"]
        + ["--store", str(folder / "store"), "--out", str(folder / "task.json")],
    )


def test_compile__ordinary_module__writes_task_and_artifacts(tmp_path: Path) -> None:
    result = compile_module(tmp_path)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "task.json").exists() and any((tmp_path / "store").iterdir())


def test_compile__ordinary_module__prints_the_self_check(tmp_path: Path) -> None:
    output = compile_module(tmp_path).output
    assert "self-check of one step against float32 PyTorch: loss" in output
    assert "head.weight: " in output and "embedding.weight: " in output


def test_compile__same_module_twice__same_task(tmp_path: Path) -> None:
    compile_module(tmp_path)
    first = (tmp_path / "task.json").read_bytes()
    assert compile_module(tmp_path).exit_code == 0
    assert (tmp_path / "task.json").read_bytes() == first


@pytest.mark.parametrize(
    ("line", "name", "said"),
    [
        ("x = torch.lgamma(x)", "build", "aten.lgamma.default"),
        ("x = torch.lgamma(x)", "build", "model.py:14: x = torch.lgamma(x)"),
        ("pass", "missing", "missing"),
    ],
)
def test_compile__bad_module__is_named_and_nothing_is_written(
    tmp_path: Path, line: str, name: str, said: str
) -> None:
    result = compile_module(tmp_path, line, name=name)
    assert result.exit_code != 0
    assert said in result.output.replace("\n", " ")
    assert "Traceback" not in result.output
    assert not (tmp_path / "task.json").exists()


def test_status__no_deployment__says_what_writes_it(tmp_path: Path) -> None:
    with CliRunner().isolated_filesystem(tmp_path):
        result = CliRunner().invoke(main, ["status"])
    assert result.exit_code != 0
    assert "crux deploy" in result.output
