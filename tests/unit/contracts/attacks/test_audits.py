"""Who wants to get past an audit, or to be paid for one that it did not do."""

import boa
import pytest

from offchain.agents.auditor_policy import AuditorPolicy, decide
from protocol.audit import AuditStatus
from tests import economy as eco
from tests.agent_views import DRAW, build_audit, build_claim, build_view
from tests.audits import BUDGET, Audits
from tests.economy import (
    BURN_ADDRESS,
    BURNED_BPS,
    CLAIM_FINALISED,
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


def test_attest__stake_that_joined_after_the_claim__does_not_raise_the_half(
    audits: Audits, auditor: str
) -> None:
    """Nor does it count in it. [D4]"""
    claim_id = audits.claimed(segments=2, attestations=1)  # no stretch, so nobody is drawn
    late = audits.hire("late", 10**4 * PENALTY)
    serve_all(audits, claim_id)
    assert audits.attest(claim_id, late) == "availability: not an attester"
    assert audits.attest(claim_id, auditor) == ""
    assert audits.question(claim_id).settled


def test_attest__denied_by_stake_of_before_the_claim__costs_the_reward_and_never_the_stake(
    audits: Audits, auditor: str
) -> None:
    """What remains: stake that is not warm at the claim counts in the half, and may not attest.
    Its owner could as well have warm stake and be silent."""
    economy = audits.economy
    cold = audits.hire("cold", 10 * PENALTY)
    claim_id = audits.claimed(segments=2, attestations=1)
    serve_all(audits, claim_id)
    assert audits.attest(claim_id, auditor) == ""
    assert audits.attest(claim_id, cold) == "availability: not an attester"
    assert not audits.question(claim_id).settled
    void_at_last(audits, claim_id)
    assert economy.escrow.claim_of(claim_id).status == CLAIM_VOID
    assert economy.vault.free_of(economy.worker) == STAKE


def void_at_last(audits: Audits, claim_id: int) -> None:
    """Nobody attests, and no round is left."""
    economy = audits.economy
    end = economy.availability.question_of(claim_id).deadline
    boa.env.timestamp = max(end, economy.escrow.claim_of(claim_id).challenge_deadline) + 1
    assert audits.void(claim_id) == ""


def withhold_states(audits: Audits, auditor: str, **changes: int) -> int:
    """A drawn claim whose drawn auditor has nothing to start from."""
    claim_id = audits.drawn(**changes)
    while audits.economy.lottery.stretch_of(claim_id, auditor)[0] == 0:  # starts from genesis
        claim_id = audits.drawn(**changes)
    return claim_id


def test_withheld__states_before_the_stretches__no_attestation_no_reward(
    audits: Audits, auditor: str
) -> None:
    """What holds where a task asks for attestations. The result itself is served: an auditor of
    this software that was drawn, could not commit and so has no audit does not attest. Without an
    attestation the reward stays locked, and the claim is void when its rounds are over."""
    economy = audits.economy
    claim_id = withhold_states(audits, auditor, attestations=1)
    assert economy.availability.may_attest(claim_id, auditor)
    # What that auditor sees when the time to commit is over: it may, and does not.
    late = DRAW.commit_deadline + 1
    seen = build_view(build_claim(audit=build_audit(attest_until=late)), now=late, audit_stake=40)
    assert decide(seen, AuditorPolicy()) == []
    serve_all(audits, claim_id)
    boa.env.timestamp = economy.escrow.claim_of(claim_id).challenge_deadline + 1
    with boa.reverts("escrow: result not available"):
        economy.escrow.finalise(claim_id)
    void_at_last(audits, claim_id)
    assert economy.escrow.claim_of(claim_id).status == CLAIM_VOID
    assert economy.owed_to(economy.worker) == 0
    assert economy.escrow.had_lease(economy.escrow.claim_of(claim_id).task_id, economy.worker)


def test_withheld__no_attestation_asked__claim_is_finalised_unaudited(
    audits: Audits, auditor: str
) -> None:
    """What remains: nothing on chain asks for the states in between. Only a commitment can become
    a default, and nobody can commit; one that guesses loses its penalty."""
    claim_id = withhold_states(audits, auditor)
    audits.finalise(claim_id)
    assert audits.economy.escrow.claim_of(claim_id).status == CLAIM_FINALISED


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
    """A worker executes once, claims the same root with one account after the other and serves no
    result. Its auditors work and are paid each time, of what is left; the reward is whole, and
    the task expires."""
    economy = audits.economy
    claim_id = audits.opened(auditor, attestations=1)
    escrow, fees, workers = economy.escrow, [], [economy.worker]
    while True:
        answer = audits.answer(claim_id, auditor)
        assert audits.reveal(claim_id, auditor, answer) == ""
        fees.append(economy.lottery.draw_of(claim_id).fee)
        end = economy.availability.question_of(claim_id).deadline + eco.ROUND_SECONDS
        boa.env.timestamp = max(end, escrow.claim_of(claim_id).challenge_deadline) + 1
        assert audits.void(claim_id) == ""
        if len(fees) == 3:
            break
        with boa.reverts("escrow: had a lease"):
            economy.assign(1, workers[-1])
        workers.append(boa.env.generate_address())
        claim_id = audits.claim(1, worker=workers[-1])
        audits.fix(claim_id)
        assert audits.draw(claim_id) == ""
        assert audits.commit(claim_id, auditor, audits.answer(claim_id, auditor)) == ""
        audits.pass_deadline(claim_id, "commit_deadline")
        assert audits.open_leaf(claim_id, audits.segment_of(claim_id, auditor)) == ""
    assert fees == sorted(fees, reverse=True) and fees[-1] < fees[0]
    assert economy.owed_to(auditor) == sum(fees)
    assert escrow.task_of(1).audit_budget == BUDGET - sum(fees)
    # Each account once, which the registry counts; accounts are free, stake is tied up. [E12]
    assert all(economy.registry.record_of(worker).abandoned == 1 for worker in workers)
    boa.env.timestamp = escrow.offer_of(1).expiry + 1
    before = economy.token.balanceOf(economy.submitter)
    escrow.expire(1)
    paid_back = economy.token.balanceOf(economy.submitter) - before
    assert paid_back == eco.REWARD + BUDGET - sum(fees)
