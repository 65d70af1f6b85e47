"""Who wants to get past an audit, or to be paid for one that it did not do."""

import boa
import pytest

from protocol.audit import AuditStatus
from tests import economy as eco
from tests.audits import BUDGET, Audits
from tests.economy import (
    BURN_ADDRESS,
    BURNED_BPS,
    CLAIM_SLASHED,
    CLAIM_VOID,
    PENALTY,
    STAKE,
    get_deployer,
    open_game,
)


@pytest.mark.parametrize("default_first", [True, False])
def test_default__beside_a_game_that_is_won__slashes_once_in_either_order(
    audits: Audits, auditor: str, default_first: bool
) -> None:
    """Both are due in the same block."""
    economy, challenger = audits.economy, audits.economy.challenger
    contract = get_deployer("ChallengeGame").at(economy.game)
    claim_id = audits.committed(auditor)
    segment = audits.segment_of(claim_id, auditor)
    economy.fund(challenger, eco.BOND, contract)
    game_id = open_game(economy, contract, claim_id, challenger)
    audits.pass_deadline(claim_id, "open_deadline")
    assert boa.env.timestamp > contract.deadline_of(game_id)
    awarded = STAKE * (10_000 - BURNED_BPS) // 10_000
    if default_first:
        assert audits.declare_default(claim_id, segment) == ""
        with boa.reverts("game: claim already slashed"):
            contract.timeout(game_id)
        contract.drop(game_id)
    else:
        contract.timeout(game_id)
        assert audits.declare_default(claim_id, segment) == "lottery: claim not pending"
        with boa.reverts("game: ended"):
            contract.drop(game_id)
    assert economy.escrow.claim_of(claim_id).status == CLAIM_SLASHED
    assert economy.escrow.claim_of(claim_id).open_games == 0
    assert economy.token.balanceOf(BURN_ADDRESS) == STAKE - awarded
    assert economy.vault.locked_of(economy.worker) == 0
    assert contract.owed_to(challenger) == eco.BOND
    assert economy.owed_to(challenger) == (0 if default_first else awarded)
    assert audits.settle(claim_id, auditor) == ""
    ended = AuditStatus.PAID if default_first else AuditStatus.RELEASED
    assert audits.status_of(claim_id, auditor) is ended


def test_join__just_before_a_claim__thins_the_draw_and_is_tied_up(
    audits: Audits, auditor: str
) -> None:
    """What remains of dilution: who puts in a thousand times the honest stake is drawn in its
    place, as it would be with warm stake, and cannot take it back before the warm-up is over."""
    assert audits.is_drawn(audits.drawn(), auditor)
    puppet = audits.hire("puppet", 10**4 * PENALTY)
    claim_id = audits.drawn()
    assert not audits.is_drawn(claim_id, auditor)
    assert not audits.is_drawn(claim_id, puppet)
    assert audits.leave(puppet) == "lottery: too early to leave"
    audits.warm_up()
    assert audits.leave(puppet) == ""
    assert audits.is_drawn(audits.drawn(), auditor)


def serve_all(audits: Audits, claim_id: int) -> None:
    """Let all rounds but the last go by."""
    for _ in range(eco.MAX_ROUNDS - 1):
        boa.env.timestamp = audits.economy.availability.question_of(claim_id).deadline + 1
        assert audits.serve_again(claim_id) == ""


@pytest.mark.xfail(
    strict=True,
    reason="Availability.attest measures the half against the audit stake of now, so stake that "
    "joins after the claim, and may not attest itself, can deny an honest worker its reward",
)
def test_attest__stake_that_joined_after_the_claim__does_not_raise_the_half(
    audits: Audits, auditor: str
) -> None:
    claim_id = audits.claimed(segments=2, attestations=1)  # no stretch, so nobody is drawn
    audits.hire("late", 10 * PENALTY)
    serve_all(audits, claim_id)
    assert audits.attest(claim_id, auditor) == ""
    assert audits.question(claim_id).settled


