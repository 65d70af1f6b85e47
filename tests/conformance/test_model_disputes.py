"""A lie in any operator of any model is disputed down to its element, and the honest side wins."""

import pytest

from scripts.zoo.entry import Entry
from tests.model_roots import get_entries
from tests.zoo_disputes import check_disputes

USUAL = ("CNN", "LSTM")
MORE = (
    "U-Net", "VAE", "ResNet", "TransformerEncoder, dropout",
    "GPT-2", "Llama", "Mixtral", "Mixtral, batched experts", "BERT", "T5", "Mamba", "ViT",
)  # fmt: skip


def get_name(entry: Entry) -> str:
    return f"{entry.name} of {entry.package}"


@pytest.mark.parametrize("entry", get_entries([*USUAL]), ids=get_name)
def test_dispute__lie_in_a_random_operator__honest_side_wins(entry: Entry) -> None:
    check_disputes(entry, lies=1)


@pytest.mark.long
@pytest.mark.parametrize("entry", get_entries([*USUAL, *MORE]), ids=get_name)
def test_dispute__lies_in_many_operators_of_any_family__honest_side_wins(entry: Entry) -> None:
    check_disputes(entry, lies=4, seed=1)
