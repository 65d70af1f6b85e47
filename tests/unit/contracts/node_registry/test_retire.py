"""retire: the payout ends a node whose key is lost or stolen. [N4]"""

import boa
import pytest

from tests.economy import AUDITOR, WORKER, ZERO_ADDRESS, get_event


@pytest.mark.parametrize("roles", [0, WORKER, WORKER | AUDITOR])
def test_retire__by_the_payout__takes_the_roles_for_good(economy, roles):
    registry, worker = economy.registry, economy.worker
    payout = economy.register(worker, roles)
    assert not registry.is_retired(worker)
    registry.retire(worker, sender=payout)
    assert get_event(registry, "NodeRetired")["node"] == worker
    assert registry.is_retired(worker)
    assert not registry.is_worker(worker) and not registry.is_auditor(worker)
    assert registry.payout_of(worker) == payout
    with boa.reverts("registry: retired"):
        registry.register(WORKER, bytes(32), bytes(32), payout, "", sender=worker)
    with boa.reverts("registry: retired"):
        registry.retire(worker, sender=payout)


def test_retire__by_anybody_else__reverts(economy):
    registry, worker = economy.registry, economy.worker
    payout, later = economy.register(worker), boa.env.generate_address("later")
    registry.set_payout(worker, later, sender=payout)
    for caller in (worker, payout, economy.challenger, ZERO_ADDRESS):
        with boa.reverts("registry: not the payout"):
            registry.retire(worker, sender=caller)
    assert registry.is_worker(worker)


def test_retire__never_registered__reverts(economy):
    registry, stranger = economy.registry, economy.challenger
    with boa.reverts("registry: not the payout"):
        registry.retire(stranger, sender=stranger)


def test_retire__lease_and_claim__can_be_ended(economy):
    registry, worker = economy.registry, economy.worker
    first, second = economy.post(), economy.post()
    economy.assign(first)
    payout = registry.payout_of(worker)
    registry.retire(worker, sender=payout)
    claim_id = economy.claim(first)
    with boa.reverts("escrow: not a worker"):
        economy.escrow.assign(second, economy.digest_of(second), 0, sender=worker)
    economy.pass_window(claim_id)
    economy.escrow.finalise(claim_id)
    assert economy.splitter.owed_to(payout) > 0
