"""Who is drawn, for what, and how an audit ends; the contracts have tests of the same machine."""

import random
from dataclasses import replace
from hashlib import sha256

import pytest

from protocol import audit, availability, sortition
from protocol import audit_refusals as refusals
from protocol.audit import AuditStatus, Claim, ClaimStatus, Lottery, Preset
from protocol.merkle import compute_vector_tree
from protocol.types import Root, Seconds, Wei

PRESET = Preset(2, Wei(50), Seconds(100), Seconds(30), Seconds(20), Seconds(20), Seconds(20))
ROUNDS = availability.Preset(Seconds(60), 3)
SEED, SALT = b"\x01" * 32, b"\x02" * 32
AUDITOR, OTHER, WORKER = (f"0x{i:040x}" for i in (1, 2, 3))
LEAVES = [Root(sha256(bytes([i])).digest()) for i in range(9)]
TREE = compute_vector_tree(LEAVES)
NOW = Seconds(1_000)
CLAIM = Claim(
    claim_id=1,
    task_id=1,
    worker=WORKER,
    root=TREE.root,
    status=ClaimStatus.PENDING,
    segments=len(LEAVES),
    reexecution_seconds=Seconds(5),
    attestations=1,
    audit_budget=Wei(103),
)


def make_drawn(*auditors: str) -> Lottery:
    lottery = Lottery(PRESET)
    for auditor in auditors or (AUDITOR,):
        joined = Seconds(NOW - PRESET.warmup_seconds)
        lottery = audit.process_join(lottery, auditor, Wei(100), True, Wei(100), joined)
    lottery = audit.process_claimed(lottery, 1, NOW)
    return audit.process_draw(lottery, CLAIM, SEED, NOW)


def commit(lottery: Lottery, root: Root | None = None) -> tuple[Lottery, int]:
    """The lottery after the auditor's commitment, and the leaf that it is about."""
    segment = sortition.compute_last(audit.compute_stretch(lottery, 1, AUDITOR))
    found = sortition.compute_commitment(root or LEAVES[segment], AUDITOR, SALT)
    return audit.process_commit(lottery, CLAIM, AUDITOR, TREE.root, found, True, NOW), segment


def open_leaf(lottery: Lottery, segment: int) -> Lottery:
    now = Seconds(lottery.get_draw(1).commit_deadline + 1)
    path = TREE.get_path(segment)
    return audit.process_open_leaf(lottery, CLAIM, segment, LEAVES[segment], path, now)


def get_published(segments: int, stretch: int) -> set[int]:
    """Leaves that are public when auditors of the stretch's parity still work."""
    # The final state, and in the path of the claim its sibling.
    public = {segments - 1, (segments - 1) ^ 1}
    for u in range(stretch % 2, sortition.count_stretches(segments), 2):
        start = sortition.compute_first(u) - 1
        if start >= 0:
            # The state before the stretch, with the sibling in its proof.
            public |= {start, start ^ 1}
    return public


@pytest.mark.parametrize("segments", range(1, 40))
def test_stretches__what_is_published__answers_no_audit(segments: int) -> None:
    """L1: neither a start of a drawn stretch nor a leaf in any proof is the end of one."""
    stretches = sortition.count_stretches(segments)
    ends = [sortition.compute_last(stretch) for stretch in range(stretches)]
    for stretch, end in enumerate(ends):
        assert end not in get_published(segments, stretch)
    # Everything else is audited: two segments each, all but the last one or two.
    executed = [sortition.compute_first(u) + i for u in range(stretches) for i in (0, 1)]
    assert executed == list(range(2 * stretches))
    assert segments - 2 * stretches in (1, 2)
    # The check can fail: by the other parity, some end is public.
    if stretches > 1:
        assert ends[0] in get_published(segments, 1)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [(3, {0}), (4, {0}), (5, {0, 1}), (6, {0, 1}), (7, {0, 1, 2}), (8, {0, 1, 2})]
    + [(9, {0, 1, 2, 3}), (10, {0, 1, 2, 3})],
)
def test_compute_stretch__any_seed__reaches_every_stretch(
    segments: int, expected: set[int]
) -> None:
    rng, reached = random.Random(segments), set()
    for _ in range(300):
        seed, ticket = rng.randbytes(32), rng.randbytes(32)
        stretch = sortition.compute_stretch(seed, ticket, segments)
        reached.add(stretch)
        if len(expected) > 1:
            assert stretch % 2 == seed[-1] % 2
    assert reached == expected


