"""register and set_payout: what a node says of itself, and where its money goes. [N1, N2]"""

import boa
import pytest

from tests.economy import AUDITOR, WORKER, ZERO_ADDRESS, compute_hash, get_deployer, get_event

HARDWARE = b"cpu-avx512".ljust(32, b"\0")
DIGEST = compute_hash("conformance")
URI = "ipfs://node"


@pytest.fixture
def payout():
    return boa.env.generate_address("payout")


def register(economy, roles, payout, account=None, uri=URI):
    economy.registry.register(
        roles, HARDWARE, DIGEST, payout, uri, sender=account or economy.worker
    )


def test_constructor__escrow__is_stored(economy):
    assert economy.registry.escrow() == economy.escrow.address
    with boa.reverts("registry: zero escrow"):
        get_deployer("NodeRegistry").deploy(ZERO_ADDRESS)


@pytest.mark.parametrize("roles", [0, WORKER, AUDITOR, WORKER | AUDITOR])
def test_register__first_time__is_stored(economy, payout, roles):
    registry, worker = economy.registry, economy.worker
    register(economy, roles, payout)
    event = get_event(registry, "NodeRegistered")
    assert (event["node"], event["payout"], event["roles"]) == (worker, payout, roles)
    assert (event["hardware_class"], event["conformance_digest"]) == (HARDWARE, DIGEST)
    assert event["metadata_uri"] == URI
    assert registry.node_of(worker) == (roles, HARDWARE, DIGEST, payout, URI)
    assert registry.is_worker(worker) == bool(roles & WORKER)
    assert registry.is_auditor(worker) == bool(roles & AUDITOR)
    assert registry.payout_of(worker) == payout


def test_node__never_registered__is_empty_and_its_own_payout(economy):
    registry, stranger = economy.registry, economy.challenger
    assert registry.node_of(stranger) == (0, bytes(32), bytes(32), ZERO_ADDRESS, "")
    assert not registry.is_worker(stranger) and not registry.is_auditor(stranger)
    assert registry.payout_of(stranger) == stranger
    assert registry.record_of(stranger) == (0, 0, 0)


def test_register__again__changes_all_but_the_payout(economy, payout):
    register(economy, WORKER, payout)
    economy.registry.register(AUDITOR, bytes(32), bytes(32), payout, "", sender=economy.worker)
    assert economy.registry.node_of(economy.worker) == (AUDITOR, bytes(32), bytes(32), payout, "")


def test_register__no_roles__retires_and_keeps_the_payout(economy, payout):
    registry, worker = economy.registry, economy.worker
    register(economy, WORKER, payout)
    register(economy, 0, payout)
    assert not registry.is_worker(worker)
    assert registry.payout_of(worker) == payout
    with boa.reverts("registry: not the payout"):
        register(economy, WORKER, economy.challenger)


def test_register__retired__needs_the_role_for_a_task(economy, payout):
    task_id = economy.post()
    economy.stake(economy.worker, 1_000)
    register(economy, AUDITOR, payout)
    with boa.reverts("escrow: not a worker"):
        economy.escrow.assign(task_id, economy.digest_of(task_id), 0, sender=economy.worker)
    register(economy, WORKER, payout)
    economy.escrow.assign(task_id, economy.digest_of(task_id), 0, sender=economy.worker)


def test_register__longest_uri__is_stored(economy, payout):
    register(economy, WORKER, payout, uri="u" * 256)
    assert economy.registry.node_of(economy.worker).metadata_uri == "u" * 256


def test_register__bad_payout__reverts(economy, payout):
    with boa.reverts("registry: zero payout"):
        register(economy, WORKER, ZERO_ADDRESS)
    with boa.reverts("registry: payout is the node"):
        register(economy, WORKER, economy.worker)
    register(economy, WORKER, payout)
    with boa.reverts("registry: not the payout"):
        register(economy, WORKER, economy.challenger)
    with boa.reverts("registry: payout is the node"):
        register(economy, WORKER, economy.worker)
    assert economy.registry.payout_of(economy.worker) == payout


def test_register__unknown_role__reverts(economy, payout):
    with boa.reverts():
        register(economy, 4, payout)


def test_set_payout__by_the_payout__moves_the_right_too(economy, payout):
    registry, worker = economy.registry, economy.worker
    other = boa.env.generate_address("other")
    register(economy, WORKER, payout)
    registry.set_payout(worker, other, sender=payout)
    event = get_event(registry, "PayoutChanged")
    assert (event["node"], event["payout"]) == (worker, other)
    assert registry.payout_of(worker) == other
    assert registry.is_worker(worker)
    for caller in (payout, worker, economy.challenger):
        with boa.reverts("registry: not the payout"):
            registry.set_payout(worker, payout, sender=caller)
    # The node confirms what its payout has chosen, and nothing else.
    with boa.reverts("registry: not the payout"):
        register(economy, WORKER, payout)
    register(economy, WORKER, other)


def test_set_payout__never_registered__reverts(economy, payout):
    for caller in (economy.worker, payout):
        with boa.reverts("registry: not the payout"):
            economy.registry.set_payout(economy.worker, payout, sender=caller)


def test_set_payout__bad_payout__reverts(economy, payout):
    register(economy, WORKER, payout)
    with boa.reverts("registry: zero payout"):
        economy.registry.set_payout(economy.worker, ZERO_ADDRESS, sender=payout)
    with boa.reverts("registry: payout is the node"):
        economy.registry.set_payout(economy.worker, economy.worker, sender=payout)
