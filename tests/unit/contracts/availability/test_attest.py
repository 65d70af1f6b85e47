import boa
import pytest

from tests.audits import FALSE_ROOT, make_account
from tests.economy import DRAW_SECONDS, MAX_ROUNDS, PENALTY, ROUND_SECONDS


def serve_all(audits, claim_id):
    """Go to the start of the last round."""
    for _ in range(MAX_ROUNDS - 1):
        boa.env.timestamp = audits.economy.availability.question_of(claim_id).deadline + 1
        assert audits.serve_again(claim_id) == ""


def test_attest__submitter__settles_alone(audits):
    claim_id = audits.claimed(attestations=3)
    submitter = audits.economy.submitter
    with boa.reverts("escrow: result not available"):
        with boa.env.anchor():
            audits.finalise(claim_id)
    assert audits.attest(claim_id, submitter) == ""
    event = audits.get_event("Attested")
    assert (event["claim_id"], event["account"]) == (claim_id, submitter)
    assert (event["attestations"], event["settled"]) == (0, True)
    assert audits.attest(claim_id, submitter) == "availability: settled"
    audits.finalise(claim_id)


def test_attest__submitter_after_an_auditor_and_between_rounds__settles(audits, auditor):
    claim_id = audits.drawn(attestations=2)
    assert audits.attest(claim_id, auditor) == ""
    assert not audits.question(claim_id).settled
    boa.env.timestamp = audits.economy.availability.question_of(claim_id).deadline + 1
    assert audits.attest(claim_id, audits.economy.submitter) == ""
    assert audits.economy.owed_to(audits.economy.submitter) == 0


def test_attest__drawn_auditors__settle_together_and_are_paid(audits):
    accounts = [audits.hire(f"auditor {i}") for i in range(8)]
    audits.warm_up()
    while True:
        claim_id = audits.drawn(attestations=2)
        drawn = [account for account in accounts if audits.is_drawn(claim_id, account)]
        if 3 <= len(drawn) < len(accounts):
            break
    out = next(account for account in accounts if account not in drawn)
    assert audits.attest(claim_id, out) == "availability: not an attester"
    fee = audits.economy.lottery.draw_of(claim_id).fee
    assert audits.attest(claim_id, drawn[0]) == ""
    assert audits.attest(claim_id, drawn[0]) == "availability: already attested"
    assert audits.attest(claim_id, drawn[1], FALSE_ROOT) == "availability: another state root"
    assert audits.attest(claim_id, drawn[1]) == ""
    assert audits.question(claim_id).settled
    assert [audits.economy.owed_to(account) for account in drawn[:2]] == [fee, fee]
    assert audits.attest(claim_id, drawn[2]) == "availability: settled"


def test_attest__round_over__reverts(audits, auditor):
    first, second = (audits.drawn(attestations=1) for _ in range(2))
    boa.env.timestamp = audits.economy.availability.question_of(first).deadline
    assert audits.attest(first, auditor) == ""
    boa.env.timestamp += 1
    assert audits.attest(second, auditor) == "availability: round over"


def test_attest__as_long_as_there_can_be_a_draw__only_drawn_ones(audits, auditor):
    claim_id = audits.claimed(attestations=1)
    boa.env.time_travel(seconds=DRAW_SECONDS)
    assert audits.attest(claim_id, auditor) == "availability: not an attester"
    boa.env.time_travel(seconds=1)
    # It holds all the stake; without a draw there is no fee.
    assert audits.attest(claim_id, auditor) == ""
    assert audits.question(claim_id).settled and audits.question(claim_id).attestations == 0
    assert audits.economy.owed_to(auditor) == 0


def test_attest__task_without_budget__half_of_the_stake_decides(audits):
    large, small = audits.hire("large", 6 * PENALTY), audits.hire("small", 5 * PENALTY)
    rest = audits.hire("rest", PENALTY)
    audits.warm_up()
    claim_id = audits.claimed(audit_budget=0, attestations=1)
    boa.env.time_travel(seconds=DRAW_SECONDS + 1)
    assert audits.attest(claim_id, large) == ""
    assert not audits.question(claim_id).settled  # exactly a half
    assert audits.attest(claim_id, rest) == ""
    assert audits.question(claim_id).settled
    assert audits.attest(claim_id, small) == "availability: settled"


