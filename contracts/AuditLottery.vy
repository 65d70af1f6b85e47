# pragma version ==0.4.3
# pragma nonreentrancy on
"""
@title AuditLottery
@notice Random auditors execute random stretches of claims and are paid for what they prove.
        Documentation of every function, its units and reverts: IAuditLottery.vyi; the same
        machine in Python: protocol/audit.py.
"""


from .interfaces import IAuditLottery
from .interfaces import IBeacon
from .interfaces import INodeRegistry
from .interfaces import IStakeVault
from .interfaces import ITaskEscrow
from .modules import merkle
from .modules import sortition

implements: IAuditLottery


MAX_AUDITS: constant(uint256) = 2**4  # = 16
# Of the total stake: tickets point to a place in it, see `sortition`.
MAX_STAKE: constant(uint256) = 2**128 - 1
# Longer times are a mistake in the units, and would lock stake up for good.
MAX_SECONDS: constant(uint256) = 365 * 86_400
# Where penalties go: nobody holds the key.
BURN_ADDRESS: constant(address) = 0x000000000000000000000000000000000000dEaD


escrow: public(immutable(address))
vault: public(immutable(address))
registry: public(immutable(address))
beacon: public(immutable(address))
audits: public(immutable(uint256))
penalty: public(immutable(uint256))
warmup_seconds: public(immutable(uint256))
draw_seconds: public(immutable(uint256))
commit_seconds: public(immutable(uint256))
open_seconds: public(immutable(uint256))
reveal_seconds: public(immutable(uint256))

stake_of: public(HashMap[address, uint256])
active_from: public(HashMap[address, uint256])
unsettled_of: public(HashMap[address, uint256])
total_stake: public(uint256)
# By task.
reserved_of: public(HashMap[uint256, uint256])
# By claim; then by auditor or by segment.
draw_of: public(HashMap[uint256, IAuditLottery.Draw])
audit_of: public(HashMap[uint256, HashMap[address, IAuditLottery.Audit]])
leaf_of: public(HashMap[uint256, HashMap[uint256, bytes32]])
_is_committed: HashMap[uint256, HashMap[uint256, bool]]
_is_defaulted: HashMap[uint256, bool]


@deploy
def __init__(
    escrow_: address,
    vault_: address,
    registry_: address,
    beacon_: address,
    audits_: uint256,
    penalty_: uint256,
    warmup_seconds_: uint256,
    draw_seconds_: uint256,
    commit_seconds_: uint256,
    open_seconds_: uint256,
    reveal_seconds_: uint256,
):
    """
    @param escrow_ Where the TaskEscrow will be.
    @param vault_ Where the StakeVault will be.
    @param registry_ Where the NodeRegistry will be.
    @param beacon_ Where the beacon will be.
    @param audits_ Auditors drawn for a claim, on average: 1 to 16.
    @param penalty_ What a failed audit costs: at least 1, below 2**128.
    @param warmup_seconds_ From joining until the stake counts: 1 second to a year.
    @param draw_seconds_ From a claim to its draw, like the following: 1 second to a year.
    @param commit_seconds_ From the draw to the commit deadline, besides re-execution.
    @param open_seconds_ From there to the open deadline.
    @param reveal_seconds_ From there to the reveal deadline.
    """
    assert escrow_ != empty(address), "lottery: zero escrow"
    assert vault_ != empty(address), "lottery: zero vault"
    assert registry_ != empty(address), "lottery: zero registry"
    assert beacon_ != empty(address), "lottery: zero beacon"
    assert audits_ != 0 and audits_ <= MAX_AUDITS, "lottery: audits out of range"
    assert penalty_ != 0 and penalty_ <= MAX_STAKE, "lottery: penalty out of range"
    for seconds: uint256 in [
        warmup_seconds_, draw_seconds_, commit_seconds_, open_seconds_, reveal_seconds_
    ]:
        assert seconds != 0 and seconds <= MAX_SECONDS, "lottery: time out of range"
    escrow = escrow_
    vault = vault_
    registry = registry_
    beacon = beacon_
    audits = audits_
    penalty = penalty_
    warmup_seconds = warmup_seconds_
    draw_seconds = draw_seconds_
    commit_seconds = commit_seconds_
    open_seconds = open_seconds_
    reveal_seconds = reveal_seconds_


@external
@view
def max_duration(reexecution_seconds: uint256) -> uint256:
    return (
        draw_seconds + commit_seconds + 2 * reexecution_seconds + open_seconds + reveal_seconds
    )


@external
@view
def is_drawn(claim_id: uint256, auditor: address, widening: uint256) -> bool:
    return self._is_drawn(claim_id, auditor, widening)


