import boa

from protocol.merkle import ZERO_VALUE, compute_vector_tree
from tests import economy as eco
from tests.audits import FALSE_ROOT
from tests.economy import compute_claim_tree


def test_open_leaf__proved__can_be_read(audits, auditor):
    claim_id = audits.opened(auditor)
    segment = audits.segment_of(claim_id, auditor)
    event = audits.get_event("LeafOpened")
    leaf = compute_claim_tree().get_node(0, segment)
    assert (event["claim_id"], event["segment"]) == (claim_id, segment)
    assert event["state_root"] == audits.economy.lottery.leaf_of(claim_id, segment) == leaf
    assert audits.open_leaf(claim_id, segment) == "lottery: already open"


def test_open_leaf__deadlines__first_and_last_second(audits, auditor):
    first, second = audits.committed(auditor), audits.committed(auditor)
    draw = audits.economy.lottery.draw_of(first)
    segments = [audits.segment_of(claim_id, auditor) for claim_id in (first, second)]
    boa.env.timestamp = draw.commit_deadline
    assert audits.open_leaf(first, segments[0]) == "lottery: commit window open"
    boa.env.timestamp = draw.open_deadline
    assert audits.open_leaf(first, segments[0]) == ""
    boa.env.timestamp += 1
    assert audits.open_leaf(second, segments[1]) == "lottery: open window closed"


def test_open_leaf__nobody_committed__reverts(audits, auditor):
    undrawn = audits.claimed()
    assert audits.open_leaf(undrawn, 1) == "lottery: no draw"
    claim_id = audits.committed(auditor)
    audits.pass_deadline(claim_id, "commit_deadline")
    asked = audits.segment_of(claim_id, auditor)
    for segment in {0, 1, 2, 3, 4, 5, 2**256 - 1} - {asked}:
        assert audits.open_leaf(claim_id, segment) == "lottery: nothing committed"


def test_open_leaf__false_leaf__reverts(audits, auditor):
    claim_id = audits.committed(auditor)
    audits.pass_deadline(claim_id, "commit_deadline")
    segment, tree = audits.segment_of(claim_id, auditor), compute_claim_tree()
    path = tree.get_path(segment)
    reason = "lottery: leaf not in claim"
    attempts = [
        (FALSE_ROOT, path),
        (tree.get_node(0, segment - 1), tree.get_path(segment - 1)),
        (tree.get_node(1, segment // 2), path[1:]),
        (tree.root, []),
        (tree.get_node(0, segment), [*path, FALSE_ROOT]),
        (tree.get_node(0, segment), path[:-1]),
    ]
    for root, siblings in attempts:
        assert audits.open_leaf(claim_id, segment, root, siblings) == reason


def test_open_leaf__zero_in_the_claim__is_no_state(audits, auditor):
    # Such a worker has lied; if zero counted as open, it could not be told from a closed leaf.
    leaves = [
        compute_claim_tree(3).get_node(0, 0),
        ZERO_VALUE,
        compute_claim_tree(3).get_node(0, 2),
    ]
    task_id = audits.economy.post(eco.Terms(segments=3), audit_budget=100)
    claim_id = audits.claim(task_id, compute_vector_tree(leaves))
    audits.fix(claim_id)
    assert audits.draw(claim_id) == ""
    assert audits.commit(claim_id, auditor, FALSE_ROOT) == ""
    audits.pass_deadline(claim_id, "commit_deadline")
    assert audits.open_leaf(claim_id, 1) == "lottery: leaf not in claim"


def test_open_leaf__claim_slashed_meanwhile__still_lets_the_auditor_be_paid(audits, auditor):
    claim_id = audits.committed(auditor)
    answer = audits.answer(claim_id, auditor)
    audits.slash(claim_id)
    audits.pass_deadline(claim_id, "commit_deadline")
    assert audits.open_leaf(claim_id, audits.segment_of(claim_id, auditor)) == ""
    assert audits.reveal(claim_id, auditor, answer) == ""
    assert audits.economy.owed_to(auditor) == audits.economy.lottery.draw_of(claim_id).fee
