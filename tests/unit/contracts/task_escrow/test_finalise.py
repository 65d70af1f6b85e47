import boa

from tests.economy import (
    CHALLENGE_SECONDS,
    CLAIM_FINALISED,
    FINALISED,
    REWARD,
    STAKE,
    get_event,
    get_transfers,
)


def test_finalise__window_over__pays_and_releases(economy):
    escrow, splitter, vault = economy.escrow, economy.splitter, economy.vault
    claim_id = economy.claimed(shares=[(economy.challenger, 500)])
    boa.env.time_travel(seconds=CHALLENGE_SECONDS + 1)
    escrow.finalise(claim_id)
    event = get_event(escrow, "TaskFinalised")
    assert (event["task_id"], event["claim_id"]) == (1, claim_id)
    assert (event["worker"], event["reward"]) == (economy.worker, REWARD)
    assert get_transfers(escrow) == [(escrow.address, splitter.address, REWARD)]
    assert splitter.owed_to(economy.worker) == 950
    assert splitter.owed_to(economy.challenger) == 50
    assert (vault.free_of(economy.worker), vault.locked_of(economy.worker)) == (STAKE, 0)
    assert escrow.total_escrowed() == economy.token.balanceOf(escrow) == 0
    task = escrow.task_of(1)
    assert (task.status, task.worker, task.claim_id) == (FINALISED, economy.worker, claim_id)
    assert escrow.claim_of(claim_id).status == CLAIM_FINALISED
    with boa.reverts("escrow: claim not pending"):
        escrow.finalise(claim_id)


def test_finalise__up_to_the_deadline__reverts(economy):
    claim_id = economy.claimed()
    boa.env.time_travel(seconds=CHALLENGE_SECONDS)
    with boa.reverts("escrow: window open"):
        economy.escrow.finalise(claim_id)


def test_finalise__undecided_game__reverts(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    boa.env.time_travel(seconds=CHALLENGE_SECONDS + 1)
    with boa.reverts("escrow: games open"):
        economy.escrow.finalise(claim_id)
    economy.hook("process_game_lost", claim_id)
    economy.escrow.finalise(claim_id)


def test_finalise__unknown_claim__reverts(economy):
    for claim_id in (0, 1):
        with boa.reverts("escrow: unknown claim"):
            economy.escrow.finalise(claim_id)


def test_finalise__largest_amounts__cannot_overflow(economy):
    largest = 2**128 - 1
    claim_id = economy.claimed(reward=largest, stake=largest, shares=[(economy.challenger, 9_999)])
    boa.env.time_travel(seconds=CHALLENGE_SECONDS + 1)
    economy.escrow.finalise(claim_id)
    assert economy.splitter.total_owed() == largest
