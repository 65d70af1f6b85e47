import boa
import pytest

from tests import economy as eco
from tests.audits import make_account
from tests.economy import AUDITOR, PENALTY, WARMUP_SECONDS, WORKER


def test_join__free_stake__is_locked_and_counts_after_the_warm_up(audits):
    auditor = audits.hire(stake=PENALTY)
    event = audits.get_event("AuditorJoined")
    active_from = boa.env.timestamp + WARMUP_SECONDS
    assert (event["auditor"], event["stake"]) == (auditor, PENALTY)
    assert event["active_from"] == audits.economy.lottery.active_from(auditor) == active_from
    assert audits.economy.vault.locked_of(auditor) == PENALTY
    assert audits.economy.lottery.total_stake() == PENALTY


def test_join__refused__reverts(audits):
    economy, worker, auditor = audits.economy, make_account("worker"), make_account("auditor")
    economy.register(worker, WORKER)
    economy.stake(worker, PENALTY)
    assert audits.join(worker, PENALTY) == "lottery: not an auditor"
    economy.register(auditor, AUDITOR)
    assert audits.join(auditor, PENALTY - 1) == "lottery: stake below penalty"
    assert audits.join(auditor, PENALTY) == "vault: insufficient stake"
    assert audits.join(auditor, 2**128) == "lottery: stake out of range"
    assert audits.join(auditor, 2**256 - 1) == "lottery: stake out of range"


def test_join__total_at_its_limit__takes_no_more(audits):
    economy = audits.economy
    rich, poor = make_account("rich"), make_account("poor")
    for account, amount in ((rich, 2**128 - 1 - PENALTY), (poor, PENALTY + 1)):
        economy.register(account, AUDITOR)
        economy.stake(account, amount)
    assert audits.join(rich, 2**128 - 1 - PENALTY) == ""
    assert audits.join(poor, PENALTY + 1) == "lottery: stake out of range"
    assert audits.join(poor, PENALTY) == ""
    audits.warm_up()
    claim_id = audits.drawn()
    # The largest numbers that sortition meets.
    assert audits.is_drawn(claim_id, rich)
    assert audits.commit(claim_id, rich, eco.compute_hash("x")) == ""


def test_join__again__the_whole_stake_starts_anew(audits):
    auditor = audits.hire(stake=PENALTY)
    audits.warm_up()
    claimed = audits.drawn()
    assert audits.is_drawn(claimed, auditor)
    audits.economy.stake(auditor, 1)
    assert audits.join(auditor, 1) == ""
    assert not audits.is_drawn(claimed, auditor)
    assert audits.commit(claimed, auditor, eco.compute_hash("x")) == "lottery: not drawn"


@pytest.mark.parametrize(
    ("seconds", "drawn"), [(WARMUP_SECONDS - 1, False), (WARMUP_SECONDS, True)]
)
def test_join__claim_at_the_end_of_the_warm_up__counts(audits, seconds, drawn):
    auditor = audits.hire()
    boa.env.time_travel(seconds=seconds)
    assert audits.is_drawn(audits.drawn(), auditor) is drawn


def test_leave__nothing_open__is_free_again(audits, auditor):
    assert audits.leave(auditor) == ""
    assert audits.get_event("AuditorLeft")["stake"] == 10 * PENALTY
    assert audits.economy.vault.free_of(auditor) == 10 * PENALTY
    assert audits.leave(auditor) == "lottery: nothing staked"


def test_leave__by_the_payout__is_free_again(audits, auditor):
    registry, later = audits.economy.registry, make_account("later")
    payout = registry.payout_of(auditor)
    registry.set_payout(auditor, later, sender=payout)
    for caller in (payout, make_account("stranger")):
        assert audits.leave(auditor, caller) == "lottery: not yours"
    assert audits.leave(auditor, later) == ""
    assert audits.get_event("AuditorLeft")["auditor"] == auditor
    assert audits.economy.vault.free_of(auditor) == 10 * PENALTY
    assert audits.leave(auditor, later) == "lottery: nothing staked"


def test_leave__before_the_stake_counts__reverts(audits):
    auditor = audits.hire()
    boa.env.time_travel(seconds=WARMUP_SECONDS - 1)
    assert audits.leave(auditor) == "lottery: too early to leave"
    boa.env.time_travel(seconds=1)
    assert audits.leave(auditor) == ""


def test_leave__audit_open__reverts(audits, auditor):
    claim_id = audits.opened(auditor)
    assert audits.leave(auditor) == "lottery: audits open"
    assert audits.reveal(claim_id, auditor, audits.answer(claim_id, auditor)) == ""
    assert audits.leave(auditor) == ""
    # The fee was paid, and nothing of a settled audit is left to settle.
    assert audits.settle(claim_id, auditor) == "lottery: nothing to settle"


def test_leave__after_the_claim__draws_nobody(audits, auditor):
    other = audits.hire("other")
    audits.warm_up()
    claim_id = audits.claimed()
    assert audits.leave(auditor) == ""
    audits.fix(claim_id)
    assert audits.draw(claim_id) == ""
    assert not audits.is_drawn(claim_id, auditor)
    # L2: who leaves makes nobody's odds better.
    assert audits.economy.lottery.draw_of(claim_id).total_stake == 20 * PENALTY
    assert audits.economy.lottery.stake_of(other) == 10 * PENALTY


def test_stake__joined_after_the_claim__does_not_dilute_it(audits, auditor):
    claim_id = audits.claimed()
    audits.hire("diluter", stake=10**9)
    audits.fix(claim_id)
    assert audits.draw(claim_id) == ""
    assert audits.is_drawn(claim_id, auditor)
