"""Any sequence of calls on the contracts of the economy, against the ghost model.

After every call the contracts must have done what the model says, which was written from the
interfaces: the same answer, the same events, the same money, or a refusal with the same reason.
"""

from collections import Counter

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.property.economy.coverage import find_missed
from tests.property.economy.deployment import deploy
from tests.property.economy.machine import Session, play
from tests.property.economy.player import HOOKS_INSIDE

BEACONS = ("BlockhashBeacon", "SubmitterBeacon")
TARGETED_STEPS = 120
SEEDS = st.integers(0, 2**64 - 1)


class EconomyMachine(RuleBasedStateMachine):
    """One rule: its number decides who calls what, or how time passes."""

    met: Counter[str] = Counter()
    # What was met before a sequence that begins with this number: the same again when hypothesis
    # repeats it, or parts of it.
    seen: dict[int, Counter[str]] = {}

    @initialize(seed=SEEDS)
    def begin(self, seed: int) -> None:
        seen = self.seen.setdefault(seed, self.met.copy())
        self.session = Session(deploy(BEACONS[seed % 2]), seed, seen)
        self.is_sound = True

    @rule(seed=SEEDS)
    def act(self, seed: int) -> None:
        self.is_sound = False
        self.session.player.random.seed(seed)
        self.session.step()
        self.is_sound = True

    def teardown(self) -> None:
        self.session.close(check=self.is_sound)
        self.met.update(self.session.met)
        self.met["steps"] += self.session.driver.steps


def run(examples: int, steps: int) -> Counter[str]:
    """What the sequences have met."""
    EconomyMachine.met.clear()
    EconomyMachine.seen.clear()
    for beacon in BEACONS:
        deploy(beacon)
    with boa.env.anchor():
        run_state_machine_as_test(
            EconomyMachine, settings=settings(max_examples=examples, stateful_step_count=steps)
        )
    return EconomyMachine.met


def find_rest(met: Counter[str], sessions: int) -> set[str]:
    """Sequences that look for what is missing; what they have not found."""
    for seed in range(sessions):
        missed = find_missed(met, HOOKS_INSIDE)
        if not missed:
            break
        world = deploy(BEACONS[seed % 2])
        met.update(play(world, seed, TARGETED_STEPS, met.copy(), frozenset(missed)))
    return find_missed(met, HOOKS_INSIDE)


def test_economy__any_sequence_of_calls__does_what_the_interfaces_say():
    met = run(examples=10, steps=160)
    assert not find_rest(met, sessions=60), met


@pytest.mark.long
def test_economy__many_sequences_of_calls__do_what_the_interfaces_say():
    met = run(examples=300, steps=250)
    assert not find_rest(met, sessions=60), met