@external
@view
def stretch_of(claim_id: uint256, auditor: address) -> (uint256, uint256):
    self._check_drawn(claim_id)
    stretch: uint256 = self._compute_stretch(claim_id, auditor)
    return sortition.compute_first(stretch), sortition.compute_last(stretch)


@external
def join(amount: uint256):
    assert (
        staticcall INodeRegistry(registry).is_auditor(msg.sender)
    ), "lottery: not an auditor"
    total_stake: uint256 = self.total_stake
    assert (
        amount <= MAX_STAKE and total_stake + amount <= MAX_STAKE
    ), "lottery: stake out of range"
    stake: uint256 = self.stake_of[msg.sender] + amount
    assert stake >= penalty, "lottery: stake below penalty"
    # L2: the whole starts anew, or a small old stake would make a large new one count.
    active_from: uint256 = block.timestamp + warmup_seconds
    self.stake_of[msg.sender] = stake
    self.active_from[msg.sender] = active_from
    self.total_stake = total_stake + amount
    log IAuditLottery.AuditorJoined(auditor=msg.sender, stake=stake, active_from=active_from)
    extcall IStakeVault(vault).lock(self._compute_lock_id(msg.sender), msg.sender, amount)


@external
def leave(auditor: address):
    assert (
        msg.sender == auditor
        or msg.sender == staticcall INodeRegistry(registry).payout_of(auditor)
    ), "lottery: not yours"
    stake: uint256 = self.stake_of[auditor]
    assert stake != 0, "lottery: nothing staked"
    assert self.unsettled_of[auditor] == 0, "lottery: audits open"
    # L2: stake that comes and goes with one claim would thin out the draw of it.
    assert block.timestamp >= self.active_from[auditor], "lottery: too early to leave"
    self.stake_of[auditor] = 0
    self.active_from[auditor] = 0
    self.total_stake -= stake
    log IAuditLottery.AuditorLeft(auditor=auditor, stake=stake)
    extcall IStakeVault(vault).release(self._compute_lock_id(auditor))


@external
def process_claimed(claim_id: uint256):
    assert msg.sender == escrow, "lottery: not escrow"
    # L2: fixed before anybody can know the seed.
    self.draw_of[claim_id].total_stake = self.total_stake
    self.draw_of[claim_id].claimed_at = block.timestamp
    extcall IBeacon(beacon).process_claimed(claim_id)


@external
def draw(claim_id: uint256):
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    assert claim.status == ITaskEscrow.ClaimStatus.PENDING, "lottery: claim not pending"
    fee: uint256 = self._compute_fee(claim.task_id)
    assert fee != 0, "lottery: no audit budget"
    draw: IAuditLottery.Draw = self.draw_of[claim_id]
    assert draw.seed == empty(bytes32), "lottery: already drawn"
    draw.seed = staticcall IBeacon(beacon).seed_of(claim_id)
    assert draw.seed != empty(bytes32), "lottery: seed not known"
    assert block.timestamp <= draw.claimed_at + draw_seconds, "lottery: too late to draw"
    assert draw.total_stake != 0, "lottery: no auditors"
    terms: ITaskEscrow.Terms = staticcall ITaskEscrow(escrow).terms_of(claim.task_id)
    draw.segments = convert(terms.segments, uint256)
    assert sortition.count_stretches(draw.segments) != 0, "lottery: nothing to audit"
    draw.fee = fee
    draw.commit_deadline = (
        block.timestamp + commit_seconds + 2 * convert(terms.reexecution_seconds, uint256)
    )
    draw.open_deadline = draw.commit_deadline + open_seconds
    draw.reveal_deadline = draw.open_deadline + reveal_seconds
    self.draw_of[claim_id] = draw
    log IAuditLottery.Drawn(
        claim_id=claim_id,
        seed=draw.seed,
        total_stake=draw.total_stake,
        fee=fee,
        commit_deadline=draw.commit_deadline,
    )