@pytest.mark.parametrize("parts", [1, 2, 10])
def test_is_drawn__divided_stake__draws_as_many(parts: int) -> None:
    rng, drawn, throws = random.Random(parts), 0, 2_000
    for _ in range(throws):
        for _ in range(parts):
            ticket = rng.randbytes(32)
            drawn += sortition.is_drawn(ticket, Wei(100 // parts), Wei(800), 2, 0)
    # 0.25 a throw; standard deviation at most 23.
    assert abs(drawn - throws / 4) < 100


def test_is_drawn__widening__never_loses_a_winner() -> None:
    rng, numbers = random.Random(4), []
    for _ in range(500):
        ticket = rng.randbytes(32)
        wins = [sortition.is_drawn(ticket, Wei(3), Wei(100), 1, r) for r in range(6)]
        assert wins == sorted(wins)
        numbers.append(sum(wins))
    assert set(numbers) == set(range(7))


def test_compute_fee__rest_of_the_budget__is_not_paid() -> None:
    assert sortition.compute_fee(Wei(103), Wei(0), 2, 1) == 20
    assert sortition.compute_fee(Wei(103), Wei(60), 2, 1) == 8
    assert sortition.compute_fee(Wei(4), Wei(0), 2, 1) == 0
    assert sortition.compute_fee(Wei(10), Wei(11), 2, 0) == 0


def test_audit__match__is_paid() -> None:
    lottery, segment = commit(make_drawn())
    assert lottery.get_reserved(1) == 20
    opened = open_leaf(lottery, segment)
    now = Seconds(lottery.get_draw(1).reveal_deadline)
    paid = audit.process_reveal(opened, CLAIM, AUDITOR, LEAVES[segment], SALT, now)
    assert paid.get_audit(1, AUDITOR).status is AuditStatus.PAID
    assert audit.compute_payment(opened, paid, CLAIM, AUDITOR) == 20
    assert (paid.get_reserved(1), paid.get_auditor(AUDITOR).unsettled) == (0, 0)


@pytest.mark.parametrize(
    ("status", "end", "amount"),
    [
        (ClaimStatus.SLASHED, AuditStatus.PAID, 20),
        (ClaimStatus.FINALISED, AuditStatus.PUNISHED, 50),
        (ClaimStatus.VOID, AuditStatus.RELEASED, 0),
    ],
)
def test_audit__mismatch__follows_the_claim(
    status: ClaimStatus, end: AuditStatus, amount: int
) -> None:
    lottery, segment = commit(make_drawn(), LEAVES[8])
    lottery = open_leaf(lottery, segment)
    now = Seconds(lottery.get_draw(1).reveal_deadline)
    lottery = audit.process_reveal(lottery, CLAIM, AUDITOR, LEAVES[8], SALT, now)
    with pytest.raises(refusals.TooEarlyToSettle):
        audit.process_settle(lottery, CLAIM, AUDITOR, Seconds(now + 10**6))
    claim = replace(CLAIM, status=status)
    after = audit.process_settle(lottery, claim, AUDITOR, now)
    assert after.get_audit(1, AUDITOR).status is end
    assert audit.compute_payment(lottery, after, claim, AUDITOR) == amount
    taken = 50 if end is AuditStatus.PUNISHED else 0
    assert after.total_stake == after.get_auditor(AUDITOR).stake == 100 - taken


@pytest.mark.parametrize("status", ClaimStatus)
@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("defaulted", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_compute_end__no_reveal__every_state_has_one_end_or_waits(
    status: ClaimStatus, opened: bool, defaulted: bool, late: bool
) -> None:
    lottery, segment = commit(make_drawn())
    if opened:
        lottery = open_leaf(lottery, segment)
    if defaulted:
        lottery = replace(lottery, defaulted=frozenset({1}))
    now = Seconds(lottery.get_draw(1).reveal_deadline + late)
    end = audit.compute_end(lottery, replace(CLAIM, status=status), AUDITOR, now)
    if opened:
        punished = AuditStatus.PUNISHED
        expected = AuditStatus.RELEASED if status is ClaimStatus.SLASHED else punished
        assert end is (expected if late else AuditStatus.NONE)
    elif defaulted:
        assert end is AuditStatus.PAID
    else:
        pending = status is ClaimStatus.PENDING
        assert end is (AuditStatus.NONE if pending else AuditStatus.RELEASED)


def test_commit__copied_commitment__is_of_no_use() -> None:
    lottery = make_drawn()
    segment = sortition.compute_last(audit.compute_stretch(lottery, 1, AUDITOR))
    own = sortition.compute_commitment(LEAVES[segment], AUDITOR, SALT)
    assert own != sortition.compute_commitment(LEAVES[segment], OTHER, SALT)


def test_total_stake__at_the_claim__is_what_counts() -> None:
    lottery = make_drawn()
    before = audit.is_drawn(lottery, 1, AUDITOR, 0)
    later = audit.process_join(lottery, OTHER, Wei(10**9), True, Wei(10**9), NOW)
    assert audit.is_drawn(later, 1, AUDITOR, 0) is before is True
    assert not audit.is_drawn(later, 1, OTHER, 255)


def test_max_duration__slowest_play__ends_then() -> None:
    lottery = Lottery(PRESET)
    lottery = audit.process_join(lottery, AUDITOR, Wei(100), True, Wei(100), Seconds(0))
    lottery = audit.process_claimed(lottery, 1, NOW)
    last = Seconds(NOW + PRESET.draw_seconds)
    drawn = audit.process_draw(lottery, CLAIM, SEED, last)
    longest = audit.compute_max_duration(PRESET, CLAIM.reexecution_seconds)
    assert drawn.get_draw(1).reveal_deadline == NOW + longest
    with pytest.raises(refusals.TooLateToDraw):
        audit.process_draw(lottery, CLAIM, SEED, Seconds(last + 1))


def test_attest__rounds__double_the_odds_and_end_with_all() -> None:
    auditors = [f"0x{i:040x}" for i in range(10, 42)]
    lottery = make_drawn(*auditors)
    claim = availability.Claim(
        1, WORKER, "0x" + "9" * 40, LEAVES[8], ClaimStatus.PENDING, NOW, Seconds(NOW + 999), 0, 32
    )
    question, circles = availability.Question(), []
    for _ in range(ROUNDS.max_rounds):
        now = availability.compute_deadline(ROUNDS, claim, question)
        allowed = [
            auditor
            for auditor in auditors
            if availability.may_attest(ROUNDS, lottery, claim, question, auditor, now)
        ]
        circles.append(set(allowed))
        if question.round + 1 < ROUNDS.max_rounds:
            later = Seconds(now + 1)
            question = availability.process_serve_again(ROUNDS, claim, question, WORKER, later)
    assert circles[0] <= circles[1] < circles[2] == set(auditors)
    assert circles[1] == {a for a in auditors if audit.is_drawn(lottery, 1, a, 1)}


def test_attest__last_round__small_accounts_decide_nothing() -> None:
    small = [f"0x{i:040x}" for i in range(10, 20)]
    lottery = Lottery(PRESET)
    for auditor, stake in [(AUDITOR, 10**6), *((account, 50) for account in small)]:
        lottery = audit.process_join(lottery, auditor, Wei(stake), True, Wei(stake), Seconds(0))
    lottery = audit.process_claimed(lottery, 1, NOW)
    lottery = audit.process_draw(lottery, CLAIM, SEED, NOW)
    claim = availability.Claim(
        1, WORKER, "0x" + "9" * 40, LEAVES[8], ClaimStatus.PENDING, NOW, NOW, 0, 2
    )
    question = availability.Question(round=2, deadline=Seconds(NOW + 5))
    for account in small:
        question = availability.process_attest(
            ROUNDS, lottery, claim, question, account, LEAVES[8], NOW
        )
    assert not question.settled
    question = availability.process_attest(
        ROUNDS, lottery, claim, question, AUDITOR, LEAVES[8], NOW
    )
    assert question.settled


def test_refusals__every_class__has_its_own_reason() -> None:
    kinds = refusals.AuditError.__subclasses__()
    assert len({kind.reason for kind in kinds}) == len(kinds)
