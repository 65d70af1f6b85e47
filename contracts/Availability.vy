# pragma version ==0.4.3
# pragma nonreentrancy on
"""
@title Availability
@notice Whether the result of a claim could be had.
        Documentation of every function, its units and reverts: IAvailability.vyi; the same
        machine in Python: protocol/availability.py.
"""


from .interfaces import IAuditLottery
from .interfaces import IAvailability
from .interfaces import ITaskEscrow

implements: IAvailability


MAX_ROUNDS: constant(uint256) = 2**4  # = 16
# Longer times are a mistake in the units, and would lock stake up for good.
MAX_SECONDS: constant(uint256) = 365 * 86_400


escrow: public(immutable(address))
lottery: public(immutable(address))
round_seconds: public(immutable(uint256))
max_rounds: public(immutable(uint256))

# The deadline of the first round follows from the claim and is not stored.
_question_of: HashMap[uint256, IAvailability.Question]
_has_attested: HashMap[uint256, HashMap[address, bool]]


@deploy
def __init__(escrow_: address, lottery_: address, round_seconds_: uint256, max_rounds_: uint256):
    """
    @param escrow_ Where the TaskEscrow will be.
    @param lottery_ Where the AuditLottery will be.
    @param round_seconds_ Length of a round: 1 second to a year.
    @param max_rounds_ Rounds in all: 1 to 16.
    """
    assert escrow_ != empty(address), "availability: zero escrow"
    assert lottery_ != empty(address), "availability: zero lottery"
    assert (
        round_seconds_ != 0 and round_seconds_ <= MAX_SECONDS
    ), "availability: time out of range"
    assert max_rounds_ != 0 and max_rounds_ <= MAX_ROUNDS, "availability: rounds out of range"
    escrow = escrow_
    lottery = lottery_
    round_seconds = round_seconds_
    max_rounds = max_rounds_


@external
@view
def question_of(claim_id: uint256) -> IAvailability.Question:
    return self._get_question(claim_id, staticcall ITaskEscrow(escrow).claim_of(claim_id))


@external
@view
def is_settled(claim_id: uint256) -> bool:
    return self._question_of[claim_id].settled


@external
@view
def may_attest(claim_id: uint256, account: address) -> bool:
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    question: IAvailability.Question = self._get_question(claim_id, claim)
    if claim.status != ITaskEscrow.ClaimStatus.PENDING or question.settled:
        return False
    if self._get_needed(claim.task_id) == 0 or self._has_attested[claim_id][account]:
        return False
    if self._is_submitter(claim.task_id, account):
        return True
    return block.timestamp <= question.deadline and self._is_attester(
        claim_id, claim, question.round, account
    )


@external
def attest(claim_id: uint256, final_state_root: bytes32):
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    question: IAvailability.Question = self._get_question(claim_id, claim)
    needed: uint256 = self._check_asked(claim, question)
    is_submitter: bool = self._is_submitter(claim.task_id, msg.sender)
    if not is_submitter:
        assert block.timestamp <= question.deadline, "availability: round over"
        assert self._is_attester(
            claim_id, claim, question.round, msg.sender
        ), "availability: not an attester"
    assert not self._has_attested[claim_id][msg.sender], "availability: already attested"
    assert final_state_root == claim.final_state_root, "availability: another state root"

    self._has_attested[claim_id][msg.sender] = True
    is_drawn: bool = False
    if is_submitter:
        question.settled = True
    else:
        is_drawn = staticcall IAuditLottery(lottery).is_drawn(
            claim_id, msg.sender, question.round
        )
        if is_drawn:
            question.attestations += 1
        question.stake += staticcall IAuditLottery(lottery).stake_of(msg.sender)
        question.settled = self._is_enough(claim_id, claim, question, needed)
    self._question_of[claim_id] = question
    log IAvailability.Attested(
        claim_id=claim_id,
        account=msg.sender,
        attestations=question.attestations,
        settled=question.settled,
    )
    if is_drawn:
        draw: IAuditLottery.Draw = staticcall IAuditLottery(lottery).draw_of(claim_id)
        extcall ITaskEscrow(escrow).pay_audit(claim_id, msg.sender, draw.fee)