@external
def commit(claim_id: uint256, claim_root: bytes32, commitment: bytes32):
    self._check_drawn(claim_id)
    assert (
        block.timestamp <= self.draw_of[claim_id].commit_deadline
    ), "lottery: commit window closed"
    assert self._is_drawn(claim_id, msg.sender, 0), "lottery: not drawn"
    assert (
        self.audit_of[claim_id][msg.sender].status == empty(IAuditLottery.AuditStatus)
    ), "lottery: already committed"
    commitments: uint256 = self.draw_of[claim_id].commitments
    assert commitments < 2 * audits, "lottery: all audits taken"
    # L4: every open audit has its penalty in the stake.
    unsettled: uint256 = self.unsettled_of[msg.sender] + 1
    assert self.stake_of[msg.sender] >= unsettled * penalty, "lottery: stake below penalty"
    # N4: a retired node's open audits end, so that its stake can leave.
    assert (
        staticcall INodeRegistry(registry).is_auditor(msg.sender)
    ), "lottery: not an auditor"
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    # A reorganisation can give the number to another claim, about which nothing was found.
    assert claim_root == claim.root, "lottery: another claim"
    assert msg.sender != claim.worker, "lottery: worker cannot audit itself"
    assert claim.status == ITaskEscrow.ClaimStatus.PENDING, "lottery: claim not pending"
    segment: uint256 = sortition.compute_last(self._compute_stretch(claim_id, msg.sender))
    self.draw_of[claim_id].commitments = commitments + 1
    self.unsettled_of[msg.sender] = unsettled
    self.reserved_of[claim.task_id] += self.draw_of[claim_id].fee
    self._is_committed[claim_id][segment] = True
    self.audit_of[claim_id][msg.sender] = IAuditLottery.Audit(
        status=IAuditLottery.AuditStatus.COMMITTED, segment=segment, commitment=commitment
    )
    log IAuditLottery.AuditCommitted(
        claim_id=claim_id, auditor=msg.sender, segment=segment, commitment=commitment
    )


@external
def open_leaf(
    claim_id: uint256, segment: uint256, state_root: bytes32, path: DynArray[bytes32, 20]
):
    self._check_drawn(claim_id)
    assert (
        block.timestamp > self.draw_of[claim_id].commit_deadline
    ), "lottery: commit window open"
    assert (
        block.timestamp <= self.draw_of[claim_id].open_deadline
    ), "lottery: open window closed"
    self._check_owed(claim_id, segment)
    assert self._is_leaf(claim_id, segment, state_root, path), "lottery: leaf not in claim"
    self.leaf_of[claim_id][segment] = state_root
    log IAuditLottery.LeafOpened(claim_id=claim_id, segment=segment, state_root=state_root)


@external
def reveal(claim_id: uint256, state_root: bytes32, salt: bytes32):
    audit: IAuditLottery.Audit = self.audit_of[claim_id][msg.sender]
    assert audit.status == IAuditLottery.AuditStatus.COMMITTED, "lottery: not committed"
    leaf: bytes32 = self.leaf_of[claim_id][audit.segment]
    assert leaf != empty(bytes32), "lottery: leaf not open"
    assert (
        block.timestamp <= self.draw_of[claim_id].reveal_deadline
    ), "lottery: reveal window closed"
    assert (
        sortition.compute_commitment(state_root, msg.sender, salt) == audit.commitment
    ), "lottery: not the commitment"
    matches: bool = state_root == leaf
    log IAuditLottery.AuditRevealed(
        claim_id=claim_id, auditor=msg.sender, state_root=state_root, matches=matches
    )
    if matches:
        self._end(claim_id, msg.sender, IAuditLottery.AuditStatus.PAID)
    else:
        self.audit_of[claim_id][msg.sender].status = IAuditLottery.AuditStatus.MISMATCHED


@external
def declare_default(claim_id: uint256, segment: uint256):
    self._check_drawn(claim_id)
    assert (
        block.timestamp > self.draw_of[claim_id].open_deadline
    ), "lottery: open window open"
    self._check_owed(claim_id, segment)
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    assert claim.status == ITaskEscrow.ClaimStatus.PENDING, "lottery: claim not pending"
    # L5: for all leaves of the claim that are not open, which can be opened no more.
    self._is_defaulted[claim_id] = True
    log IAuditLottery.WorkerDefaulted(claim_id=claim_id, segment=segment)
    extcall ITaskEscrow(escrow).process_audit_default(claim_id)


@external
def settle(claim_id: uint256, auditor: address):
    audit: IAuditLottery.Audit = self.audit_of[claim_id][auditor]
    assert (
        audit.status
        in (IAuditLottery.AuditStatus.COMMITTED | IAuditLottery.AuditStatus.MISMATCHED)
    ), "lottery: nothing to settle"
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    status: IAuditLottery.AuditStatus = empty(IAuditLottery.AuditStatus)
    if audit.status == IAuditLottery.AuditStatus.MISMATCHED:
        status = self._judge_mismatch(claim.status)
    elif self.leaf_of[claim_id][audit.segment] == empty(bytes32):
        status = self._judge_closed_leaf(claim_id, claim.status)
    elif block.timestamp > self.draw_of[claim_id].reveal_deadline:
        status = self._judge_silence(claim.status)
    assert status != empty(IAuditLottery.AuditStatus), "lottery: too early to settle"
    self._end(claim_id, auditor, status)


