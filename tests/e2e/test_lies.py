"""Each of the five lies is found by re-execution and decided by the chain."""

from dataclasses import replace

import pytest

from offchain.agents.faults import Lie, build_lies, get_slot
from offchain.chain.records import TaskStatus, Terms
from offchain.demo import acts
from offchain.demo.town import Town
from offchain.disputes import describe_path
from protocol.game_state import Level, Outcome
from tests.small_run import LIE_STEP, MOMENT, PARAMETER, SEGMENT_LENGTH, capture_small_gpt

LIES = {lie.name: lie for lie in build_lies(LIE_STEP, PARAMETER, MOMENT, "matmul")}
BURNED = acts.STAKE // 2
# The operator that the dispute must come to: its kind, or the slot whose next value it is.
KINDS = {"element": "matmul", "batch": "load_batch"}
# A stale moment shows first in the parameter that is computed from it.
PRODUCED = {"bit": PARAMETER, "stale": MOMENT}


def ignore(done, steps, reported):
    """Nobody looks at the progress."""


@pytest.mark.parametrize("name", LIES)
def test_run_lie__told_in_one_step__chain_computes_the_truth(town: Town, terms: Terms, name: str):
    dispute = acts.run_lie(town, terms, LIES[name], ignore)
    game, program = dispute.view.game, capture_small_gpt().program
    assert game.outcome is Outcome.CHALLENGER_WON
    assert (game.indices[Level.SEGMENT], game.step) == (LIE_STEP // SEGMENT_LENGTH, LIE_STEP)
    operator = game.indices[Level.OPERATOR]
    if name in KINDS:
        assert program.operators[operator].kind == KINDS[name]
    if name in PRODUCED:
        assert program.slots[get_slot(program, PRODUCED[name])].producer == operator
    assert (game.level is Level.CHUNK) == (name == "element")
    levels = [place.level for place in describe_path(game, program)]
    assert levels[:6] == ["segment", "step", "slot", "operator", "instruction", "element"]
    assert dispute.verdict is not None and dispute.verdict.claimed != dispute.verdict.computed
    assert dispute.task_status is TaskStatus.POSTED
    check_money(town, dispute, LIES[name])


def test_run_lie__liar_falls_silent__loses_by_its_clock(town: Town, terms: Terms):
    lie = replace(LIES["skip"], silent_after=4)
    dispute = acts.run_lie(town, terms, lie, ignore)
    assert dispute.view.game.outcome is Outcome.CHALLENGER_WON
    assert dispute.verdict is None
    assert dispute.moves[-1][1].action.endswith("timeout")
    check_money(town, dispute, lie)


def check_money(town: Town, dispute: acts.Dispute, lie: Lie) -> None:
    """The stake is gone, half of it burned; the challenger has its bond back and the rest."""
    change = {name: dispute.after[name].total - old.total for name, old in dispute.before.items()}
    assert change.pop("challenger") == acts.STAKE - BURNED
    assert change.pop(f"liar ({lie.name})") == -acts.STAKE
    # The reward came back to the submitter when it cancelled the reopened task.
    assert set(change.values()) == {0}
    assert town.get_burned() == BURNED
