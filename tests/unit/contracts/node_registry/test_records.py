"""The counters of a worker's leases: each ends in exactly one of three ways. [N3]"""

import boa
import pytest

from tests.economy import LEASE_SECONDS, get_event


def test_record__finalised_claim__counts(economy):
    claim_id = economy.claimed()
    economy.pass_window(claim_id)
    economy.escrow.finalise(claim_id)
    event = get_event(economy.escrow, "NodeRecorded")
    assert (event["node"], event["record"]) == (economy.worker, (1, 0, 0))
    assert economy.registry.record_of(economy.worker) == (1, 0, 0)


def test_record__lost_game__counts(economy):
    claim_id = economy.claimed()
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_worker_lost", claim_id, economy.challenger)
    assert get_event(economy.escrow, "NodeRecorded")["record"] == (0, 1, 0)
    assert economy.registry.record_of(economy.worker) == (0, 1, 0)


def test_record__audit_default__counts_as_lost(economy):
    economy.hook("process_audit_default", economy.claimed())
    assert get_event(economy.escrow, "NodeRecorded")["record"] == (0, 1, 0)


def test_record__void_claim__counts_as_abandoned(economy):
    economy.hook("process_unavailable", economy.claimed())
    assert get_event(economy.escrow, "NodeRecorded")["record"] == (0, 0, 1)


def test_record__leases_without_claim__count_as_abandoned(economy):
    first, second = economy.post(), economy.post()
    economy.assign(first)
    economy.escrow.abandon(first, sender=economy.worker)
    assert get_event(economy.escrow, "NodeRecorded")["record"] == (0, 0, 1)
    economy.assign(second)
    boa.env.time_travel(seconds=LEASE_SECONDS + 1)
    economy.escrow.expire_lease(second)
    assert get_event(economy.escrow, "NodeRecorded")["record"] == (0, 0, 2)
    assert economy.registry.record_of(economy.worker) == (0, 0, 2)


@pytest.mark.parametrize("name", ["record_finalised", "record_lost", "record_abandoned"])
def test_record__not_by_the_escrow__reverts(economy, name):
    for caller in (economy.worker, economy.game, economy.lottery.address):
        with boa.reverts("registry: not escrow"):
            getattr(economy.registry, name)(economy.worker, sender=caller)