@internal
@view
def _judge_mismatch(status: ITaskEscrow.ClaimStatus) -> IAuditLottery.AuditStatus:
    if status == ITaskEscrow.ClaimStatus.SLASHED:
        return IAuditLottery.AuditStatus.PAID
    if status == ITaskEscrow.ClaimStatus.FINALISED:
        return IAuditLottery.AuditStatus.PUNISHED
    if status == ITaskEscrow.ClaimStatus.VOID:
        return IAuditLottery.AuditStatus.RELEASED
    return empty(IAuditLottery.AuditStatus)


@internal
@view
def _judge_closed_leaf(
    claim_id: uint256, status: ITaskEscrow.ClaimStatus
) -> IAuditLottery.AuditStatus:
    if self._is_defaulted[claim_id]:
        return IAuditLottery.AuditStatus.PAID
    if status != ITaskEscrow.ClaimStatus.PENDING:
        return IAuditLottery.AuditStatus.RELEASED
    return empty(IAuditLottery.AuditStatus)


@internal
@view
def _judge_silence(status: ITaskEscrow.ClaimStatus) -> IAuditLottery.AuditStatus:
    if status == ITaskEscrow.ClaimStatus.SLASHED:
        return IAuditLottery.AuditStatus.RELEASED
    return IAuditLottery.AuditStatus.PUNISHED


@internal
@view
def _check_drawn(claim_id: uint256):
    assert self.draw_of[claim_id].seed != empty(bytes32), "lottery: no draw"


@internal
@view
def _check_owed(claim_id: uint256, segment: uint256):
    assert self._is_committed[claim_id][segment], "lottery: nothing committed"
    assert self.leaf_of[claim_id][segment] == empty(bytes32), "lottery: already open"


@internal
@view
def _is_drawn(claim_id: uint256, auditor: address, widening: uint256) -> bool:
    seed: bytes32 = self.draw_of[claim_id].seed
    if seed == empty(bytes32):
        return False
    if self.active_from[auditor] > self.draw_of[claim_id].claimed_at:
        return False
    return sortition.is_drawn(
        sortition.compute_ticket(seed, claim_id, auditor),
        self.stake_of[auditor],
        self.draw_of[claim_id].total_stake,
        audits,
        widening,
    )


@internal
@view
def _is_leaf(
    claim_id: uint256, segment: uint256, state_root: bytes32, path: DynArray[bytes32, 20]
) -> bool:
    # A longer or shorter path would pass a node off as a leaf; zero is padding, and no state.
    if state_root == empty(bytes32):
        return False
    if len(path) != merkle.compute_height(self.draw_of[claim_id].segments):
        return False
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    return merkle.compute_root_from_path(state_root, segment, path) == claim.root


@internal
@view
def _compute_stretch(claim_id: uint256, auditor: address) -> uint256:
    seed: bytes32 = self.draw_of[claim_id].seed
    return sortition.compute_stretch(
        seed,
        sortition.compute_ticket(seed, claim_id, auditor),
        self.draw_of[claim_id].segments,
    )


@internal
@view
def _compute_fee(task_id: uint256) -> uint256:
    task: ITaskEscrow.Task = staticcall ITaskEscrow(escrow).task_of(task_id)
    offer: ITaskEscrow.Offer = staticcall ITaskEscrow(escrow).offer_of(task_id)
    return sortition.compute_fee(
        task.audit_budget, self.reserved_of[task_id], audits, offer.attestations
    )


@internal
@pure
def _compute_lock_id(auditor: address) -> uint256:
    return convert(auditor, uint256)


@internal
def _end(claim_id: uint256, auditor: address, status: IAuditLottery.AuditStatus):
    claim: ITaskEscrow.Claim = staticcall ITaskEscrow(escrow).claim_of(claim_id)
    fee: uint256 = self.draw_of[claim_id].fee
    self.audit_of[claim_id][auditor].status = status
    self.unsettled_of[auditor] -= 1
    # L3: what was set aside at the commitment is paid now, or free again.
    self.reserved_of[claim.task_id] -= fee
    amount: uint256 = 0
    if status == IAuditLottery.AuditStatus.PAID:
        amount = extcall ITaskEscrow(escrow).pay_audit(claim_id, auditor, fee)
    elif status == IAuditLottery.AuditStatus.PUNISHED:
        amount = penalty
        self.stake_of[auditor] -= penalty
        self.total_stake -= penalty
        extcall IStakeVault(vault).slash(self._compute_lock_id(auditor), penalty, BURN_ADDRESS)
    log IAuditLottery.AuditSettled(
        claim_id=claim_id, auditor=auditor, status=status, amount=amount
    )