def test_attest__who_attests_and_leaves__does_not_lower_the_half(audits):
    first, second = audits.hire("first", 5 * PENALTY), audits.hire("second", PENALTY)
    audits.hire("honest", 7 * PENALTY)
    audits.warm_up()
    claim_id = audits.claimed(audit_budget=0, attestations=1)
    boa.env.time_travel(seconds=DRAW_SECONDS + 1)
    assert audits.attest(claim_id, first) == ""
    assert audits.leave(first) == ""
    assert audits.attest(claim_id, second) == ""
    assert not audits.question(claim_id).settled


def test_attest__last_round__every_active_auditor(audits):
    small, big = audits.hire("small", PENALTY), audits.hire("big", 10**9)
    audits.warm_up()
    claim_id = audits.drawn(attestations=2)
    late = audits.hire("late")
    assert audits.attest(claim_id, small) == "availability: not an attester"
    serve_all(audits, claim_id)
    # D2: any number of small accounts decides nothing.
    assert audits.attest(claim_id, small) == ""
    assert audits.get_event("Attested")["attestations"] == 0
    assert audits.economy.owed_to(small) == 0
    assert audits.attest(claim_id, late) == "availability: not an attester"
    assert audits.attest(claim_id, make_account("x")) == "availability: not an attester"
    assert audits.attest(claim_id, big) == ""
    assert audits.question(claim_id).settled


def test_attest__worker_that_is_an_auditor__cannot(audits):
    worker = audits.economy.worker
    audits.economy.register(worker)
    audits.economy.stake(worker, PENALTY)
    audits.join(worker, PENALTY)
    audits.warm_up()
    claim_id = audits.drawn(attestations=1)
    assert audits.is_drawn(claim_id, worker)
    assert audits.attest(claim_id, worker) == "availability: not an attester"
    serve_all(audits, claim_id)
    assert audits.attest(claim_id, worker) == "availability: not an attester"


def test_attest__rounds__widen_the_circle(audits):
    accounts = [audits.hire(f"auditor {i}", PENALTY) for i in range(16)]
    audits.warm_up()
    claim_id = audits.drawn(attestations=16)
    lottery, question_of = audits.economy.lottery, audits.economy.availability.question_of
    circles = []
    for number in range(MAX_ROUNDS):
        assert question_of(claim_id).round == number
        allowed = {a for a in accounts if audits.economy.availability.may_attest(claim_id, a)}
        drawn = {a for a in accounts if lottery.is_drawn(claim_id, a, number)}
        assert allowed == (set(accounts) if number + 1 == MAX_ROUNDS else drawn)
        circles.append(drawn)
        boa.env.timestamp = question_of(claim_id).deadline + 1
        if number + 1 < MAX_ROUNDS:
            assert audits.serve_again(claim_id) == ""
    assert circles[0] <= circles[1] <= circles[2] and len(circles[0]) < len(circles[2])


def test_attest__nothing_asked__reverts(audits, auditor):
    claim_id = audits.drawn()
    assert audits.attest(claim_id, auditor) == "availability: nothing asked"
    assert audits.attest(claim_id, audits.economy.submitter) == "availability: nothing asked"


@pytest.mark.parametrize("end", ["slashed", "void", "finalised"])
def test_attest__claim_decided__reverts(audits, auditor, end):
    claim_id = audits.drawn(attestations=1)
    if end == "slashed":
        audits.slash(claim_id)
    elif end == "void":
        audits.economy.hook("process_unavailable", claim_id)
    else:
        assert audits.attest(claim_id, auditor) == ""
        audits.finalise(claim_id)
    reason = "availability: claim not pending"
    assert audits.attest(claim_id, audits.economy.submitter) == reason
    assert audits.serve_again(claim_id) == reason
    assert audits.void(claim_id) == reason


def test_attest__budget__pays_audits_and_attestations(audits, auditor):
    claim_id = audits.opened(auditor, attestations=1)
    assert boa.env.timestamp <= audits.economy.availability.question_of(claim_id).deadline
    assert audits.attest(claim_id, auditor) == ""
    assert audits.reveal(claim_id, auditor, audits.answer(claim_id, auditor)) == ""
    fee = audits.economy.lottery.draw_of(claim_id).fee
    assert audits.economy.owed_to(auditor) == 2 * fee


def test_question_of__no_such_claim__reverts(audits):
    with boa.reverts("escrow: unknown claim"):
        audits.economy.availability.question_of(1)
    assert not audits.economy.availability.is_settled(1)


def test_question_of__new_claim__is_the_first_round(audits):
    claim_id = audits.claimed(attestations=2)
    question = audits.economy.availability.question_of(claim_id)
    assert tuple(question) == (0, boa.env.timestamp + ROUND_SECONDS, 0, 0, False)
