"""Who challenges the truth loses its bond, wherever it points."""

from dataclasses import replace

import pytest

from offchain.chain.records import Terms
from offchain.demo import acts
from offchain.demo.town import Town
from protocol.game_state import Outcome
from protocol.types import Seed


def ignore(done, steps, reported):
    """Nobody looks at the progress."""


@pytest.mark.parametrize("seed", range(2))
def test_run_malice__honest_claim__bond_is_lost(town: Town, terms: Terms, seed: int):
    town.add("malicious challenger")
    dispute = acts.run_malice(town, replace(terms, seed=Seed(bytes([seed] * 32))), ignore, seed)
    assert dispute.view.game.outcome is Outcome.WORKER_WON
    assert dispute.verdict is not None and dispute.verdict.claimed == dispute.verdict.computed
    parameters = town.deployment.parameters
    change = {name: dispute.after[name].total - old.total for name, old in dispute.before.items()}
    award = acts.BOND * parameters.worker_award_bps // 10_000
    assert change["malicious challenger"] == -acts.BOND
    # The award pays for the gas of the moves; what the worker earned is in its payout.
    assert change["worker"] == award
    assert change["worker, payout"] == acts.REWARD * 8_500 // 10_000
    assert town.get_burned() == acts.BOND - award
