"""Attacks that a review found. Each test says what should hold; those marked still succeed."""

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
from protocol import moves
from protocol.execution import Dataset
from protocol.game import Level, Outcome, Stage, compute_deadline
from protocol.program import Program
from protocol.strategy import build_pick
from protocol.types import Root, Seconds, StepIndex
from protocol.validation import validate, validate_task
from tests.agent_views import RULES, build_task, build_view
from tests.disputes import (
    BOND,
    PRESET,
    REEXECUTION_SECONDS,
    make_run,
    make_tiny_program,
    make_tiny_run,
    make_truth,
)
from tests.economy import Terms as EconomyTerms
from tests.evidence import Lie, SpecEvidence, compute_genesis_root
from tests.game_table import lay_table
from tests.unit.contracts.attacks.play import owe
from tests.unit.contracts.attacks.systems import deploy_system

WORKER = Address("0x" + "11" * 20)


@pytest.mark.parametrize("games_at_once", [1, 4, 9])
def test_flood__worker_that_needs_exactly_the_priced_time__never_loses(games_at_once: int) -> None:
    """As many challengers point at as many steps. The worker executes one thing at a time, each in
    the time that the task pays for, keeps all results and always serves the nearest deadline."""
    with boa.env.anchor():
        table = lay_table(make_truth(make_run()))
        numbers = range(games_at_once)
        places = {table.open(boa.env.generate_address()): (n // 3, n % 3) for n in numbers}
        known: set[tuple[int, ...]] = set()
        while True:
            games = {i: g for i, g in table.games.items() if g.stage is not Stage.ENDED}
            if not games:
                break
            for game_id, game in games.items():
                if game.is_challenger_owing():
                    point(table, game_id, places[game_id])
            games = {i: g for i, g in table.games.items() if g.stage is not Stage.ENDED}
            waiting = {i: g for i, g in games.items() if not g.is_challenger_owing()}
            game_id = min(waiting, key=lambda i: compute_deadline(waiting[i]))
            game = waiting[game_id]
            work = (*game.indices[: game.level + 1], game.level)
            if game.stage is Stage.EXPAND and game.level + 1 in (1, 3, 4) and work not in known:
                known.add(work)
                boa.env.timestamp += REEXECUTION_SECONDS
            if boa.env.timestamp > compute_deadline(game):
                assert table.play(game_id, moves.Timeout(), game.challenger) == ""
                break
            assert table.play(game_id, owe(table, game_id), table.worker) == ""
        outcomes = {game.outcome for game in table.games.values()}
        assert Outcome.CHALLENGER_WON not in outcomes


def point(table: Any, game_id: int, place: tuple[int, int]) -> None:
    """The challenger's move, towards a step's first slot."""
    game = table.games[game_id]
    leaves = (*place, 0, 5, 5, 0, 0)
    if game.stage is Stage.PICK_ELEMENT:
        move: Any = moves.PickElement(game.move, 0)
    else:
        child = (leaves[game.level] >> (game.height - game.depth)) - (game.index << game.depth)
        move = build_pick(game, child, table.shown[game_id])
    assert game.level in Level
    assert table.play(game_id, move, game.challenger) == ""


def test_open__after_a_reorganisation__does_not_hit_a_true_claim() -> None:
    """Two claims of two tasks change places; the challenge that was sent for the false one names
    its root, and does not land on the true one."""
    truth = make_truth(make_tiny_run())
    lie = SpecEvidence(truth.run, lie=Lie(step=0, operator=0, instruction=0, element=0))
    with boa.env.anchor():
        system = deploy_system()
        challenger = system.economy.challenger
        system.economy.fund(challenger, BOND, system.contract)
        with boa.env.anchor():
            false = system.claim(lie)
            planned = false.claim_id
            system.claim(truth)
        system.tables.clear()
        true = system.claim(truth)
        assert true.claim_id == planned
        system.claim(lie)
        with boa.reverts("game: another claim"):
            system.contract.open(planned, lie.claim_tree().root, sender=challenger)
        assert system.contract.game_count() == 0


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
