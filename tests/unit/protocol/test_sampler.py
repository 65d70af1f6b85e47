"""The sampler against its one-line definition, and its evenness."""

from collections import Counter
from hashlib import sha256

from protocol.sampler import compute_record
from protocol.types import Seed, StepIndex

SEED = Seed(bytes(range(32)))


def test_compute_record__known_words__is_the_defined_one() -> None:
    for step in (0, 1, 2**40 - 1):
        for row in (0, 7, 2**20 - 1):
            words = SEED + bytes(32 - 6) + step.to_bytes(6, "big") + row.to_bytes(32, "big")
            wanted = int(sha256(words).hexdigest(), 16) % 1_000_003
            assert compute_record(SEED, StepIndex(step), row, 1_000_003) == wanted


def test_compute_record__one_record__is_always_the_first() -> None:
    assert compute_record(SEED, StepIndex(5), 3, 1) == 0


def test_compute_record__many_rows__reaches_every_record_about_equally() -> None:
    met = Counter(compute_record(SEED, StepIndex(i // 8), i % 8, 10) for i in range(4_000))
    assert set(met) == set(range(10))
    assert max(met.values()) < 1.3 * min(met.values())  # 400 each, standard deviation 19


def test_compute_record__other_seed_step_or_row__is_another_draw() -> None:
    records = 2**40
    base = compute_record(SEED, StepIndex(1), 2, records)
    assert base != compute_record(SEED, StepIndex(2), 1, records)
    assert base != compute_record(Seed(bytes(32)), StepIndex(1), 2, records)
