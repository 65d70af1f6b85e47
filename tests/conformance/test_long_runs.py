"""Models of transformers learn from real data by Crux as they do by float32 PyTorch."""

import pytest

# Neither is in requirements.lock.
pytest.importorskip("transformers")
pytest.importorskip("sklearn")

from scripts.zoo.long_runs import RUNS, train_both  # noqa: E402


@pytest.mark.long
@pytest.mark.parametrize("make", RUNS, ids=lambda make: make.__name__)
def test_train_both__hundreds_of_steps__learns_like_pytorch(make) -> None:
    outcome = train_both(make())
    assert outcome.run.steps >= 300
    if outcome.run.figure == "loss":
        assert outcome.expected < 0.6 * outcome.untrained, "the model did not learn"
    else:
        assert outcome.expected > 0.95 > outcome.untrained, "the model did not learn"
    assert outcome.is_close, (outcome.reached, outcome.expected)
