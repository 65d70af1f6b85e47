"""An honest run from the posted task to the fetched weights."""

import torch
from safetensors.torch import load_file

from examples.gpt import Config, build
from offchain.chain.records import TaskStatus, Terms
from offchain.demo import acts
from offchain.demo.town import Town
from tests.small_run import CONTEXT, VOCABULARY


def ignore(done, steps, reported):
    """Nobody looks at the progress."""


def test_run_honest__nobody_objects__everybody_is_paid(town: Town, terms: Terms):
    honest = acts.run_honest(town, terms, ignore)
    assert town.bank.escrow.get_task(honest.task_id).status is TaskStatus.FINALISED
    reward = town.bank.escrow.get_task(honest.task_id).reward
    # The auction stopped where the worker was content, and not before.
    step = (acts.AUCTION_HIGH - acts.AUCTION_LOW) * acts.AUCTION_LOOK_SECONDS
    assert acts.REWARD <= reward < acts.REWARD + 2 * step // acts.AUCTION_SECONDS
    assert [price for _, price in honest.prices] == sorted(p for _, p in honest.prices)
    assert honest.prices[0][1] < acts.REWARD
    gained = {name: honest.after[name].total - honest.before[name].total for name in honest.before}
    assert gained == {
        "submitter": -reward,
        "worker": 0,
        "worker, payout": reward - reward // 10 - reward // 20,
        "data provider": reward // 10,
        "treasury": reward // 20,
        "challenger": 0,
    }
    assert honest.after["worker"].free_stake == acts.STAKE
    assert [step for step, _ in honest.losses] == list(range(1, terms.steps + 1))


def test_fetch_weights__finished_task__loads_into_the_module(town: Town, terms: Terms):
    honest = acts.run_honest(town, terms, ignore)
    model, _ = build(Config(VOCABULARY, CONTEXT, layers=1, heads=2, channels=8))
    genesis = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    missing = model.load_state_dict(load_file(honest.weights), strict=True)
    assert not missing.missing_keys and not missing.unexpected_keys
    changed = [n for n, t in model.state_dict().items() if not torch.equal(t, genesis[n])]
    assert len(changed) > len(genesis) // 2
