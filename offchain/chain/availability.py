"""Availability: whether a claim's result could be had."""

from dataclasses import dataclass
from functools import cached_property

from offchain.chain.access import Bound
from offchain.chain.records import (
    ATTESTATIONS_MAX,
    Address,
    ClaimId,
    Timestamp,
    check,
    check_seconds,
    check_time,
)
from offchain.chain.sender import Receipt
from protocol.types import Root, Seconds, Wei

ROUNDS_MAX = 2**4


@dataclass(frozen=True)
class Question:
    """Whether the result can be had, and where that stands."""

    round: int
    deadline: Timestamp
    attestations: int  # by drawn auditors
    stake: Wei  # of all auditors that attested
    settled: bool


@dataclass(frozen=True)
class Availability(Bound):
    """Attestations and rounds."""

    @cached_property
    def round_seconds(self) -> Seconds:
        """Length of a round; fixed for good."""
        return check_seconds("round", self.read("round_seconds"))

    @cached_property
    def max_rounds(self) -> int:
        """Rounds in all; fixed for good."""
        return check("rounds", self.read("max_rounds"), 1, ROUNDS_MAX)

    def get_question(self, claim_id: ClaimId) -> Question:
        """Raises `Reverted` ("escrow: unknown claim")."""
        values = self.read_struct("question_of", claim_id)
        return Question(
            check("round", values["round"], 0, ROUNDS_MAX - 1),
            check_time("round's end", values["deadline"]),
            check("attestations", values["attestations"], 0, ATTESTATIONS_MAX),
            Wei(values["stake"]),
            bool(values["settled"]),
        )

    def may_attest(self, claim_id: ClaimId, account: Address) -> bool:
        """Whether the account's attestation would be accepted now."""
        return bool(self.read("may_attest", claim_id, account))

    def attest(self, claim_id: ClaimId, final_state_root: Root) -> Receipt:
        """Say that the result was fetched and has this state root."""
        return self.send(f"attest claim {claim_id}", "attest", claim_id, final_state_root)

    def serve_again(self, claim_id: ClaimId) -> Receipt:
        """Start the next round."""
        return self.send(f"serve_again claim {claim_id}", "serve_again", claim_id)

    def void(self, claim_id: ClaimId) -> Receipt:
        """Give a claim up whose result nobody could have."""
        return self.send(f"void claim {claim_id}", "void", claim_id)
