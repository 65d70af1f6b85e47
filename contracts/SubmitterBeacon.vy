# pragma version ==0.4.3
# pragma nonreentrancy on
"""
@title SubmitterBeacon
@notice Seeds from a secret of the submitter and the claim itself.
        Documentation of every function, and who could bias it: IBeacon.vyi, ISubmitterBeacon.vyi.
"""


from .interfaces import IBeacon
from .interfaces import ISubmitterBeacon
from .interfaces import ITaskEscrow

implements: IBeacon
implements: ISubmitterBeacon


lottery: public(immutable(address))
escrow: public(immutable(address))

seed_of: public(HashMap[uint256, bytes32])
link_of: public(HashMap[uint256, bytes32])


@deploy
def __init__(lottery_: address, escrow_: address):
    """
    @param lottery_ Where the AuditLottery will be.
    @param escrow_ Where the TaskEscrow will be.
    """
    assert lottery_ != empty(address), "beacon: zero lottery"
    assert escrow_ != empty(address), "beacon: zero escrow"
    lottery = lottery_
    escrow = escrow_


@external
def process_claimed(claim_id: uint256):
    # The claim alone starts this beacon: a link can only be committed while there is none.
    assert msg.sender == lottery, "beacon: not lottery"


@external
def commit(task_id: uint256, link: bytes32):
    task: ITaskEscrow.Task = staticcall ITaskEscrow(escrow).task_of(task_id)
    assert msg.sender == task.submitter, "beacon: not the submitter"
    assert link != empty(bytes32), "beacon: zero link"
    assert self.link_of[task_id] == empty(bytes32), "beacon: already committed"
    # With the claim root known the submitter could choose the seed.
    assert task.claim_id == 0, "beacon: task claimed"
    self.link_of[task_id] = link
    log ISubmitterBeacon.LinkCommitted(task_id=task_id, link=link)


@external
def show(claim_id: uint256, preimage: bytes32) -> bytes32:
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    # One claim of a task is pending at a time: no preimage is thrown away on another one.
    assert claim.status == ITaskEscrow.ClaimStatus.PENDING, "beacon: claim not pending"
    assert self.seed_of[claim_id] == empty(bytes32), "beacon: seed known"
    link: bytes32 = self.link_of[claim.task_id]
    assert link != empty(bytes32), "beacon: no link"
    assert sha256(preimage) == link, "beacon: not the preimage"
    self.link_of[claim.task_id] = preimage
    seed: bytes32 = sha256(concat(preimage, claim.root, convert(claim_id, bytes32)))
    self.seed_of[claim_id] = seed
    log IBeacon.SeedFixed(claim_id=claim_id, seed=seed)
    return seed