def test_attest__denied_by_late_stake__costs_the_reward_and_never_the_stake(
    audits: Audits, auditor: str
) -> None:
    """How far the attack above goes."""
    economy = audits.economy
    claim_id = audits.claimed(segments=2, attestations=1)
    late = audits.hire("late", 10 * PENALTY)
    serve_all(audits, claim_id)
    assert audits.attest(claim_id, auditor) == ""
    assert audits.attest(claim_id, late) == "availability: not an attester"
    boa.env.timestamp = economy.availability.question_of(claim_id).deadline + 1
    boa.env.timestamp = max(
        boa.env.timestamp, economy.escrow.claim_of(claim_id).challenge_deadline + 1
    )
    assert audits.void(claim_id) == ""
    assert economy.escrow.claim_of(claim_id).status == CLAIM_VOID
    assert economy.vault.free_of(economy.worker) == STAKE


@pytest.mark.xfail(
    strict=True,
    reason="Nothing on chain asks a worker for the state before a drawn stretch: who withholds it "
    "is not audited, because nobody can commit, and only a commitment can become a default",
)
def test_draw__states_before_the_stretches_withheld__claim_is_not_finalised(
    audits: Audits, auditor: str
) -> None:
    """The drawn auditor has nothing to start from, and a run from genesis takes too long."""
    claim_id = audits.drawn()
    while audits.economy.lottery.stretch_of(claim_id, auditor)[0] == 0:  # starts from genesis
        claim_id = audits.drawn()
    with boa.reverts():
        audits.finalise(claim_id)


def test_numbers__as_large_as_they_get__reach_nothing(audits: Audits, auditor: str) -> None:
    claim_id = audits.committed(auditor)
    lottery, escrow = audits.economy.lottery, audits.economy.escrow
    availability, largest = audits.economy.availability, 2**256 - 1
    segment = audits.segment_of(claim_id, auditor)
    leaf, path = audits.leaf(claim_id, segment), audits.trees[claim_id].get_path(segment)
    audits.pass_deadline(claim_id, "commit_deadline")
    # The same bits of the index, above the height of the tree.
    for number in (segment + 2**3, segment + 2**64, segment + 2**128, largest):
        with boa.reverts("lottery: nothing committed"):
            lottery.open_leaf(claim_id, number, leaf, path)
    audits.pass_deadline(claim_id, "open_deadline")
    for number in (segment + 2**64, largest):
        with boa.reverts("lottery: nothing committed"):
            lottery.declare_default(claim_id, number)
    for unknown in (0, claim_id + 1, claim_id + 2**128, largest):
        for call in (
            lambda n: lottery.draw(n),
            lambda n: availability.attest(n, leaf),
            lambda n: availability.void(n),
            lambda n: escrow.finalise(n),
            lambda n: escrow.subject_of(n),
        ):
            with boa.reverts("escrow: unknown claim"):
                call(unknown)


def test_void__claimed_and_withheld_again_and_again__spends_fees_and_no_reward(
    audits: Audits, auditor: str
) -> None:
    """A worker executes once, claims the same root for ever and serves no result. Its auditors
    work and are paid each time, of what is left; the reward is whole, and the task expires."""
    economy = audits.economy
    claim_id = audits.opened(auditor, attestations=1)
    escrow, fees = economy.escrow, []
    while True:
        answer = audits.answer(claim_id, auditor)
        assert audits.reveal(claim_id, auditor, answer) == ""
        fees.append(economy.lottery.draw_of(claim_id).fee)
        end = economy.availability.question_of(claim_id).deadline + eco.ROUND_SECONDS
        boa.env.timestamp = max(end, escrow.claim_of(claim_id).challenge_deadline) + 1
        assert audits.void(claim_id) == ""
        if len(fees) == 3:
            break
        claim_id = audits.claim(1)
        audits.fix(claim_id)
        assert audits.draw(claim_id) == ""
        assert audits.commit(claim_id, auditor, audits.answer(claim_id, auditor)) == ""
        audits.pass_deadline(claim_id, "commit_deadline")
        assert audits.open_leaf(claim_id, audits.segment_of(claim_id, auditor)) == ""
    assert fees == sorted(fees, reverse=True) and fees[-1] < fees[0]
    assert economy.owed_to(auditor) == sum(fees)
    assert escrow.task_of(1).audit_budget == BUDGET - sum(fees)
    # What remains: the registry counts, and the worker may take the task once more.
    assert economy.registry.record_of(economy.worker).abandoned == 3
    assert not escrow.had_lease(1, economy.worker)
    boa.env.timestamp = escrow.offer_of(1).expiry + 1
    before = economy.token.balanceOf(economy.submitter)
    escrow.expire(1)
    paid_back = economy.token.balanceOf(economy.submitter) - before
    assert paid_back == eco.REWARD + BUDGET - sum(fees)
