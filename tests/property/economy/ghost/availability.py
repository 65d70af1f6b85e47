"""Whether the result of a claim could be had."""

from dataclasses import dataclass, field

from tests.property.economy.ghost.audits import Lottery
from tests.property.economy.ghost.base import Common, require
from tests.property.economy.ghost.ledger import Registry
from tests.property.economy.ghost.market import Claim, ClaimStatus, Escrow, Offer


@dataclass
class Question:
    deadline: int
    round: int = 0
    attestations: int = 0  # by drawn auditors
    stake: int = 0
    attesters: set[str] = field(default_factory=set)
    settled: bool = False


@dataclass
class Availability:
    common: Common
    registry: Registry
    escrow: Escrow
    lottery: Lottery
    round_seconds: int
    max_rounds: int
    questions: dict[int, Question] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.common.addresses["availability"]

    def _get(self, claim_id: int) -> Question:
        claim = self.escrow.claims[claim_id]
        first = Question(claim.claimed_at + self.round_seconds)
        return self.questions.setdefault(claim_id, first)

    def question_of(self, claim_id: int) -> tuple[int, int, int, int, bool]:
        self.escrow.claim_of(claim_id)
        q = self._get(claim_id)
        return q.round, q.deadline, q.attestations, q.stake, q.settled

    def is_settled(self, claim_id: int) -> bool:
        return claim_id in self.questions and self.questions[claim_id].settled

    def _get_subject(self, claim_id: int) -> tuple[Claim, Offer, Question]:
        self.escrow.claim_of(claim_id)
        claim = self.escrow.claims[claim_id]
        return claim, self.escrow.offers[claim.task_id], self._get(claim_id)

    def _is_open(self, claim_id: int) -> dict[str, bool]:
        claim, offer, question = self._get_subject(claim_id)
        return {
            "availability: claim not pending": claim.status == ClaimStatus.PENDING,
            "availability: nothing asked": offer.attestations != 0,
            "availability: settled": not question.settled,
        }

    def _is_submitter(self, claim_id: int, account: str) -> bool:
        claim = self.escrow.claims[claim_id]
        return account == self.escrow.tasks[claim.task_id].submitter

    def _is_drawn(self, claim_id: int, account: str) -> bool:
        return self.lottery.is_drawn(claim_id, account, self._get(claim_id).round)

    def _is_for_all(self, claim_id: int) -> bool:
        """Whether every auditor with active stake may speak."""
        claimed_at = self.escrow.claims[claim_id].claimed_at
        is_undrawn = claim_id not in self.lottery.draws
        is_late = self.common.now > claimed_at + self.lottery.draw_seconds()
        return self._get(claim_id).round + 1 == self.max_rounds or (is_undrawn and is_late)

    def _is_attester(self, claim_id: int, account: str) -> bool:
        if self._is_submitter(claim_id, account):
            return True
        if account == self.escrow.claims[claim_id].worker:
            return False
        if self._is_drawn(claim_id, account):
            return True
        return self._is_for_all(claim_id) and self.lottery.is_active(claim_id, account)

    def _may_attest(self, claim_id: int, account: str) -> dict[str, bool]:
        question = self._get(claim_id)
        is_in_time = self.common.now <= question.deadline
        return {
            **self._is_open(claim_id),
            "availability: round over": is_in_time or self._is_submitter(claim_id, account),
            "availability: not an attester": self._is_attester(claim_id, account),
            "availability: already attested": account not in question.attesters,
        }

    def may_attest(self, claim_id: int, account: str) -> bool:
        self.escrow.claim_of(claim_id)
        return all(self._may_attest(claim_id, account).values())

    def attest(self, sender: str, claim_id: int, final_state_root: bytes) -> None:
        claim, offer, question = self._get_subject(claim_id)
        is_result = final_state_root == claim.final_state_root
        require(
            {
                **self._may_attest(claim_id, sender),
                "availability: another state root": is_result,
            }
        )
        question.attesters.add(sender)
        is_submitter = self._is_submitter(claim_id, sender)
        is_drawn = self._is_drawn(claim_id, sender) and not is_submitter
        if is_submitter:
            question.settled = True
        else:
            question.attestations += is_drawn
            question.stake += self.lottery.stake_of(sender)
            has_most = 2 * question.stake > self.lottery.totals[claim_id]
            question.settled = question.attestations >= offer.attestations or (
                self._is_for_all(claim_id) and has_most
            )
        self.common.note(
            "availability",
            "Attested",
            claim_id=claim_id,
            account=sender,
            attestations=question.attestations,
            settled=question.settled,
        )
        if is_drawn:
            fee = self.lottery.draw_of(claim_id).fee
            self.escrow.pay_audit(self.address, claim_id, sender, fee)

    def serve_again(self, sender: str, claim_id: int) -> None:
        claim, _, question = self._get_subject(claim_id)
        now = self.common.now
        require(
            {
                **self._is_open(claim_id),
                "availability: not the worker": sender == claim.worker,
                "availability: round open": now > question.deadline,
                "availability: no round left": question.round + 1 < self.max_rounds,
                "availability: too late to serve": now <= question.deadline + self.round_seconds,
            }
        )
        question.round += 1
        question.deadline = now + self.round_seconds
        self.common.note(
            "availability",
            "ServedAgain",
            claim_id=claim_id,
            round=question.round,
            deadline=question.deadline,
        )

    def void(self, sender: str, claim_id: int) -> None:
        claim, _, question = self._get_subject(claim_id)
        is_last = question.round + 1 == self.max_rounds
        end = question.deadline + (0 if is_last else self.round_seconds)
        require(
            {
                **self._is_open(claim_id),
                "availability: round open": self.common.now > end,
                "availability: window open": self.common.now > claim.challenge_deadline,
                "escrow: games open": claim.open_games == 0,
            }
        )
        self.escrow.process_unavailable(self.address, claim_id)
        self.common.note("availability", "Voided", claim_id=claim_id)
