"""Which records of the dataset a step trains on."""

from hashlib import sha256

from protocol.types import Seed, StepIndex


def compute_record(seed: Seed, step: StepIndex, row: int, records: int) -> int:
    """Record of row `row` in step `step`: uint256(sha256(seed || step || row)) mod records.

    `step` and `row` are 32-byte big-endian words. The bias of the remainder is below
    records / 2**256.
    """
    digest = sha256(seed + step.to_bytes(32, "big") + row.to_bytes(32, "big")).digest()
    return int.from_bytes(digest, "big") % records
