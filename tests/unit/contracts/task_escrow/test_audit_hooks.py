"""The hooks of the AuditLottery and of Availability. [E2, E4, E11, E12]"""

import boa
import pytest

from tests.economy import (
    BOND,
    BURN_ADDRESS,
    CLAIM_SLASHED,
    CLAIM_VOID,
    EXPIRY_SECONDS,
    POSTED,
    REWARD,
    STAKE,
    ZERO_ADDRESS,
    deploy_economy,
    deploy_game,
    get_deployer,
    get_event,
    get_transfers,
    open_game,
)

BUDGET = 70
BURNED, AWARDED = 61, 40  # 6,000 basis points of a stake of 101


def assert_reopened(economy):
    task = economy.escrow.task_of(1)
    assert (task.status, task.posted_at) == (POSTED, boa.env.timestamp)
    assert (task.worker, task.reward, task.claim_id) == (ZERO_ADDRESS, 0, 0)
    assert (task.lease_end, task.heartbeat_end, task.progress) == (0, 0, 0)


def assert_books(economy):
    """E2: of one task that is not finished."""
    escrow = economy.escrow
    escrowed = REWARD + escrow.task_of(1).audit_budget
    assert escrow.total_escrowed() == economy.token.balanceOf(escrow) == escrowed


def test_process_audit_default__award__goes_into_the_audit_budget(economy):
    escrow, vault = economy.escrow, economy.vault
    claim_id = economy.claimed(audit_budget=BUDGET)
    economy.hook("process_audit_default", claim_id)
    event = get_event(escrow, "ClaimSlashed")
    assert (event["task_id"], event["claim_id"], event["worker"]) == (1, 1, economy.worker)
    assert (event["challenger"], event["awarded"]) == (ZERO_ADDRESS, AWARDED)
    assert get_transfers(escrow) == [
        (vault.address, BURN_ADDRESS, BURNED),
        (vault.address, escrow.address, AWARDED),
    ]
    assert escrow.claim_of(claim_id).status == CLAIM_SLASHED
    assert escrow.task_of(1).audit_budget == BUDGET + AWARDED
    assert (vault.free_of(economy.worker), vault.locked_of(economy.worker)) == (0, 0)
    assert_reopened(economy)
    assert_books(economy)


def test_process_audit_default__auditors__are_paid_from_the_award(economy):
    claim_id = economy.claimed(audit_budget=1)
    economy.hook("process_audit_default", claim_id)
    assert economy.hook("pay_audit", claim_id, economy.auditor, 30) == 30
    assert economy.escrow.task_of(1).audit_budget == 11
    assert_books(economy)


def test_process_audit_default__everything_burned__awards_nothing():
    with boa.env.anchor():
        economy = deploy_economy(burned_bps=10_000)
        economy.hook("process_audit_default", economy.claimed(audit_budget=BUDGET))
        assert get_event(economy.escrow, "ClaimSlashed")["awarded"] == 0
        assert economy.escrow.task_of(1).audit_budget == BUDGET
        assert_books(economy)


def test_process_audit_default__next_claim__is_finalised_with_the_award_left(economy):
    economy.hook("process_audit_default", economy.claimed(audit_budget=BUDGET))
    economy.assign(1, economy.challenger)
    claim_id = economy.claim(1, economy.challenger)
    economy.pass_window(claim_id)
    economy.escrow.finalise(claim_id)
    assert economy.owed_to(economy.challenger) == REWARD
    assert economy.splitter.owed_to(economy.submitter) == BUDGET + AWARDED


