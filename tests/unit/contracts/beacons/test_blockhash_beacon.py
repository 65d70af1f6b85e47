from hashlib import sha256

import boa
import pytest

from tests.audits import compute_block_hash, mine
from tests.economy import DELAY_BLOCKS, ZERO_ADDRESS, get_deployer, get_event

LOTTERY = "0x" + "11" * 20


@pytest.fixture
def beacon(economy):
    mine(1)
    return get_deployer("BlockhashBeacon").deploy(LOTTERY, DELAY_BLOCKS)


def start(beacon, claim_id=7):
    beacon.process_claimed(claim_id, sender=LOTTERY)
    return beacon.target_of(claim_id)


def test_process_claimed__sets_the_target(beacon):
    target = start(beacon)
    assert target == boa.env.evm.patch.block_number + DELAY_BLOCKS
    beacon.process_claimed(8, sender=LOTTERY)
    event = get_event(beacon, "TargetSet")
    assert (event["claim_id"], event["target"]) == (8, target)
    with boa.reverts("beacon: not lottery"):
        beacon.process_claimed(9)


def test_fix__after_the_target__is_the_hash_of_block_and_claim(beacon):
    target = start(beacon)
    mine(DELAY_BLOCKS)
    # The target is the current block: its hash is not known yet.
    with boa.reverts("beacon: too early"):
        beacon.fix(7)
    assert beacon.seed_of(7) == bytes(32)
    mine(1)
    seed = sha256(compute_block_hash(target) + (7).to_bytes(32, "big")).digest()
    assert beacon.fix(7) == seed
    event = get_event(beacon, "SeedFixed")
    assert (event["claim_id"], event["seed"]) == (7, seed)
    assert beacon.seed_of(7) == seed
    with boa.reverts("beacon: seed known"):
        beacon.fix(7)
    with boa.reverts("beacon: seed known"):
        beacon.restart(7)


def test_fix__claims_of_one_block__have_different_seeds(beacon):
    start(beacon, 1)
    start(beacon, 2)
    mine(DELAY_BLOCKS + 1)
    assert beacon.fix(1) != beacon.fix(2)


def test_fix__last_block_of_the_window__is_accepted(beacon):
    start(beacon)
    mine(DELAY_BLOCKS + 256)
    with boa.reverts("beacon: not too late"):
        beacon.restart(7)
    assert beacon.fix(7) != bytes(32)


def test_restart__window_missed__sets_another_target(beacon):
    target = start(beacon)
    mine(DELAY_BLOCKS + 257)
    with boa.reverts("beacon: too late"):
        beacon.fix(7)
    beacon.restart(7)
    event = get_event(beacon, "TargetSet")
    assert (event["claim_id"], event["target"]) == (7, target + 257 + DELAY_BLOCKS)
    with boa.reverts("beacon: too early"):
        beacon.fix(7)
    mine(DELAY_BLOCKS + 1)
    assert beacon.fix(7) != bytes(32)


def test_fix__no_claim__reverts(beacon):
    with boa.reverts("beacon: unknown claim"):
        beacon.fix(7)
    with boa.reverts("beacon: unknown claim"):
        beacon.restart(7)


def test_fix__chain_gives_no_hash__reverts(beacon):
    start(beacon)
    mine(DELAY_BLOCKS + 1)
    boa.env.evm.patch.prev_hashes = [bytes(32)] * 256
    with boa.reverts("beacon: no block hashes"):
        beacon.fix(7)


@pytest.mark.parametrize(
    ("lottery", "delay", "reason"),
    [
        (ZERO_ADDRESS, 1, "beacon: zero lottery"),
        (LOTTERY, 0, "beacon: delay out of range"),
        (LOTTERY, 2**16 + 1, "beacon: delay out of range"),
    ],
)
def test_constructor__out_of_range__reverts(economy, lottery, delay, reason):
    with boa.reverts(reason):
        get_deployer("BlockhashBeacon").deploy(lottery, delay)


def test_constructor__chain_without_block_hashes__reverts(economy):
    boa.env.evm.patch.prev_hashes = [bytes(32)] * 256
    with boa.reverts("beacon: no block hashes"):
        get_deployer("BlockhashBeacon").deploy(LOTTERY, 1)


def test_constructor__values__can_be_read(beacon):
    assert (beacon.lottery(), beacon.delay_blocks()) == (LOTTERY, DELAY_BLOCKS)