@external
def serve_again(claim_id: uint256):
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    question: IAvailability.Question = self._get_question(claim_id, claim)
    self._check_asked(claim, question)
    assert msg.sender == claim.worker, "availability: not the worker"
    assert block.timestamp > question.deadline, "availability: round open"
    assert not self._is_last(question.round), "availability: no round left"
    assert (
        block.timestamp <= question.deadline + round_seconds
    ), "availability: too late to serve"
    question.round += 1
    question.deadline = block.timestamp + round_seconds
    self._question_of[claim_id] = question
    log IAvailability.ServedAgain(
        claim_id=claim_id, round=question.round, deadline=question.deadline
    )


@external
def void(claim_id: uint256):
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    question: IAvailability.Question = self._get_question(claim_id, claim)
    self._check_asked(claim, question)
    end: uint256 = question.deadline
    if not self._is_last(question.round):
        end += round_seconds
    assert block.timestamp > end, "availability: round open"
    # D3: withholding the result must not get a lie past its challengers.
    assert block.timestamp > claim.challenge_deadline, "availability: window open"
    log IAvailability.Voided(claim_id=claim_id)
    extcall ITaskEscrow(escrow).process_unavailable(claim_id)


@internal
@view
def _get_question(
    claim_id: uint256, claim: ITaskEscrow.Claim
) -> IAvailability.Question:
    question: IAvailability.Question = self._question_of[claim_id]
    if question.round == 0:
        question.deadline = claim.claimed_at + round_seconds
    return question


@internal
@view
def _get_needed(task_id: uint256) -> uint256:
    offer: ITaskEscrow.Offer = staticcall ITaskEscrow(escrow).offer_of(task_id)
    return offer.attestations


@internal
@view
def _check_asked(claim: ITaskEscrow.Claim, question: IAvailability.Question) -> uint256:
    assert (
        claim.status == ITaskEscrow.ClaimStatus.PENDING
    ), "availability: claim not pending"
    needed: uint256 = self._get_needed(claim.task_id)
    assert needed != 0, "availability: nothing asked"
    assert not question.settled, "availability: settled"
    return needed


@internal
@view
def _is_submitter(task_id: uint256, account: address) -> bool:
    task: ITaskEscrow.Task = staticcall ITaskEscrow(escrow).task_of(task_id)
    return account == task.submitter


@internal
@view
def _is_last(round: uint256) -> bool:
    return round + 1 == max_rounds


@internal
@view
def _is_open_to_all(claim_id: uint256, claim: ITaskEscrow.Claim, round: uint256) -> bool:
    if self._is_last(round):
        return True
    draw: IAuditLottery.Draw = staticcall IAuditLottery(lottery).draw_of(claim_id)
    if draw.seed != empty(bytes32):
        return False
    # D2: as long as there can be a draw, nobody gets ahead of it.
    draw_seconds: uint256 = staticcall IAuditLottery(lottery).draw_seconds()
    return block.timestamp > claim.claimed_at + draw_seconds


@internal
@view
def _is_attester(
    claim_id: uint256, claim: ITaskEscrow.Claim, round: uint256, account: address
) -> bool:
    if account == claim.worker:
        return False
    if staticcall IAuditLottery(lottery).stake_of(account) == 0:
        return False
    if staticcall IAuditLottery(lottery).active_from(account) > claim.claimed_at:
        return False
    return self._is_open_to_all(claim_id, claim, round) or (
        staticcall IAuditLottery(lottery).is_drawn(claim_id, account, round)
    )


@internal
@view
def _is_enough(
    claim_id: uint256,
    claim: ITaskEscrow.Claim,
    question: IAvailability.Question,
    needed: uint256,
) -> bool:
    if question.attestations >= needed:
        return True
    if not self._is_open_to_all(claim_id, claim, question.round):
        return False
    # D4: what joined after the claim may not attest, so it must not raise the half either.
    draw: IAuditLottery.Draw = staticcall IAuditLottery(lottery).draw_of(claim_id)
    return 2 * question.stake > draw.total_stake
