import boa

from tests.economy import CLAIM_VOID, MAX_ROUNDS, POSTED, ROUND_SECONDS, STAKE


def pass_round(audits, claim_id):
    boa.env.timestamp = audits.economy.availability.question_of(claim_id).deadline + 1


def pass_challenges(audits, claim_id):
    deadline = audits.economy.escrow.claim_of(claim_id).challenge_deadline
    boa.env.timestamp = max(boa.env.timestamp, deadline + 1)


def test_serve_again__round_over__starts_the_next(audits):
    claim_id = audits.claimed(attestations=1)
    assert audits.serve_again(claim_id) == "availability: round open"
    pass_round(audits, claim_id)
    assert audits.serve_again(claim_id) == ""
    event = audits.get_event("ServedAgain")
    assert (event["claim_id"], event["round"]) == (claim_id, 1)
    assert event["deadline"] == boa.env.timestamp + ROUND_SECONDS
    assert audits.serve_again(claim_id) == "availability: round open"


def test_serve_again__refused__reverts(audits):
    asked, other = audits.claimed(attestations=1), audits.claimed()
    pass_round(audits, asked)
    assert audits.serve_again(asked, audits.economy.submitter) == "availability: not the worker"
    assert audits.serve_again(other) == "availability: nothing asked"
    assert audits.attest(asked, audits.economy.submitter) == ""
    assert audits.serve_again(asked) == "availability: settled"


def test_serve_again__too_late__reverts(audits):
    first, second = audits.claimed(attestations=1), audits.claimed(attestations=1)
    boa.env.timestamp = audits.economy.availability.question_of(first).deadline + ROUND_SECONDS
    assert audits.serve_again(first) == ""
    boa.env.timestamp += 1
    assert audits.serve_again(second) == "availability: too late to serve"


def test_serve_again__after_the_last_round__reverts(audits):
    claim_id = audits.claimed(attestations=1)
    for _ in range(MAX_ROUNDS - 1):
        pass_round(audits, claim_id)
        assert audits.serve_again(claim_id) == ""
    pass_round(audits, claim_id)
    assert audits.serve_again(claim_id) == "availability: no round left"


def test_void__worker_does_not_serve_again__releases_its_stake(audits):
    claim_id = audits.claimed(attestations=1)
    economy, worker = audits.economy, audits.economy.worker
    end = economy.availability.question_of(claim_id).deadline + ROUND_SECONDS
    boa.env.timestamp = max(end, economy.escrow.claim_of(claim_id).challenge_deadline) + 1
    assert audits.void(claim_id) == ""
    assert audits.get_event("Voided")["claim_id"] == claim_id
    assert economy.escrow.claim_of(claim_id).status == CLAIM_VOID
    assert economy.escrow.task_of(1).status == POSTED
    assert economy.vault.free_of(worker) == STAKE
    assert audits.void(claim_id) == "availability: claim not pending"


def test_void__after_the_last_round__needs_no_time_to_serve(audits):
    claim_id = audits.claimed(attestations=1)
    for _ in range(MAX_ROUNDS - 1):
        pass_round(audits, claim_id)
        boa.env.timestamp += ROUND_SECONDS - 1
        assert audits.serve_again(claim_id) == ""
    deadline = audits.economy.availability.question_of(claim_id).deadline
    assert deadline > audits.economy.escrow.claim_of(claim_id).challenge_deadline
    boa.env.timestamp = deadline
    assert audits.void(claim_id) == "availability: round open"
    boa.env.timestamp += 1
    assert audits.void(claim_id) == ""


def test_void__worker_can_still_serve__reverts(audits):
    claim_id = audits.claimed(attestations=1)
    pass_round(audits, claim_id)
    boa.env.timestamp += ROUND_SECONDS - 2
    assert audits.serve_again(claim_id) == ""
    pass_round(audits, claim_id)
    boa.env.timestamp += ROUND_SECONDS - 1
    assert boa.env.timestamp > audits.economy.escrow.claim_of(claim_id).challenge_deadline
    assert audits.void(claim_id) == "availability: round open"
    boa.env.timestamp += 1
    assert audits.void(claim_id) == ""


def test_void__claim_can_still_be_challenged__reverts(audits):
    """D3: a worker that withholds the result must not get away from its challengers."""
    claim_id = audits.claimed(attestations=1)
    pass_round(audits, claim_id)
    boa.env.timestamp += ROUND_SECONDS
    deadline = audits.economy.escrow.claim_of(claim_id).challenge_deadline
    assert boa.env.timestamp <= deadline
    assert audits.void(claim_id) == "availability: window open"
    boa.env.timestamp = deadline
    assert audits.void(claim_id) == "availability: window open"
    boa.env.timestamp += 1
    assert audits.void(claim_id) == ""


def test_void__game_undecided__reverts(audits):
    claim_id = audits.claimed(attestations=1)
    audits.economy.hook("process_game_opened", claim_id)
    pass_challenges(audits, claim_id)
    assert audits.void(claim_id) == "escrow: games open"
    audits.economy.hook("process_game_lost", claim_id)
    assert audits.void(claim_id) == ""


def test_void__nothing_asked_or_settled__reverts(audits):
    other, asked = audits.claimed(), audits.claimed(attestations=1)
    assert audits.attest(asked, audits.economy.submitter) == ""
    pass_challenges(audits, asked)
    assert audits.void(other) == "availability: nothing asked"
    assert audits.void(asked) == "availability: settled"
