"""Malformed descriptors, proofs and call data, in small; `make test-long` runs 100,000."""

import random

import pytest

from scripts.campaign import malformed
from scripts.campaign.elements import Mismatch
from scripts.campaign.malformed import Attempt, compare_malformed, draw_proof, find_fault
from scripts.campaign.referee import Outcome, Referee

CASES = 1_500
SEED = 1
REASONS = (
    *("element out of bounds", "operand is not earlier", "position out of bounds"),
    *("rank out of range", "unknown dtype", "wrong field", "wrong header", "wrong instruction"),
    *("wrong leaf", "wrong leaf length", "wrong number of leaves", "wrong number of openings"),
    *("wrong operator", "wrong path length", "wrong tensor", "input out of range"),
)


def test_compare_malformed__all_kinds__refused_or_the_honest_word(referee: Referee) -> None:
    met = compare_malformed(referee, CASES, SEED).met
    assert {"program", "rank", "proof", "bytes", "accepted", "no reason"} <= set(met)
    for reason in REASONS:
        assert met.get(f"verifier: {reason}", 0) > 0, reason


def test_compare_malformed__undamaged_proofs__all_accepted(
    referee: Referee, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base of every attempt is a proof that holds."""
    monkeypatch.setattr(malformed, "damage_case", lambda rng, case: case)
    attempts = [draw_proof(referee, random.Random(n)) for n in range(32)]
    outcomes = referee.call_verifier([attempt.data for attempt in attempts])
    assert [outcome.word for outcome in outcomes] == [attempt.honest for attempt in attempts]


def test_find_fault__other_word_or_other_reason__is_one() -> None:
    word, other = bytes(32), bytes([1]) * 32
    refused = Outcome(None, "verifier: wrong leaf")
    asked = Attempt("proof", b"", refused, word)
    unasked = Attempt("bytes", b"", None, word)
    for attempt, outcome, is_fault in (
        (asked, refused, False),
        (asked, Outcome(word), True),
        (asked, Outcome(None), True),
        (asked, Outcome(None, "verifier: wrong tensor"), True),
        (unasked, Outcome(None), False),
        (unasked, refused, False),
        (unasked, Outcome(word), False),
        (unasked, Outcome(other), True),
    ):
        assert bool(find_fault(attempt, outcome)) is is_fault, (attempt, outcome)


def test_compare_malformed__contract_would_accept_another__mismatch(
    referee: Referee, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Outcome(b"\7" * 32)
    monkeypatch.setattr(referee, "call_verifier", lambda calls: [wrong for _ in calls])
    with pytest.raises(Mismatch, match="draw_program"):
        compare_malformed(referee, 3, SEED)