def test_process_audit_default__open_games__can_only_be_dropped(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_audit_default", claim_id)
    for call in (
        ("process_game_opened", claim_id),
        ("process_game_lost", claim_id),
        ("process_worker_lost", claim_id, economy.challenger),
        ("process_audit_default", claim_id),
        ("process_unavailable", claim_id),
    ):
        with boa.reverts("escrow: claim not pending"):
            economy.hook(*call)
    economy.hook("process_game_dropped", claim_id)
    assert economy.escrow.claim_of(claim_id).open_games == 0
    economy.pass_window(claim_id)
    with boa.reverts("escrow: claim not pending"):
        economy.escrow.finalise(claim_id)


def test_process_audit_default__open_game__gives_its_bond_back(economy):
    contract, challenger = deploy_game(economy), economy.challenger
    claim_id = economy.claimed()
    economy.token.mint(challenger, BOND)
    game_id = open_game(economy, contract, claim_id, challenger)
    economy.hook("process_audit_default", claim_id)
    contract.drop(game_id)
    assert contract.owed_to(challenger) == BOND
    assert economy.escrow.claim_of(claim_id).open_games == 0


def test_process_audit_default__token_with_a_fee__reverts():
    with boa.env.anchor():
        token = get_deployer("mocks/FaultyToken").deploy()
        economy = deploy_economy(token)
        economy.register(economy.worker)
        token.mint(economy.worker, STAKE)
        token.mint(economy.submitter, REWARD)
        economy.vault.deposit(economy.worker, STAKE, sender=economy.worker)
        economy.fund = lambda *_: None
        claim_id = economy.claimed()
        token.set_fault(1, False)
        with boa.reverts("escrow: short transfer"):
            economy.hook("process_audit_default", claim_id)


def test_process_unavailable__releases_the_stake_and_reopens(economy):
    escrow, vault = economy.escrow, economy.vault
    claim_id = economy.claimed(audit_budget=BUDGET)
    economy.hook("process_unavailable", claim_id)
    event = get_event(escrow, "ClaimVoided")
    assert (event["task_id"], event["claim_id"], event["worker"]) == (1, 1, economy.worker)
    assert escrow.claim_of(claim_id).status == CLAIM_VOID
    assert (vault.free_of(economy.worker), vault.locked_of(economy.worker)) == (STAKE, 0)
    assert get_transfers(escrow) == []
    assert_reopened(economy)
    assert_books(economy)


def test_process_unavailable__undecided_game__reverts(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    with boa.reverts("escrow: games open"):
        economy.hook("process_unavailable", claim_id)
    economy.hook("process_game_lost", claim_id)
    economy.hook("process_unavailable", claim_id)


def test_process_unavailable__void_claim__is_never_slashed_or_finalised(economy):
    claim_id = economy.claimed()
    economy.hook("process_unavailable", claim_id)
    for call in (
        ("process_game_opened", claim_id),
        ("process_game_lost", claim_id),
        ("process_worker_lost", claim_id, economy.challenger),
        ("process_audit_default", claim_id),
        ("process_unavailable", claim_id),
    ):
        with boa.reverts("escrow: claim not pending"):
            economy.hook(*call)
    with boa.reverts("escrow: claim not slashed"):
        economy.hook("process_game_dropped", claim_id)
    economy.pass_window(claim_id)
    with boa.reverts("escrow: claim not pending"):
        economy.escrow.finalise(claim_id)


def test_pay_audit__from_the_budget__credits_the_auditors_payout(economy):
    escrow, splitter = economy.escrow, economy.splitter
    claim_id = economy.claimed(audit_budget=BUDGET)
    payout = economy.register(economy.auditor)
    assert economy.hook("pay_audit", claim_id, economy.auditor, 30) == 30
    event = get_event(escrow, "AuditPaid")
    assert (event["task_id"], event["claim_id"]) == (1, claim_id)
    assert (event["auditor"], event["amount"]) == (economy.auditor, 30)
    assert get_transfers(escrow) == [(escrow.address, splitter.address, 30)]
    assert (splitter.owed_to(payout), splitter.owed_to(economy.auditor)) == (30, 0)
    assert escrow.task_of(1).audit_budget == BUDGET - 30
    assert_books(economy)


def test_pay_audit__more_than_is_left__pays_what_is_left(economy):
    claim_id = economy.claimed(audit_budget=BUDGET)
    assert economy.hook("pay_audit", claim_id, economy.auditor, BUDGET - 1) == BUDGET - 1
    assert economy.hook("pay_audit", claim_id, economy.auditor, 2**256 - 1) == 1
    assert get_event(economy.escrow, "AuditPaid")["amount"] == 1
    assert_books(economy)
    assert economy.hook("pay_audit", claim_id, economy.auditor, 1) == 0
    assert economy.escrow.get_logs() == []
    assert economy.owed_to(economy.auditor) == BUDGET
    assert_books(economy)


def test_pay_audit__nothing__does_nothing(economy):
    claim_id = economy.claimed(audit_budget=BUDGET)
    assert economy.hook("pay_audit", claim_id, economy.auditor, 0) == 0
    assert economy.escrow.get_logs() == []
    assert economy.escrow.task_of(1).audit_budget == BUDGET


def test_pay_audit__without_a_budget__never_touches_rewards(economy):
    claim_id = economy.claimed()
    economy.post(audit_budget=BUDGET)
    assert economy.hook("pay_audit", claim_id, economy.auditor, 5) == 0
    assert economy.escrow.total_escrowed() == 2 * REWARD + BUDGET
    assert economy.escrow.task_of(2).audit_budget == BUDGET


def test_pay_audit__by_availability__works(economy):
    claim_id = economy.claimed(audit_budget=BUDGET)
    caller = economy.availability.address
    assert economy.escrow.pay_audit(claim_id, economy.auditor, 5, sender=caller) == 5


def test_pay_audit__slashed_claim__draws_on_the_tasks_budget(economy):
    claim_id = economy.claimed(audit_budget=BUDGET)
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_worker_lost", claim_id, economy.challenger)
    assert economy.hook("pay_audit", claim_id, economy.auditor, 30) == 30
    economy.assign(1)
    second = economy.claim(1)
    assert economy.hook("pay_audit", claim_id, economy.auditor, 30) == 30
    assert economy.hook("pay_audit", second, economy.auditor, 30) == 10


def test_pay_audit__finished_task__pays_nothing(economy):
    claim_id = economy.claimed(audit_budget=BUDGET)
    economy.pass_window(claim_id)
    economy.escrow.finalise(claim_id)
    assert economy.hook("pay_audit", claim_id, economy.auditor, 30) == 0

    claim_id = economy.claimed(audit_budget=BUDGET)
    economy.hook("process_audit_default", claim_id)
    boa.env.time_travel(seconds=EXPIRY_SECONDS + 1)
    economy.escrow.expire(2)
    assert economy.hook("pay_audit", claim_id, economy.auditor, 30) == 0


@pytest.mark.parametrize(
    ("name", "rest", "message"),
    [
        ("process_audit_default", (), "escrow: not lottery"),
        ("process_unavailable", (), "escrow: not availability"),
        ("pay_audit", (ZERO_ADDRESS, 1), "escrow: not lottery"),
    ],
)
def test_audit_hooks__stranger_or_unknown_claim__reverts(economy, name, rest, message):
    claim_id = economy.claimed()
    strangers = [economy.worker, economy.game, economy.registry.address]
    if name == "process_audit_default":
        strangers.append(economy.availability.address)
    if name == "process_unavailable":
        strangers.append(economy.lottery.address)
    for stranger in strangers:
        with boa.reverts(message):
            getattr(economy.escrow, name)(claim_id, *rest, sender=stranger)
    for unknown in (0, claim_id + 1):
        with boa.reverts("escrow: unknown claim"):
            economy.hook(name, unknown, *rest)
