"""Whole models of many families train like PyTorch, with the same bits on any path."""

import pytest

from scripts.zoo import plain
from scripts.zoo.entry import Entry
from scripts.zoo.measure import DIFFERENCE_MAX, measure

STEPS = 6
# Batch normalisation over two rows: a difference of 3e-5 in the first step is 5e-3 in the sixth.
SENSITIVE = ["ResNet"]


def check(entry: Entry, difference_max: float = 2e-3) -> None:
    row = measure(entry, STEPS)
    assert not row.failure, row.failure
    assert row.same_bits and row.same_portable
    assert row.operators > 50 and row.parameters > 100
    if row.is_random:
        assert row.loss == pytest.approx(row.expected, rel=0.5)
    else:
        assert row.difference < difference_max
        assert abs(row.loss - row.first_loss) > 10 * abs(row.loss - row.expected)


@pytest.mark.parametrize("entry", plain.ENTRIES, ids=lambda entry: entry.name)
def test_model__plain_torch__trains_like_pytorch(entry: Entry) -> None:
    check(entry)


def get_pretrained() -> list[Entry]:
    try:
        from scripts.zoo import pretrained
    except ImportError:  # requirements-zoo.txt is not installed
        return []
    return list(pretrained.ENTRIES)


@pytest.mark.long
@pytest.mark.parametrize("entry", get_pretrained(), ids=lambda entry: entry.name)
def test_model__of_transformers__trains_like_pytorch(entry: Entry) -> None:
    if entry.name in SENSITIVE:
        check(entry, DIFFERENCE_MAX)
    else:
        check(entry)
