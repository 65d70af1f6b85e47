from dataclasses import replace

import boa
import pytest

from protocol.merkle import compute_node
from tests.economy import (
    BOND,
    CLAIM_PENDING,
    CLAIMED,
    LEASE_SECONDS,
    WINDOW_SECONDS,
    compute_claim_tree,
    compute_hash,
    get_callees,
    get_event,
)


@pytest.mark.parametrize("segments", [1, 2, 3, 4, 5, 8, 9, 1000])
def test_claim__proved__is_pending(economy, segments):
    task_id = economy.post(replace(economy.terms, segments=segments))
    economy.assign(task_id)
    claim_id = economy.claim(task_id)
    event = get_event(economy.escrow, "TaskClaimed")
    tree = compute_claim_tree(segments)
    now = boa.env.timestamp
    final, deadline = tree.get_node(0, segments - 1), now + WINDOW_SECONDS
    assert (event["task_id"], event["claim_id"], event["worker"]) == (1, 1, economy.worker)
    assert (event["root"], event["final_state_root"]) == (tree.root, final)
    assert event["challenge_deadline"] == deadline
    expected = (task_id, economy.worker, tree.root, final, now, deadline, 0, CLAIM_PENDING)
    assert economy.escrow.claim_of(claim_id) == expected
    task = economy.escrow.task_of(task_id)
    assert (task.status, task.claim_id) == (CLAIMED, claim_id)


def test_claim__largest_tree__needs_twenty_siblings(economy):
    task_id = economy.post(replace(economy.terms, segments=2**20))
    economy.assign(task_id)
    node = leaf = compute_hash("last")
    path = [compute_hash(f"sibling {i}") for i in range(20)]
    for sibling in path:
        node = compute_node(sibling, node)
    digest = economy.digest_of(task_id)
    economy.escrow.claim(task_id, digest, node, leaf, path, sender=economy.worker)


def test_claim__long_reexecution__moves_the_deadline_twice_as_far(economy):
    economy.terms = replace(economy.terms, reexecution_seconds=61)
    claim_id = economy.claimed()
    deadline = economy.escrow.claim_of(claim_id).challenge_deadline
    assert deadline == boa.env.timestamp + WINDOW_SECONDS + 2
    audits = economy.lottery.max_duration(61)
    assert deadline == boa.env.timestamp + audits + economy.escrow.challenge_seconds()


def test_claim__audit_budget__starts_the_lottery(economy):
    task_id = economy.post(audit_budget=1)
    economy.assign(task_id)
    economy.claim(task_id)
    assert get_callees(economy.escrow).count(economy.lottery.address) == 2


def test_claim__no_audit_budget__leaves_the_lottery_alone(economy):
    task_id = economy.post()
    economy.assign(task_id)
    economy.claim(task_id)
    assert get_callees(economy.escrow).count(economy.lottery.address) == 1  # max_duration


def test_claim__budget_spent_on_earlier_claims__leaves_the_lottery_alone(economy):
    claim_id = economy.claimed(audit_budget=5)
    economy.hook("pay_audit", claim_id, economy.auditor, 5)
    economy.hook("process_unavailable", claim_id)
    other = boa.env.generate_address()
    economy.assign(1, other)
    economy.claim(1, other)
    assert get_callees(economy.escrow).count(economy.lottery.address) == 1


def test_claim__another_task_with_that_number__reverts(economy):
    task_id, other = economy.post(), economy.post(bond=BOND + 1)
    economy.assign(task_id)
    tree = compute_claim_tree()
    arguments = (tree.root, tree.get_node(0, 4), tree.get_path(4))
    with boa.reverts("escrow: another task"):
        economy.escrow.claim(task_id, economy.digest_of(other), *arguments, sender=economy.worker)


def test_claim__false_final_state__reverts(economy):
    task_id = economy.post()
    economy.assign(task_id)
    tree = compute_claim_tree()
    leaf, path = tree.get_node(0, 4), tree.get_path(4)
    message, digest = "escrow: final state not in claim", economy.digest_of(task_id)
    attempts = [
        (tree.root, compute_hash("other"), path),  # not in the tree
        (tree.root, tree.get_node(0, 3), tree.get_path(3)),  # an earlier state
        (tree.root, tree.get_node(1, 2), path[1:]),  # a node, with a shorter path
        (tree.root, tree.root, []),
        (compute_node(compute_hash("left"), tree.root), leaf, [*path, compute_hash("left")]),
        (compute_hash("other"), leaf, path),
    ]
    for root, final, siblings in attempts:
        with boa.reverts(message):
            economy.escrow.claim(task_id, digest, root, final, siblings, sender=economy.worker)


def test_claim__at_the_end_of_the_lease__is_the_last_moment(economy):
    first, second = economy.post(), economy.post()
    economy.assign(first)
    economy.assign(second)
    boa.env.time_travel(seconds=LEASE_SECONDS)
    economy.claim(first)
    boa.env.time_travel(seconds=1)
    with boa.reverts("escrow: lease over"):
        economy.claim(second)


def test_claim__refused__reverts(economy):
    task_id = economy.post()
    with boa.reverts("escrow: not assigned"):
        economy.claim(task_id)
    economy.assign(task_id)
    with boa.reverts("escrow: not the worker"):
        economy.claim(task_id, economy.submitter)
    economy.claim(task_id)
    with boa.reverts("escrow: not assigned"):
        economy.claim(task_id)


def test_subject_of__claim__is_the_claim_and_the_terms_of_its_task(economy):
    claim_id = economy.claimed()
    subject = economy.escrow.subject_of(claim_id)
    terms = economy.terms
    assert tuple(subject) == (
        economy.worker,
        economy.escrow.claim_of(claim_id).root,
        terms.program_root,
        terms.genesis_root,
        terms.dataset_root,
        terms.seed,
        terms.records,
        terms.segments,
        terms.segment_length,
        terms.reexecution_seconds,
        BOND,
    )
