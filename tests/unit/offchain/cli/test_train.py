"""crux train: one process, several, and what is left when one of them fails."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from offchain.cli import main
from tests.processes import run_processes

GPT = Path(__file__).parents[4] / "examples" / "gpt.py"
STEPS, SEGMENTS = 6, 3
DIVERGING = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 4)
        self.head = nn.Linear(4, vocabulary)

    def forward(self, tokens):
        x = self.head(self.embedding(tokens[:, :-1]))
        return nn.functional.cross_entropy(x.flatten(0, 1), tokens[:, 1:].flatten())


def build(vocabulary):
    model = Model(vocabulary)
    return model, torch.optim.SGD(model.parameters(), lr=1e30)
"""
LAST_WHOLE = "segment-0000000.safetensors"  # before the step in which process 1 fails


def compile_task(folder: Path, module: Path, *settings: str) -> list[str]:
    """The arguments that name a compiled task of four rows, and its steps."""
    data, spec, store = folder / "data.txt", folder / "task.json", str(folder / "store")
    data.write_text("the quick brown fox jumps over the lazy dog " * 20)
    arguments = ["compile", f"{module}:build", "--data", str(data), "--rows", "4", "--seq", "8"]
    for setting in settings:
        arguments += ["--set", setting]
    result = CliRunner().invoke(main, [*arguments, "--store", store, "--out", str(spec)])
    assert result.exit_code == 0, result.output
    steps = ["--steps", str(STEPS), "--segments", str(SEGMENTS)]
    weights = str(folder / "weights.safetensors")
    return ["train", str(spec), "--store", store, "--out", weights, *steps]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A small GPT."""
    folder = tmp_path_factory.mktemp("task")
    return compile_task(folder, GPT, "layers=1", "channels=8", "heads=2")


@pytest.fixture(scope="module")
def alone(task: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Claim and state root by one process."""
    folder = tmp_path_factory.mktemp("alone")
    result = CliRunner().invoke(main, [*task, "--folder", str(folder)])
    assert result.exit_code == 0, result.output
    return get_roots(result.output)


def list_checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.safetensors*"))


def get_roots(output: str) -> tuple[str, ...]:
    roots = re.findall(r"(?:claim|state root) ([0-9a-f]{64})$", output, re.MULTILINE)
    assert len(roots) == 2, output
    return tuple(roots)


@pytest.mark.parametrize("count", [2, 4])
def test_train__several_processes__same_claim_and_state_root(
    task: list[str], alone: tuple[str, ...], tmp_path: Path, count: int
) -> None:
    done = run_processes(count, "offchain.cli", *task, "--folder", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert get_roots(done.stdout) == alone  # and one process alone has spoken
    assert len(list_checkpoints(tmp_path)) == SEGMENTS


def test_train__rows_not_divisible__says_so(task: list[str], tmp_path: Path) -> None:
    done = run_processes(3, "offchain.cli", *task, "--folder", str(tmp_path))
    assert done.returncode != 0
    assert "Error: a batch of 4 rows cannot be divided among 3 processes" in done.stderr
    assert "state root" not in done.stdout and not list_checkpoints(tmp_path)


def test_train__a_process_dies__others_end_and_the_run_can_go_on(
    task: list[str], alone: tuple[str, ...], tmp_path: Path
) -> None:
    arguments = [*task, "--folder", str(tmp_path)]
    done = run_processes(2, "tests.faulty_training", "die", *arguments)
    assert done.returncode != 0 and "state root" not in done.stdout
    assert list_checkpoints(tmp_path) == [LAST_WHOLE]
    done = run_processes(2, "offchain.cli", *arguments)
    assert done.returncode == 0 and get_roots(done.stdout) == alone, done.stderr


@pytest.mark.parametrize(
    ("fault", "message", "left"),
    [
        ("err", "state after segment 1: process 1 and process 0 differ", [LAST_WHOLE]),
        ("seed", "run: process 1 and process 0 differ", []),
    ],
)
def test_train__a_process_differs__nothing_of_it_is_kept(
    task: list[str], tmp_path: Path, fault: str, message: str, left: list[str]
) -> None:
    done = run_processes(2, "tests.faulty_training", fault, *task, "--folder", str(tmp_path))
    assert done.returncode != 0 and f"Error: {message}" in done.stderr
    assert "state root" not in done.stdout
    assert list_checkpoints(tmp_path) == left


def test_train__diverges__processes_name_the_operator_that_one_names(tmp_path: Path) -> None:
    module = tmp_path / "model.py"
    module.write_text(DIVERGING)
    arguments = [*compile_task(tmp_path, module), "--folder", str(tmp_path / "run")]
    alone = CliRunner(mix_stderr=False).invoke(main, arguments)
    assert alone.exit_code == 1 and "training diverged: NaN first appears in step" in alone.stderr
    done = run_processes(2, "offchain.cli", *arguments)
    error = alone.stderr.splitlines()[-1]  # the progress before it depends on the time
    assert done.returncode != 0 and error.startswith("Error: ") and error in done.stderr
    assert not list_checkpoints(tmp_path / "run")
