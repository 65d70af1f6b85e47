"""The hooks of the ChallengeGame."""

import boa
import pytest

from tests.economy import (
    BURN_ADDRESS,
    CLAIM_SLASHED,
    EXPIRY_SECONDS,
    POSTED,
    REWARD,
    WINDOW_SECONDS,
    ZERO_ADDRESS,
    get_event,
    get_transfers,
)

BURNED, AWARDED = 61, 40  # 6,000 basis points of a stake of 101


def test_process_game_opened__in_the_window__counts(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    boa.env.time_travel(seconds=WINDOW_SECONDS)
    economy.hook("process_game_opened", claim_id)
    assert economy.escrow.claim_of(claim_id).open_games == 2
    boa.env.time_travel(seconds=1)
    with boa.reverts("escrow: window closed"):
        economy.hook("process_game_opened", claim_id)


def test_process_game_lost__open_game__counts_down(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_game_lost", claim_id)
    assert economy.escrow.claim_of(claim_id).open_games == 0
    with boa.reverts("escrow: no open game"):
        economy.hook("process_game_lost", claim_id)


def test_process_worker_lost__refuted__slashes_and_reopens(economy):
    escrow, vault, splitter = economy.escrow, economy.vault, economy.splitter
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_worker_lost", claim_id, economy.challenger)
    event = get_event(escrow, "ClaimSlashed")
    assert (event["task_id"], event["claim_id"], event["worker"]) == (1, 1, economy.worker)
    assert (event["challenger"], event["awarded"]) == (economy.challenger, AWARDED)
    assert get_transfers(escrow) == [
        (vault.address, BURN_ADDRESS, BURNED),
        (vault.address, splitter.address, AWARDED),
    ]
    assert splitter.owed_to(economy.challenger) == AWARDED
    assert (vault.free_of(economy.worker), vault.locked_of(economy.worker)) == (0, 0)
    claim = escrow.claim_of(claim_id)
    assert (claim.status, claim.open_games) == (CLAIM_SLASHED, 0)
    task = escrow.task_of(1)
    assert (task.status, task.worker, task.lease_end, task.claim_id) == (POSTED, ZERO_ADDRESS, 0, 0)
    assert (task.reward, task.posted_at) == (0, boa.env.timestamp)
    assert escrow.total_escrowed() == economy.token.balanceOf(escrow) == REWARD


def test_process_worker_lost__challenger_is_a_node__pays_its_payout(economy):
    claim_id = economy.claimed()
    payout = economy.register(economy.challenger)
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_worker_lost", claim_id, economy.challenger)
    assert get_event(economy.escrow, "ClaimSlashed")["challenger"] == economy.challenger
    assert economy.splitter.owed_to(payout) == AWARDED
    assert economy.splitter.owed_to(economy.challenger) == 0


def test_process_worker_lost__audit_budget__stays_with_the_task(economy):
    claim_id = economy.claimed(audit_budget=77)
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_worker_lost", claim_id, economy.challenger)
    assert economy.escrow.task_of(1).audit_budget == 77
    assert economy.escrow.total_escrowed() == REWARD + 77


def test_process_worker_lost__reopened_task__is_done_by_another(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_worker_lost", claim_id, economy.challenger)
    honest = boa.env.generate_address("honest")
    economy.assign(1, honest)
    second = economy.claim(1, honest)
    assert second == claim_id + 1
    economy.pass_window(second)
    with boa.reverts("escrow: claim not pending"):
        economy.escrow.finalise(claim_id)
    economy.escrow.finalise(second)
    assert economy.owed_to(honest) == REWARD


def test_process_worker_lost__reopened_after_expiry__is_refunded(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    boa.env.time_travel(seconds=EXPIRY_SECONDS + 1)
    economy.hook("process_worker_lost", claim_id, economy.challenger)
    economy.escrow.expire(1)
    assert economy.token.balanceOf(economy.submitter) == REWARD


def test_process_game_dropped__slashed_claim__counts_down(economy):
    claim_id = economy.claimed()
    for _ in range(3):
        economy.hook("process_game_opened", claim_id)
    with boa.reverts("escrow: claim not slashed"):
        economy.hook("process_game_dropped", claim_id)
    economy.hook("process_worker_lost", claim_id, economy.challenger)
    # The task may have its next claim before the last game against the first one has ended.
    economy.assign(1)
    economy.claim(1)
    for left in (1, 0):
        economy.hook("process_game_dropped", claim_id)
        assert economy.escrow.claim_of(claim_id).open_games == left
    with boa.reverts("escrow: no open game"):
        economy.hook("process_game_dropped", claim_id)


def test_hooks__slashed_claim__refuses_the_others(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_worker_lost", claim_id, economy.challenger)
    for call in (
        ("process_game_opened", claim_id),
        ("process_game_lost", claim_id),
        ("process_worker_lost", claim_id, economy.challenger),
    ):
        with boa.reverts("escrow: claim not pending"):
            economy.hook(*call)


def test_process_worker_lost__no_game__reverts(economy):
    claim_id = economy.claimed()
    with boa.reverts("escrow: no open game"):
        economy.hook("process_worker_lost", claim_id, economy.challenger)


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("process_game_opened", ()),
        ("process_game_lost", ()),
        ("process_worker_lost", (ZERO_ADDRESS,)),
        ("process_game_dropped", ()),
    ],
)
def test_hooks__stranger_or_unknown_claim__reverts(economy, name, rest):
    claim_id = economy.claimed()
    for stranger in (economy.worker, economy.lottery.address, economy.availability.address):
        with boa.reverts("escrow: not game"):
            getattr(economy.escrow, name)(claim_id, *rest, sender=stranger)
    for unknown in (0, claim_id + 1):
        with boa.reverts("escrow: unknown claim"):
            economy.hook(name, unknown, *rest)
