"""The clients of both beacons: how a claim's seed is fixed on a chain."""

from dataclasses import replace

import pytest

from offchain.chain.beacon import WINDOW_BLOCKS, BlockhashBeacon, NoPreimage, SubmitterBeacon
from offchain.chain.deployment import LOCAL, Configuration, deploy
from offchain.chain.errors import Reverted
from offchain.chain.network import from_provider
from offchain.chain.parameters import Beacon
from offchain.chain.records import Task
from offchain.cli.submitting import commit_to_beacon
from offchain.demo import acts
from offchain.demo.town import Town, build_town
from offchain.store.bundles import Roots
from tests.economy import compute_claim_tree, compute_hash

SEGMENTS = 3
SECRETS = replace(
    LOCAL, beacon=Beacon.SUBMITTER, parameters=replace(LOCAL.parameters, delay_blocks=None)
)


def found(chain, accounts, project, folder, configuration: Configuration) -> Town:
    deployment = deploy(accounts[0], configuration, project=project)
    town = build_town(from_provider(chain.provider), folder, deployment)
    for name, roles in acts.PEOPLE.items():
        town.add(name, roles)
    return town


@pytest.fixture
def town(chain, accounts, project, tmp_path) -> Town:
    return found(chain, accounts, project, tmp_path, LOCAL)


@pytest.fixture
def secret_town(chain, accounts, project, tmp_path) -> Town:
    return found(chain, accounts, project, tmp_path, SECRETS)


def post(town: Town) -> Task:
    """An audited task, whose submitter has committed to the beacon where it has to."""
    roots = Roots(*(compute_hash(name) for name in ("program", "genesis", "dataset")))
    terms = acts.build_terms(roots, 1_000, SEGMENTS, 2, 1_000)
    task_id = acts.post(town, terms, audit_budget=acts.AUDIT_BUDGET)
    submitter = town.people["submitter"].chain
    commit_to_beacon(submitter, task_id, submitter.escrow.get_offer(task_id))
    return submitter.escrow.get_task(task_id)


def claim(town: Town, task: Task) -> Task:
    """The worker's claim of a run that nobody made."""
    worker = town.people["worker"].chain
    worker.access.refresh()
    if worker.vault.get_free(worker.access.address) < acts.STAKE:
        worker.token.ensure_allowance(worker.vault.address, acts.STAKE)
        worker.vault.deposit(worker.access.address, acts.STAKE)
    worker.escrow.assign(task.id, task.digest, acts.REWARD)
    tree, last = compute_claim_tree(SEGMENTS), SEGMENTS - 1
    leaf, path = tree.get_node(0, last), tree.get_path(last)
    worker.escrow.claim(task.id, task.digest, tree.root, leaf, path)
    town.pass_time(0)
    return worker.escrow.get_task(task.id)


def test_submitter_beacon__commit_then_show__fixes_the_seed_once(secret_town):
    submitter = secret_town.people["submitter"].chain
    beacon = submitter.beacon
    assert isinstance(beacon, SubmitterBeacon)
    posted = post(secret_town)
    assert beacon.is_committed(posted.id)
    with pytest.raises(Reverted, match="beacon: already committed"):
        beacon.commit(posted)
    claimed = claim(secret_town, posted)
    claim_id = claimed.claim_id
    assert not beacon.is_known(claim_id) and not beacon.is_fixable(claim_id)
    # Nobody else knows what to show; the submitter needs its key and nothing that it kept.
    with pytest.raises(NoPreimage, match=f"task {posted.id}: account 0x"):
        secret_town.people["worker"].chain.beacon.show(claimed)
    beacon.show(claimed)
    assert beacon.is_known(claim_id)
    with pytest.raises(Reverted, match="beacon: seed known"):
        beacon.show(claimed)


def test_submitter_beacon__two_tasks__have_secrets_of_their_own(secret_town):
    first, second = post(secret_town), post(secret_town)
    beacon = secret_town.people["submitter"].chain.beacon
    assert beacon._compute_secret(first) != beacon._compute_secret(second)
    beacon.show(claim(secret_town, second))
    beacon.show(claim(secret_town, first))


def test_blockhash_beacon__nobody_fixed_in_time__restarts_then_fixes(town, chain):
    beacon = town.bank.beacon
    assert isinstance(beacon, BlockhashBeacon)
    claim_id = claim(town, post(town)).claim_id
    town.bank.access.refresh()
    assert not beacon.is_fixable(claim_id)
    target = beacon.read("target_of", claim_id)
    chain.provider.make_request("anvil_mine", [WINDOW_BLOCKS + 8])
    town.bank.access.refresh()
    assert beacon.is_fixable(claim_id)
    assert beacon.fix(claim_id).action == f"restart_beacon claim {claim_id}"
    assert beacon.read("target_of", claim_id) > target and not beacon.is_known(claim_id)
    chain.provider.make_request("anvil_mine", [LOCAL.parameters.delay_blocks + 1])
    town.bank.access.refresh()
    assert beacon.fix(claim_id).action == f"fix_beacon claim {claim_id}"
    assert beacon.is_known(claim_id)
