"""Transactions that land where they were not meant to: replayed, copied, after a reorganisation."""

from collections.abc import Callable

import boa

from protocol import moves
from protocol.game import Level, Stage
from protocol.merkle import compute_vector_tree
from protocol.strategy import build_pick
from tests.audits import BUDGET, Audits
from tests.disputes import BOND, make_run, make_tiny_run, make_truth
from tests.economy import Terms, compute_claim_tree
from tests.evidence import Lie, SpecEvidence
from tests.game_table import Table, lay_table
from tests.unit.contracts.attacks.play import OTHER, advance, owe, prepare_calldata, send
from tests.unit.contracts.attacks.systems import deploy_system


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


def test_commit__after_a_reorganisation__is_not_about_another_claim(
    audits: Audits, auditor: str
) -> None:
    """Two claims of two tasks change places; what an auditor found of one is no commitment about
    the other, which would cost its penalty."""
    first, second = compute_claim_tree(5), compute_claim_tree(5, "second")
    tasks = [audits.economy.post(Terms(segments=5), audit_budget=BUDGET) for _ in range(2)]
    before = audits.lottery
    with boa.env.anchor():
        planned = audits.claim(tasks[0], first)
    audits.lottery = before
    assert audits.claim(tasks[1], second) == planned
    audits.fix(planned)
    assert audits.draw(planned) == ""
    found = first.get_node(0, audits.segment_of(planned, auditor))
    reason = audits.commit(planned, auditor, found, claim_root=first.root)
    assert reason == "lottery: another claim"
    assert audits.economy.lottery.unsettled_of(auditor) == 0


def test_pick__worker_posts_another_vector_after_a_reorganisation__does_not_land() -> None:
    """The challenger's pick names the node that it saw; the worker shows other nodes the second
    time, under the same contested state."""
    run = make_run()
    claimed = SpecEvidence(run, lie=Lie(step=4, operator=5, instruction=5, element=3))
    with boa.env.anchor():
        table = lay_table(claimed)
        game_id = table.open()
        game = advance(table, game_id, Level.SEGMENT, Stage.EXPAND, (1,))
        first = owe(table, game_id)
        assert isinstance(first, moves.ExpandStep)
        last = first.nodes[2]
        with boa.env.anchor():
            table.contract.expand_step(
                game_id, first.move, first.nodes, first.path, sender=table.worker
            )
            seen = table.contract.game_of(game_id)
        other = compute_vector_tree([OTHER, OTHER, last])
        shown = tuple(other.get_descendants(2, 0, 2))
        again = moves.ExpandStep(first.move, shown, ())
        assert table.play(game_id, again, table.worker) == ""
        game = table.games[game_id]
        planned = build_pick(game, 1, first.nodes)
        assert seen.move == planned.move == game.move
        reason = "game: child not under contested node"
        assert table.play(game_id, planned, game.challenger) == reason
        assert table.play(game_id, build_pick(game, 1, shown), game.challenger) == ""


def test_transactions__copied_from_the_mempool__are_of_no_use_to_another(tiny_table: Table) -> None:
    """Sent first by somebody else, sent again, sent to another game with the same claim."""
    table, stranger = tiny_table, boa.env.generate_address("stranger")
    first, second = table.open(), table.open(boa.env.generate_address())
    data = prepare_calldata(table, first, owe(table, first))
    assert not send(table, data, stranger)
    assert not send(table, data, table.economy.challenger)
    assert send(table, data, table.worker)
    assert not send(table, data, table.worker)
    assert table.contract.game_of(second).move == 0


def test_claim__copied_from_the_mempool__belongs_to_the_lease() -> None:
    with boa.env.anchor():
        economy = deploy_system().economy
        task_id, tree, copier = economy.post(), compute_claim_tree(), economy.challenger
        economy.assign(task_id)
        economy.register(copier)
        economy.stake(copier, 10**6)

        def copy(reason: str, call: Callable[[], object]) -> None:
            with boa.reverts(reason):
                call()

        copy("escrow: not the worker", lambda: economy.claim_tree(task_id, tree, copier))
        copy("escrow: not posted", lambda: economy.assign(task_id, copier))
        claim_id = economy.claim_tree(task_id, tree)
        copy("escrow: not assigned", lambda: economy.claim_tree(task_id, tree, copier))
        copy("escrow: not assigned", lambda: economy.claim_tree(task_id, tree))
        assert economy.escrow.claim_of(claim_id).worker == economy.worker
