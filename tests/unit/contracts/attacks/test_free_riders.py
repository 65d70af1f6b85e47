"""Who wants to be paid for the work of others."""

import boa

from protocol import moves
from protocol.audit import AuditStatus
from protocol.game import Outcome, Stage
from protocol.strategy import build_pick, compute_challenger_move
from tests.audits import Audits
from tests.disputes import BOND, make_run, make_truth
from tests.economy import CLAIM_SLASHED, CLAIM_VOID, REWARD, ROUND_SECONDS
from tests.evidence import Lie, SpecEvidence
from tests.game_table import Table, lay_table
from tests.unit.contracts.attacks.play import owe

TRUTH = make_truth(make_run())
LIE = SpecEvidence(TRUTH.run, lie=Lie(step=4, operator=5, instruction=5, element=3, bits=2**30))


def answer(table: Table) -> None:
    """The worker moves in every game that waits for it."""
    for game_id, game in table.games.items():
        if game.stage is not Stage.ENDED and not game.is_challenger_owing():
            if not table.games[game_id].claim_slashed:
                assert table.play(game_id, owe(table, game_id), table.worker) == ""


def test_freeloader__copies_every_pick__is_one_move_behind_and_wins_nothing() -> None:
    """It holds no trace and repeats what the honest challenger has picked, as soon as it is in a
    block. The worker treats both alike."""
    with boa.env.anchor():
        table = lay_table(LIE)
        honest, freeloader = table.open(), table.open(boa.env.generate_address("freeloader"))
        picked: dict[int, moves.SideMove] = {}
        while table.games[honest].stage is not Stage.ENDED:
            answer(table)
            copied = dict(picked)
            game = table.games[honest]
            if game.is_challenger_owing():
                move = compute_challenger_move(game, TRUTH, table.shown[honest])
                assert move is not None
                picked[game.move] = move
                assert table.play(honest, move, game.challenger) == ""
            own = table.games[freeloader]
            if own.is_challenger_owing() and own.move in copied and not own.claim_slashed:
                pick = copied[own.move]
                if isinstance(pick, moves.Pick):
                    pick = build_pick(own, pick.child, table.shown[freeloader])
                assert table.play(freeloader, pick, own.challenger) == ""
        assert table.games[honest].outcome is Outcome.CHALLENGER_WON
        assert 0 < table.games[freeloader].move < table.games[honest].move
        account = table.games[freeloader].challenger
        assert table.play(freeloader, moves.Drop(), account) == ""
        assert table.contract.owed_to(account) == BOND
        assert (
            table.economy.owed_to(account)
            == 0
            < table.economy.owed_to(table.games[honest].challenger)
        )


def test_claim__root_of_a_void_claim_copied__fails_at_the_first_audit(
    audits: Audits, auditor: str
) -> None:
    """The first worker did the work and never got its attestation. The second one knows the root
    and the proof of its last leaf, and no other leaf."""
    first = audits.drawn(attestations=1)
    economy = audits.economy
    end = economy.availability.question_of(first).deadline + ROUND_SECONDS
    boa.env.timestamp = max(end, economy.escrow.claim_of(first).challenge_deadline) + 1
    assert audits.void(first) == ""
    assert economy.escrow.claim_of(first).status == CLAIM_VOID
    copier = boa.env.generate_address("copier")
    second = audits.claim(1, audits.trees[first], copier)
    audits.fix(second)
    assert audits.draw(second) == ""
    assert audits.commit(second, auditor, audits.answer(second, auditor)) == ""
    audits.pass_deadline(second, "commit_deadline")
    segment = audits.segment_of(second, auditor)
    guess = audits.leaf(second, audits.trees[second].count - 1)
    path = audits.trees[second].get_path(segment)
    assert audits.open_leaf(second, segment, guess, path) == "lottery: leaf not in claim"
    audits.pass_deadline(second, "open_deadline")
    assert audits.declare_default(second, segment) == ""
    assert economy.escrow.claim_of(second).status == CLAIM_SLASHED
    assert audits.settle(second, auditor) == ""
    assert audits.status_of(second, auditor) is AuditStatus.PAID
    assert economy.escrow.offer_of(1).max_reward == REWARD
