"""Tasks and runs made to trap whoever takes or checks them."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import boa
import pytest

from offchain.agents import worker_policy
from offchain.agents.challenger import Challenger
from offchain.agents.intents import Check, Measure, Take
from offchain.agents.views import ClaimView
from offchain.agents.worker_policy import Known, WorkerPolicy
from offchain.chain.parameters import read_configuration
from offchain.chain.records import Address, ClaimId, TaskId, Terms
from offchain.runner.speed import Speed
from offchain.runner.training import Diverged
from protocol.execution import Dataset
from protocol.program import Program
from protocol.types import Root, Seconds, StepIndex
from protocol.validation import validate, validate_task
from tests.agent_views import RULES, build_task, build_view
from tests.disputes import BOND, PRESET, make_tiny_program, make_tiny_run
from tests.economy import Terms as EconomyTerms
from tests.evidence import compute_genesis_root
from tests.unit.contracts.attacks.systems import deploy_system

WORKER = Address("0x" + "11" * 20)


def test_post__program_without_a_dataset__can_be_posted() -> None:
    tiny = make_tiny_program()
    program = Program(tiny.slots, (), 1, tiny.operators)
    validate(program)
    validate_task(program, records=1, segments=1, segment_length=1)
    run = make_tiny_run()
    terms = EconomyTerms(
        program.root, compute_genesis_root(run), Dataset((), 1).root, run.seed, 1, 1, 1, 60
    )
    with boa.env.anchor():
        assert deploy_system().economy.post(terms) == 1


@pytest.mark.parametrize(("steps", "takes"), [(2**20, False), (600, True)])
def test_worker__segment_longer_than_its_clock__is_not_taken(steps: int, takes: bool) -> None:
    """The submitter sets no extra time and one segment of a day's steps; its accomplice opens a
    game, and the worker cannot post the segment's states in the time of the move. It knows its
    speed before it stakes: an unknown one is measured."""
    parameters = read_configuration("sepolia").parameters
    month = parameters.max_lease_seconds
    terms = {"segments": 1, "segment_length": steps, "reexecution_seconds": Seconds(0)}
    item = build_task(**terms, lease_seconds=month, heartbeat_seconds=month)
    rules = replace(RULES, move_seconds=parameters.minimum_move_seconds)
    view = replace(build_view(item), rules=rules)
    assert worker_policy.decide(view, WorkerPolicy()) == [Measure(item)]
    speed = Speed(step_seconds=0.08, commit_seconds=0.01, trace_seconds=1.0)
    known = Known(speeds={item.terms.program_root: speed})
    intents = worker_policy.decide(view, WorkerPolicy(), known)
    assert [type(intent) for intent in intents] == ([Take] if takes else [])


def test_challenger__run_that_diverges__still_challenges_a_false_claim() -> None:
    """No honest worker claims a run that ends in NaN, but a dishonest one claims anything: the
    challenger executes past the NaN."""
    opened: list[ClaimId] = []

    def train(terms: Terms, progress: Any = None, past_nan: bool = False) -> Any:
        if not past_nan:
            raise Diverged(StepIndex(3), 1, "operator 1 (exp)")
        return SimpleNamespace(claim=Root(b"\0" * 32))

    def open_game(claim_id: ClaimId, claim_root: Root) -> tuple[int, None]:
        assert claim_root == claim.root
        opened.append(claim_id)
        return 1, None

    chain = SimpleNamespace(
        escrow=SimpleNamespace(get_offer=lambda _: SimpleNamespace(bond=BOND)),
        games=SimpleNamespace(preset=PRESET, address="game", open=open_game),
        token=SimpleNamespace(check_balance=lambda *_: None, ensure_allowance=lambda *_: None),
        access=SimpleNamespace(address=WORKER),
    )
    agent = Challenger(cast(Any, chain), cast(Any, SimpleNamespace(train=train)))
    claim = SimpleNamespace(id=ClaimId(7), root=Root(b"\7" * 32))
    item = SimpleNamespace(task=SimpleNamespace(id=TaskId(1)), terms=None, claim=claim)
    agent._attempt(Check(cast(ClaimView, item)))
    assert opened == [ClaimId(7)]
