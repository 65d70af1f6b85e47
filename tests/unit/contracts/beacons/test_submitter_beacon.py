"""The beacon beside a whole market; who may start it is another account than its lottery."""

from hashlib import sha256

import boa
import pytest

from tests.audits import make_account
from tests.economy import ZERO_ADDRESS, compute_claim_tree, compute_hash, get_deployer, get_event

LOTTERY = "0x" + "11" * 20


def make_chain(length):
    """A secret and its hashes; the last one is committed."""
    chain = [compute_hash("secret")]
    while len(chain) < length:
        chain.append(sha256(chain[-1]).digest())
    return chain


CHAIN = make_chain(4)


@pytest.fixture
def beacon(economy):
    return get_deployer("SubmitterBeacon").deploy(LOTTERY, economy.escrow)


@pytest.fixture
def task_id(economy, beacon):
    """A task whose submitter has committed."""
    task_id = economy.post()
    beacon.commit(task_id, CHAIN[3], sender=economy.submitter)
    return task_id


def claim(economy, task_id, name="worker"):
    worker = boa.env.generate_address(name)
    economy.assign(task_id, worker)
    return economy.claim(task_id, worker)


def slash(economy, claim_id):
    economy.hook("process_game_opened", claim_id)
    economy.hook("process_worker_lost", claim_id, economy.challenger)


def test_commit__before_a_claim__is_the_link(economy, beacon, task_id):
    event = get_event(beacon, "LinkCommitted")
    assert (event["task_id"], event["link"]) == (task_id, CHAIN[3])
    assert beacon.link_of(task_id) == CHAIN[3]


def test_commit__refused__reverts(economy, beacon, task_id):
    submitter, other = economy.submitter, economy.post()
    with boa.reverts("beacon: not the submitter"):
        beacon.commit(other, CHAIN[3], sender=economy.worker)
    with boa.reverts("beacon: zero link"):
        beacon.commit(other, bytes(32), sender=submitter)
    with boa.reverts("beacon: already committed"):
        beacon.commit(task_id, CHAIN[2], sender=submitter)
    with boa.reverts("escrow: unknown task"):
        beacon.commit(3, CHAIN[3], sender=submitter)


def test_commit__claim_root_known__reverts(economy, beacon):
    task_id = economy.post()
    claim_id = claim(economy, task_id)
    with boa.reverts("beacon: task claimed"):
        beacon.commit(task_id, CHAIN[3], sender=economy.submitter)
    slash(economy, claim_id)
    # The next attempt has no root yet.
    beacon.commit(task_id, CHAIN[3], sender=economy.submitter)


def test_show__preimage__is_the_seed_with_the_claim(economy, beacon, task_id):
    claim_id = claim(economy, task_id)
    root = compute_claim_tree().root
    seed = sha256(CHAIN[2] + root + claim_id.to_bytes(32, "big")).digest()
    assert beacon.show(claim_id, CHAIN[2]) == seed
    event = get_event(beacon, "SeedFixed")
    assert (event["claim_id"], event["seed"]) == (claim_id, seed)
    assert (beacon.seed_of(claim_id), beacon.link_of(task_id)) == (seed, CHAIN[2])
    with boa.reverts("beacon: seed known"):
        beacon.show(claim_id, CHAIN[1])


def test_show__next_attempt__takes_the_next_preimage(economy, beacon, task_id):
    first = claim(economy, task_id)
    beacon.show(first, CHAIN[2])
    slash(economy, first)
    # A preimage can be spent on no claim but the pending one: no choice among seeds.
    with boa.reverts("beacon: claim not pending"):
        beacon.show(first, CHAIN[1])
    second = claim(economy, task_id, "second")
    with boa.reverts("beacon: not the preimage"):
        beacon.show(second, CHAIN[2])
    assert beacon.show(second, CHAIN[1]) != beacon.seed_of(first)


def test_show__silent_at_the_first_attempt__keeps_the_preimage(economy, beacon, task_id):
    slash(economy, claim(economy, task_id))
    second = claim(economy, task_id, "second")
    beacon.show(second, CHAIN[2])


def test_show__refused__reverts(economy, beacon, task_id):
    without = claim(economy, economy.post(), "other")
    with boa.reverts("beacon: no link"):
        beacon.show(without, CHAIN[2])
    claim_id = claim(economy, task_id)
    for preimage in (CHAIN[3], CHAIN[1], bytes(32)):
        with boa.reverts("beacon: not the preimage"):
            beacon.show(claim_id, preimage)
    with boa.reverts("escrow: unknown claim"):
        beacon.show(9, CHAIN[2])


def test_process_claimed__only_the_lottery(beacon):
    beacon.process_claimed(1, sender=LOTTERY)
    with boa.reverts("beacon: not lottery"):
        beacon.process_claimed(1)


def test_constructor__zero_address__reverts(economy, beacon):
    assert (beacon.lottery(), beacon.escrow()) == (LOTTERY, economy.escrow.address)
    deployer = get_deployer("SubmitterBeacon")
    with boa.reverts("beacon: zero lottery"):
        deployer.deploy(ZERO_ADDRESS, economy.escrow)
    with boa.reverts("beacon: zero escrow"):
        deployer.deploy(LOTTERY, ZERO_ADDRESS)


def test_draw__lottery_with_this_beacon__takes_its_seed(economy):
    """The same market around the other beacon."""
    lottery, at = economy.lottery, economy.lottery.address
    beacon = get_deployer("SubmitterBeacon").deploy(at, economy.escrow)
    values = [economy.escrow, economy.vault, economy.registry, beacon]
    names = "audits penalty warmup_seconds draw_seconds commit_seconds open_seconds reveal_seconds"
    values += [getattr(lottery, name)() for name in names.split()]
    lottery = get_deployer("AuditLottery").deploy(*values, override_address=at)
    auditor = make_account("auditor")
    economy.register(auditor, 2)
    economy.stake(auditor, lottery.penalty())
    lottery.join(lottery.penalty(), sender=auditor)
    boa.env.time_travel(seconds=lottery.warmup_seconds())
    task_id = economy.post(audit_budget=100)
    beacon.commit(task_id, CHAIN[3], sender=economy.submitter)
    claim_id = claim(economy, task_id)
    with boa.reverts("lottery: seed not known"):
        lottery.draw(claim_id)
    seed = beacon.show(claim_id, CHAIN[2])
    lottery.draw(claim_id)
    assert lottery.draw_of(claim_id).seed == seed
    assert lottery.is_drawn(claim_id, auditor, 0)
