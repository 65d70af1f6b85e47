"""Models of many families in several processes: the state roots of one."""

import json

import pytest

from scripts.zoo import plain
from tests.model_roots import compute_root, get_entries
from tests.processes import run_processes

PLAIN = [entry.name for entry in plain.ENTRIES]
SOME = ["CNN", "LSTM", "TransformerEncoder, dropout"]
# Their batches have two rows.
PRETRAINED = ["GPT-2", "Llama", "Mixtral, batched experts", "BERT", "T5", "ViT", "Whisper", "Mamba"]


def check(count: int, names: list[str]) -> None:
    entries = get_entries(names)
    if not entries:
        pytest.skip("requirements-zoo.txt is not installed")
    done = run_processes(count, "tests.model_roots", *names)
    assert done.returncode == 0, done.stderr
    together = json.loads(done.stdout)
    assert together == {entry.name: compute_root(entry, None) for entry in entries}
    assert len(set(together.values())) == len(entries) == len(names)


def test_step__two_processes__same_state_root() -> None:
    check(2, SOME)


def test_step__four_processes__same_state_root() -> None:
    check(4, SOME[:1])


@pytest.mark.long
@pytest.mark.parametrize("count", [2, 4])
def test_step__any_plain_model_in_processes__same_state_root(count: int) -> None:
    check(count, PLAIN)


@pytest.mark.long
def test_step__transformers_in_two_processes__same_state_root() -> None:
    check(2, PRETRAINED)
