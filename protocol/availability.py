"""Whether a claim's result could be had, as a pure state machine.

`contracts/Availability.vy` is the same machine; what it is for is described at the head of
`contracts/interfaces/IAvailability.vyi`. What the escrow says comes as arguments, what the lottery
says is read from its own machine.
"""

from dataclasses import dataclass, replace

from protocol import audit_refusals as refusals
from protocol.audit import ClaimStatus, Lottery, is_drawn
from protocol.merkle import ZERO_VALUE
from protocol.types import Root, Seconds, Wei


@dataclass(frozen=True)
class Preset:
    """What a deployment chooses."""

    round_seconds: Seconds
    max_rounds: int


@dataclass(frozen=True)
class Claim:
    """What the escrow says, at the time of a call, of a claim and its task."""

    claim_id: int
    worker: str
    submitter: str
    final_state_root: Root
    status: ClaimStatus
    claimed_at: Seconds
    challenge_deadline: Seconds
    open_games: int
    attestations: int  # that the task asks for


@dataclass(frozen=True)
class Question:
    """What the contract remembers of a claim."""

    round: int = 0
    deadline: Seconds = Seconds(0)  # of a round that was served; the first one's is computed
    attestations: int = 0  # by drawn auditors
    stake: Wei = Wei(0)  # of all auditors that attested
    settled: bool = False
    attested: frozenset[str] = frozenset()


def _require(condition: bool, error: type[refusals.AuditError]) -> None:
    if not condition:
        raise error


def compute_deadline(preset: Preset, claim: Claim, question: Question) -> Seconds:
    """When the round ends."""
    first = Seconds(claim.claimed_at + preset.round_seconds)
    return question.deadline if question.round else first


def is_open_to_all(
    preset: Preset, lottery: Lottery, claim: Claim, question: Question, now: Seconds
) -> bool:
    """Whether every auditor may attest: in the last round, or when there can be no draw."""
    if question.round + 1 == preset.max_rounds:
        return True
    if lottery.get_draw(claim.claim_id).seed != ZERO_VALUE:
        return False
    return now > claim.claimed_at + lottery.preset.draw_seconds


def is_attester(
    preset: Preset, lottery: Lottery, claim: Claim, question: Question, account: str, now: Seconds
) -> bool:
    """Whether the round is open to the account, which is not the submitter."""
    auditor = lottery.get_auditor(account)
    if account == claim.worker or auditor.stake == 0 or auditor.active_from > claim.claimed_at:
        return False
    drawn = is_drawn(lottery, claim.claim_id, account, question.round)
    return drawn or is_open_to_all(preset, lottery, claim, question, now)


def may_attest(
    preset: Preset, lottery: Lottery, claim: Claim, question: Question, account: str, now: Seconds
) -> bool:
    """Whether an attestation of the right root would be accepted."""
    try:
        process_attest(preset, lottery, claim, question, account, claim.final_state_root, now)
    except refusals.AuditError:
        return False
    return True


def process_attest(
    preset: Preset,
    lottery: Lottery,
    claim: Claim,
    question: Question,
    caller: str,
    state_root: Root,
    now: Seconds,
) -> Question:
    """The caller has fetched the result."""
    _check_asked(claim, question)
    if caller != claim.submitter:
        deadline = compute_deadline(preset, claim, question)
        _require(now <= deadline, refusals.RoundOver)
        attester = is_attester(preset, lottery, claim, question, caller, now)
        _require(attester, refusals.NotAnAttester)
    _require(caller not in question.attested, refusals.AlreadyAttested)
    _require(state_root == claim.final_state_root, refusals.AnotherStateRoot)
    question = replace(question, attested=question.attested | {caller})
    if caller == claim.submitter:
        return replace(question, settled=True)
    drawn = is_drawn(lottery, claim.claim_id, caller, question.round)
    stake = Wei(question.stake + lottery.get_auditor(caller).stake)
    total_stake = lottery.get_draw(claim.claim_id).total_stake
    attestations = question.attestations + drawn
    open_to_all = is_open_to_all(preset, lottery, claim, question, now)
    settled = attestations >= claim.attestations or (open_to_all and 2 * stake > total_stake)
    return replace(
        question,
        attestations=attestations,
        stake=stake,
        settled=settled,
    )


def compute_fee(
    lottery: Lottery, claim: Claim, question: Question, caller: str, budget: Wei
) -> Wei:
    """What an accepted attestation is paid; `question` as it was before."""
    drawn = is_drawn(lottery, claim.claim_id, caller, question.round)
    paid = drawn and caller != claim.submitter
    return min(lottery.get_draw(claim.claim_id).fee, budget) if paid else Wei(0)


def process_serve_again(
    preset: Preset, claim: Claim, question: Question, caller: str, now: Seconds
) -> Question:
    """The next round starts."""
    _check_asked(claim, question)
    deadline = compute_deadline(preset, claim, question)
    _require(caller == claim.worker, refusals.NotTheWorker)
    _require(now > deadline, refusals.RoundOpen)
    _require(question.round + 1 < preset.max_rounds, refusals.NoRoundLeft)
    _require(now <= deadline + preset.round_seconds, refusals.TooLateToServe)
    return replace(question, round=question.round + 1, deadline=Seconds(now + preset.round_seconds))


def process_void(preset: Preset, claim: Claim, question: Question, now: Seconds) -> Question:
    """Nobody could have the result: the escrow posts the task again."""
    _check_asked(claim, question)
    last = question.round + 1 == preset.max_rounds
    end = compute_deadline(preset, claim, question) + (0 if last else preset.round_seconds)
    _require(now > end, refusals.RoundOpen)
    _require(now > claim.challenge_deadline, refusals.WindowOpen)
    _require(claim.open_games == 0, refusals.GamesOpen)
    return question


def _check_asked(claim: Claim, question: Question) -> None:
    _require(claim.status is ClaimStatus.PENDING, refusals.ClaimDecided)
    _require(claim.attestations != 0, refusals.NothingAsked)
    _require(not question.settled, refusals.AlreadySettled)
