"""From an audit to a game on the real ChallengeGame, and back to the audit's end."""

from collections.abc import Iterator

import boa
import pytest

from protocol.audit import AuditStatus
from protocol.game import Outcome
from tests.audits import BUDGET, SALT, Audits
from tests.disputes import PRESET, REEXECUTION_SECONDS, make_run, make_truth
from tests.economy import AUDITS, CLAIM_SLASHED, PENALTY, Economy, Terms, get_deployer
from tests.evidence import Lie, SpecEvidence, compute_genesis_root
from tests.game_table import Table

FEE = BUDGET // (2 * AUDITS)
RUN = make_run()  # three segments: one stretch, the first two
TRUTH = make_truth(RUN)
# In the second segment: the state before the stretch and the one inside it are true.
FALSE = SpecEvidence(RUN, lie=Lie(step=4, operator=5, instruction=5, element=3, bits=2**30))


@pytest.fixture
def economy(deployed: Economy) -> Iterator[Economy]:
    with boa.env.anchor():
        verifier = get_deployer("StepVerifier").deploy(get_deployer("MapUnit").deploy())
        get_deployer("ChallengeGame").deploy(
            deployed.token,
            deployed.escrow,
            verifier,
            PRESET.worker_award_bps,
            PRESET.worker_seconds,
            PRESET.challenger_seconds,
            PRESET.minimum_move_seconds,
            override_address=deployed.game,
        )
        yield deployed


class Audited:
    """A claim, its one auditor, and what both found."""

    def __init__(self, economy: Economy, claimed: SpecEvidence, found: SpecEvidence):
        self.audits = audits = Audits(economy)
        self.auditor = audits.hire()
        audits.warm_up()
        terms = Terms(
            RUN.program.root,
            compute_genesis_root(RUN),
            RUN.dataset.root,
            RUN.seed,
            RUN.dataset.records,
            RUN.segments,
            RUN.segment_length,
            REEXECUTION_SECONDS,
        )
        task_id = economy.post(terms, audit_budget=BUDGET)
        self.claim_id = audits.claim(task_id, claimed.claim_tree())
        audits.fix(self.claim_id)
        assert audits.draw(self.claim_id) == ""
        self.found = found.claim_tree().get_node(0, 1)
        assert audits.commit(self.claim_id, self.auditor, self.found) == ""
        audits.pass_deadline(self.claim_id, "commit_deadline")
        assert audits.open_leaf(self.claim_id, 1) == ""
        contract = get_deployer("ChallengeGame").at(economy.game)
        self.table = Table(economy, contract, self.claim_id, claimed)

    def reveal(self) -> None:
        """In the last second in which it can be."""
        draw = self.audits.economy.lottery.draw_of(self.claim_id)
        boa.env.timestamp = draw.reveal_deadline
        assert self.audits.reveal(self.claim_id, self.auditor, self.found, SALT) == ""

    def settle(self) -> AuditStatus:
        assert self.audits.settle(self.claim_id, self.auditor) == ""
        return self.audits.status_of(self.claim_id, self.auditor)


def test_mismatch__game_won__is_paid(economy: Economy) -> None:
    play = Audited(economy, FALSE, TRUTH)
    play.reveal()
    assert play.audits.status_of(play.claim_id, play.auditor) is AuditStatus.MISMATCHED
    # The last second at which a game can be opened is still long enough ahead.
    boa.env.timestamp = economy.escrow.claim_of(play.claim_id).challenge_deadline
    game_id = play.table.open(play.auditor)
    assert play.audits.settle(play.claim_id, play.auditor) == "lottery: too early to settle"
    assert play.table.play_out(game_id, TRUTH) is Outcome.CHALLENGER_WON
    assert economy.escrow.claim_of(play.claim_id).status == CLAIM_SLASHED
    award = economy.owed_to(play.auditor)
    assert play.settle() is AuditStatus.PAID
    assert award > 0 and economy.owed_to(play.auditor) == award + FEE


def test_mismatch__game_lost__costs_the_penalty(economy: Economy) -> None:
    play = Audited(economy, TRUTH, FALSE)
    play.reveal()
    game_id = play.table.open(play.auditor)
    assert play.table.play_out(game_id, FALSE) is Outcome.WORKER_WON
    play.audits.finalise(play.claim_id)
    assert play.settle() is AuditStatus.PUNISHED
    assert economy.lottery.stake_of(play.auditor) == 9 * PENALTY


def test_mismatch__game_never_opened__costs_the_penalty(economy: Economy) -> None:
    play = Audited(economy, TRUTH, FALSE)
    play.reveal()
    play.audits.finalise(play.claim_id)
    assert play.settle() is AuditStatus.PUNISHED


def test_match__lie_elsewhere_found_by_another__is_paid(economy: Economy) -> None:
    lie = Lie(step=8, operator=5, instruction=5, element=3, bits=2**30)
    play = Audited(economy, SpecEvidence(RUN, lie=lie), TRUTH)
    game_id = play.table.open()
    assert play.table.play_out(game_id, TRUTH) is Outcome.CHALLENGER_WON
    # The task is posted again, and the budget waits for the auditor all the same.
    play.reveal()
    assert economy.owed_to(play.auditor) == FEE
