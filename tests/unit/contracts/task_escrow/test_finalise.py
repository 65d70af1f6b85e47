import boa
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.pricing import compute_reward
from tests.economy import (
    CLAIM_FINALISED,
    FINALISED,
    REWARD,
    STAKE,
    WINDOW_SECONDS,
    deploy_economy,
    get_callees,
    get_event,
    get_transfers,
)


def test_finalise__window_over__pays_and_releases(economy):
    escrow, splitter, vault = economy.escrow, economy.splitter, economy.vault
    claim_id = economy.claimed(shares=[(economy.challenger, 500)])
    boa.env.time_travel(seconds=WINDOW_SECONDS + 1)
    escrow.finalise(claim_id)
    event = get_event(escrow, "TaskFinalised")
    assert (event["task_id"], event["claim_id"]) == (1, claim_id)
    assert (event["worker"], event["reward"]) == (economy.worker, REWARD)
    assert get_transfers(escrow) == [(escrow.address, splitter.address, REWARD)]
    payout = economy.registry.payout_of(economy.worker)
    assert payout != economy.worker
    assert (splitter.owed_to(payout), splitter.owed_to(economy.worker)) == (950, 0)
    assert splitter.owed_to(economy.challenger) == 50
    assert splitter.owed_to(economy.submitter) == 0
    assert (vault.free_of(economy.worker), vault.locked_of(economy.worker)) == (STAKE, 0)
    assert escrow.total_escrowed() == economy.token.balanceOf(escrow) == 0
    task = escrow.task_of(1)
    assert (task.status, task.worker, task.claim_id) == (FINALISED, economy.worker, claim_id)
    assert (task.reward, task.audit_budget) == (REWARD, 0)
    assert escrow.claim_of(claim_id).status == CLAIM_FINALISED
    with boa.reverts("escrow: claim not pending"):
        escrow.finalise(claim_id)


def test_finalise__surplus_of_auction_and_budget__goes_back_to_the_submitter(economy):
    escrow, splitter = economy.escrow, economy.splitter
    auction = {"min_reward": 401, "max_reward": 1_000, "auction_seconds": 700}
    task_id = economy.post(shares=[(economy.challenger, 3_333)], audit_budget=90, **auction)
    boa.env.time_travel(seconds=1)
    economy.assign(task_id)
    assert escrow.task_of(task_id).reward == 401
    claim_id = economy.claim(task_id)
    economy.hook("pay_audit", claim_id, economy.auditor, 20)
    economy.pass_window(claim_id)
    escrow.finalise(claim_id)
    assert get_event(escrow, "TaskFinalised")["reward"] == 401
    assert get_transfers(escrow) == [(escrow.address, splitter.address, 1_070)]
    assert splitter.owed_to(economy.challenger) == 133  # 401 * 3,333 // 10,000
    assert economy.owed_to(economy.worker) == 268
    assert splitter.owed_to(economy.submitter) == 599 + 70
    assert economy.owed_to(economy.auditor) == 20
    assert escrow.total_escrowed() == economy.token.balanceOf(escrow) == 0
    assert splitter.total_owed() == economy.token.balanceOf(splitter) == 1_090


def test_finalise__payout_changed_meanwhile__pays_the_new_one(economy):
    claim_id = economy.claimed()
    payout, later = economy.registry.payout_of(economy.worker), boa.env.generate_address()
    economy.registry.set_payout(economy.worker, later, sender=payout)
    economy.pass_window(claim_id)
    economy.escrow.finalise(claim_id)
    assert (economy.splitter.owed_to(later), economy.splitter.owed_to(payout)) == (REWARD, 0)


def test_finalise__retired_worker__is_paid(economy):
    claim_id = economy.claimed()
    economy.register(economy.worker, 0)
    economy.pass_window(claim_id)
    economy.escrow.finalise(claim_id)
    assert economy.owed_to(economy.worker) == REWARD


def test_finalise__up_to_the_deadline__reverts(economy):
    claim_id = economy.claimed()
    boa.env.time_travel(seconds=WINDOW_SECONDS)
    with boa.reverts("escrow: window open"):
        economy.escrow.finalise(claim_id)
    boa.env.time_travel(seconds=1)
    economy.escrow.finalise(claim_id)


def test_finalise__undecided_game__reverts(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    economy.pass_window(claim_id)
    with boa.reverts("escrow: games open"):
        economy.escrow.finalise(claim_id)
    economy.hook("process_game_lost", claim_id)
    economy.escrow.finalise(claim_id)


def test_finalise__result_not_attested__waits(economy):
    claim_id = economy.claimed(attestations=1)
    economy.pass_window(claim_id)
    with boa.reverts("escrow: result not available"):
        economy.escrow.finalise(claim_id)
    economy.attest(claim_id)
    economy.escrow.finalise(claim_id)
    assert economy.owed_to(economy.worker) == REWARD


def test_finalise__no_attestations_asked__does_not_ask(economy):
    claim_id = economy.claimed()
    economy.pass_window(claim_id)
    economy.escrow.finalise(claim_id)
    assert economy.availability.address not in get_callees(economy.escrow)


def test_finalise__unknown_claim__reverts(economy):
    for claim_id in (0, 1):
        with boa.reverts("escrow: unknown claim"):
            economy.escrow.finalise(claim_id)


def test_finalise__largest_amounts__cannot_overflow(economy):
    most = 2**128 - 1
    claim_id = economy.claimed(
        min_reward=most,
        max_reward=most,
        audit_budget=most,
        stake=most,
        bond=2**96 - 1,
        shares=[(economy.challenger, 9_999)],
    )
    economy.pass_window(claim_id)
    economy.escrow.finalise(claim_id)
    assert economy.splitter.total_owed() == 2 * most


@settings(max_examples=30)
@given(
    rewards=st.tuples(st.integers(1, 2_000), st.integers(0, 2_000)),
    seconds=st.integers(0, 1_000),
    elapsed=st.integers(0, 1_000),
    budget=st.integers(0, 50),
    fee=st.integers(0, 60),
    points=st.lists(st.integers(1, 1_249), max_size=8),
)
def test_finalise__any_offer__divides_all_that_was_escrowed(
    rewards, seconds, elapsed, budget, fee, points
):
    with boa.env.anchor():
        economy = deploy_economy()
        least, most = rewards[0], sum(rewards)
        shares = [(boa.env.generate_address(), share) for share in points]
        auction = {"min_reward": least, "max_reward": most, "auction_seconds": seconds}
        task_id = economy.post(shares=shares, audit_budget=budget, **auction)
        boa.env.time_travel(seconds=elapsed)
        economy.assign(task_id)
        claim_id = economy.claim(task_id)
        paid = economy.hook("pay_audit", claim_id, economy.auditor, fee)
        economy.pass_window(claim_id)
        economy.escrow.finalise(claim_id)
        reward = compute_reward(least, most, seconds, elapsed)
        parts = [economy.splitter.owed_to(account) for account, _ in shares]
        assert paid == economy.owed_to(economy.auditor) == min(fee, budget)
        assert parts == [reward * share // 10_000 for share in points]
        assert economy.owed_to(economy.worker) == reward - sum(parts) > 0
        assert economy.splitter.owed_to(economy.submitter) == most - reward + budget - paid
        assert economy.escrow.total_escrowed() == 0
        assert economy.token.balanceOf(economy.splitter) == economy.splitter.total_owed()
