# pragma version ==0.4.3
# pragma nonreentrancy on
"""
@title TaskEscrow
@notice The market of tasks, the life of a task and the home of its reward and audit budget.
        Documentation of every function, its units and reverts: ITaskEscrow.vyi.
"""


from ethereum.ercs import IERC20

from .interfaces import IAuditLottery
from .interfaces import IAvailability
from .interfaces import INodeRegistry
from .interfaces import IChallengeGame
from .interfaces import IRewardSplitter
from .interfaces import IStakeVault
from .interfaces import ITaskEscrow
from .modules import merkle
from .modules import pricing

implements: ITaskEscrow


# Limits of a task; the heights of the game's trees follow from them.
MAX_RECORDS: constant(uint64) = 2**40
MAX_SEGMENTS: constant(uint64) = 2**20
MAX_SEGMENT_LENGTH: constant(uint64) = 2**20
# E6: amounts times basis points stay far below 2**256, so nothing that pays out overflows.
MAX_AMOUNT: constant(uint256) = 2**128 - 1
# The game keeps a bond beside its challenger in one word.
MAX_BOND: constant(uint256) = 2**96 - 1
# Longer times are a mistake in the units, and would lock stake up for good.
MAX_SECONDS: constant(uint256) = 365 * 86_400
# More attestations than auditors are drawn would only delay the reward.
MAX_ATTESTATIONS: constant(uint256) = 2**4


token: public(immutable(address))
registry: public(immutable(address))
vault: public(immutable(address))
splitter: public(immutable(address))
game: public(immutable(address))
lottery: public(immutable(address))
availability: public(immutable(address))
min_stake: public(immutable(uint256))
stake_rate: public(immutable(uint256))
min_bond: public(immutable(uint256))
bond_rate: public(immutable(uint256))
operations_per_second: public(immutable(uint256))
challenge_seconds: public(immutable(uint256))
max_lease_seconds: public(immutable(uint256))
max_reexecution_seconds: public(immutable(uint256))

task_count: public(uint256)
claim_count: public(uint256)
total_escrowed: public(uint256)
# By task, then by worker.
had_lease: public(HashMap[uint256, HashMap[address, bool]])
_terms_of: HashMap[uint256, ITaskEscrow.Terms]
_offer_of: HashMap[uint256, ITaskEscrow.Offer]
_task_of: HashMap[uint256, ITaskEscrow.Task]
_claim_of: HashMap[uint256, ITaskEscrow.Claim]


@deploy
def __init__(
    token_: address,
    registry_: address,
    vault_: address,
    splitter_: address,
    game_: address,
    lottery_: address,
    availability_: address,
    min_stake_: uint256,
    stake_rate_: uint256,
    min_bond_: uint256,
    bond_rate_: uint256,
    operations_per_second_: uint256,
    challenge_seconds_: uint256,
    max_lease_seconds_: uint256,
    max_reexecution_seconds_: uint256,
):
    """
    @param token_ The ERC-20 of this deployment.
    @param registry_ A NodeRegistry that names this contract as its escrow.
    @param vault_ A StakeVault that names the same contracts.
    @param splitter_ A RewardSplitter that names this contract as its escrow.
    @param game_ Where the ChallengeGame will be.
    @param lottery_ Where the AuditLottery will be.
    @param availability_ Where Availability will be.
    @param min_stake_ The least stake of a task: at least 1, below 2**128.
    @param stake_rate_ Stake for 10**9 operations of the run, below 2**64.
    @param min_bond_ The least bond of a task: at least 1, below 2**96.
    @param bond_rate_ Bond for 10**9 operations of a segment, below 2**64.
    @param operations_per_second_ What anybody who plays can execute: at least 1, below 2**64.
    @param challenge_seconds_ Time to open a game after the last audit: 1 second to a year.
    @param max_lease_seconds_ The longest lease of a task: 1 second to a year.
    @param max_reexecution_seconds_ The most extra clock time of a task: up to a year.
    """
    assert staticcall INodeRegistry(registry_).escrow() == self, "escrow: wrong registry"
    assert staticcall IStakeVault(vault_).escrow() == self, "escrow: wrong vault"
    assert staticcall IStakeVault(vault_).token() == token_, "escrow: wrong vault"
    assert staticcall IStakeVault(vault_).registry() == registry_, "escrow: wrong vault"
    assert staticcall IStakeVault(vault_).lottery() == lottery_, "escrow: wrong vault"
    assert staticcall IRewardSplitter(splitter_).escrow() == self, "escrow: wrong splitter"
    assert staticcall IRewardSplitter(splitter_).token() == token_, "escrow: wrong splitter"
    assert game_ != empty(address), "escrow: zero game"
    assert lottery_ != empty(address), "escrow: zero lottery"
    assert availability_ != empty(address), "escrow: zero availability"
    assert min_stake_ != 0 and min_stake_ <= MAX_AMOUNT, "escrow: least stake out of range"
    assert min_bond_ != 0 and min_bond_ <= MAX_BOND, "escrow: least bond out of range"
    assert stake_rate_ <= pricing.MAX_RATE, "escrow: stake rate out of range"
    assert bond_rate_ <= pricing.MAX_RATE, "escrow: bond rate out of range"
    assert (
        operations_per_second_ != 0 and operations_per_second_ <= pricing.MAX_RATE
    ), "escrow: speed out of range"
    assert (
        challenge_seconds_ != 0 and challenge_seconds_ <= MAX_SECONDS
    ), "escrow: window out of range"
    assert (
        max_lease_seconds_ != 0 and max_lease_seconds_ <= MAX_SECONDS
    ), "escrow: longest lease out of range"
    assert (
        max_reexecution_seconds_ <= MAX_SECONDS
    ), "escrow: most re-execution time out of range"
    token = token_
    registry = registry_
    vault = vault_
    splitter = splitter_
    game = game_
    lottery = lottery_
    availability = availability_
    min_stake = min_stake_
    stake_rate = stake_rate_
    min_bond = min_bond_
    bond_rate = bond_rate_
    operations_per_second = operations_per_second_
    challenge_seconds = challenge_seconds_
    max_lease_seconds = max_lease_seconds_
    max_reexecution_seconds = max_reexecution_seconds_


@external
@view
def terms_of(task_id: uint256) -> ITaskEscrow.Terms:
    self._check_task(task_id)
    return self._terms_of[task_id]


@external
@view
def offer_of(task_id: uint256) -> ITaskEscrow.Offer:
    self._check_task(task_id)
    return self._offer_of[task_id]


@external
@view
def price_of(task_id: uint256) -> uint256:
    self._check_posted(task_id)
    return self._compute_price(task_id)


@external
@view
def task_of(task_id: uint256) -> ITaskEscrow.Task:
    self._check_task(task_id)
    return self._task_of[task_id]


@external
@view
def claim_of(claim_id: uint256) -> ITaskEscrow.Claim:
    self._check_claim(claim_id)
    return self._claim_of[claim_id]


@external
@view
def subject_of(claim_id: uint256) -> ITaskEscrow.Subject:
    self._check_claim(claim_id)
    task_id: uint256 = self._claim_of[claim_id].task_id
    terms: ITaskEscrow.Terms = self._terms_of[task_id]
    return ITaskEscrow.Subject(
        worker=self._claim_of[claim_id].worker,
        claim_root=self._claim_of[claim_id].root,
        program_root=terms.program_root,
        genesis_root=terms.genesis_root,
        dataset_root=terms.dataset_root,
        seed=terms.seed,
        records=terms.records,
        segments=terms.segments,
        segment_length=terms.segment_length,
        reexecution_seconds=terms.reexecution_seconds,
        bond=self._offer_of[task_id].bond,
    )


@external
@view
def minimums_of(terms: ITaskEscrow.Terms) -> (uint256, uint256, uint256):
    return self._compute_minimums(terms)


@external
def post(
    terms: ITaskEscrow.Terms,
    offer: ITaskEscrow.Offer,
    shares: DynArray[IRewardSplitter.Share, 8],
) -> uint256:
    least_stake: uint256 = 0
    least_bond: uint256 = 0
    least_seconds: uint256 = 0
    least_stake, least_bond, least_seconds = self._compute_minimums(terms)
    self._check_terms(terms, least_seconds)
    self._check_offer(offer, least_stake, least_bond)

    self.task_count += 1
    task_id: uint256 = self.task_count
    # E9: everything that a worker agrees to.
    digest: bytes32 = keccak256(abi_encode(msg.sender, terms, offer, shares))
    escrowed: uint256 = offer.max_reward + offer.audit_budget
    self._terms_of[task_id] = terms
    self._offer_of[task_id] = offer
    self._task_of[task_id].submitter = msg.sender
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.POSTED
    self._task_of[task_id].digest = digest
    self._task_of[task_id].posted_at = block.timestamp
    self._task_of[task_id].audit_budget = offer.audit_budget
    self.total_escrowed += escrowed
    log ITaskEscrow.TaskPosted(
        task_id=task_id, submitter=msg.sender, terms=terms, offer=offer, digest=digest
    )
    extcall IRewardSplitter(splitter).set_split(task_id, shares)
    assert extcall IERC20(token).transferFrom(
        msg.sender, self, escrowed, default_return_value=True
    ), "escrow: transfer failed"
    self._check_funded()
    return task_id


@external
def assign(task_id: uint256, digest: bytes32, reward: uint256):
    self._check_posted(task_id)
    assert block.timestamp <= self._offer_of[task_id].expiry, "escrow: expired"
    assert digest == self._task_of[task_id].digest, "escrow: another task"
    price: uint256 = self._compute_price(task_id)
    assert price >= reward, "escrow: reward too low"
    assert staticcall INodeRegistry(registry).is_worker(msg.sender), "escrow: not a worker"
    assert not self.had_lease[task_id][msg.sender], "escrow: had a lease"
    lease_end: uint256 = block.timestamp + self._offer_of[task_id].lease_seconds
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.ASSIGNED
    self._task_of[task_id].worker = msg.sender
    self._task_of[task_id].reward = price
    self._task_of[task_id].lease_end = lease_end
    # At most the lease, which is not shorter.
    self._task_of[task_id].heartbeat_end = (
        block.timestamp + self._offer_of[task_id].heartbeat_seconds
    )
    log ITaskEscrow.TaskAssigned(
        task_id=task_id, worker=msg.sender, reward=price, lease_end=lease_end
    )
    extcall IStakeVault(vault).lock(task_id, msg.sender, self._offer_of[task_id].stake)


@external
def report_progress(task_id: uint256, segments: uint256, progress_root: bytes32):
    self._check_lease(task_id)
    assert block.timestamp <= self._task_of[task_id].heartbeat_end, "escrow: lease over"
    assert segments > self._task_of[task_id].progress, "escrow: no progress"
    assert (
        segments <= convert(self._terms_of[task_id].segments, uint256)
    ), "escrow: segments out of range"
    heartbeat_end: uint256 = min(
        block.timestamp + self._offer_of[task_id].heartbeat_seconds,
        self._task_of[task_id].lease_end,
    )
    self._task_of[task_id].progress = segments
    self._task_of[task_id].heartbeat_end = heartbeat_end
    log ITaskEscrow.ProgressReported(
        task_id=task_id,
        worker=msg.sender,
        segments=segments,
        progress_root=progress_root,
        heartbeat_end=heartbeat_end,
    )


@external
def abandon(task_id: uint256):
    self._check_lease(task_id)
    self._end_lease(task_id)


@external
def expire_lease(task_id: uint256):
    assert (
        self._task_of[task_id].status == ITaskEscrow.TaskStatus.ASSIGNED
    ), "escrow: not assigned"
    assert block.timestamp > self._task_of[task_id].heartbeat_end, "escrow: lease not over"
    self._end_lease(task_id)


@external
def claim(
    task_id: uint256,
    digest: bytes32,
    claim_root: bytes32,
    final_state_root: bytes32,
    path: DynArray[bytes32, 20],
) -> uint256:
    self._check_lease(task_id)
    assert digest == self._task_of[task_id].digest, "escrow: another task"
    # Never later than the lease's end.
    assert block.timestamp <= self._task_of[task_id].heartbeat_end, "escrow: lease over"
    assert self._is_last_leaf(
        self._terms_of[task_id].segments, claim_root, final_state_root, path
    ), "escrow: final state not in claim"

    self.claim_count += 1
    claim_id: uint256 = self.claim_count
    # E5: a mismatch that the last second of an audit shows can still become a game.
    challenge_deadline: uint256 = (
        block.timestamp
        + staticcall IAuditLottery(lottery).max_duration(
            convert(self._terms_of[task_id].reexecution_seconds, uint256)
        )
        + challenge_seconds
    )
    self._claim_of[claim_id] = ITaskEscrow.Claim(
        task_id=task_id,
        worker=msg.sender,
        root=claim_root,
        final_state_root=final_state_root,
        claimed_at=block.timestamp,
        challenge_deadline=challenge_deadline,
        open_games=0,
        status=ITaskEscrow.ClaimStatus.PENDING,
    )
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.CLAIMED
    self._task_of[task_id].claim_id = claim_id
    log ITaskEscrow.TaskClaimed(
        task_id=task_id,
        claim_id=claim_id,
        worker=msg.sender,
        root=claim_root,
        final_state_root=final_state_root,
        challenge_deadline=challenge_deadline,
    )
    if (
        self._task_of[task_id].audit_budget != 0 or self._offer_of[task_id].attestations != 0
    ):
        extcall IAuditLottery(lottery).process_claimed(claim_id)
    return claim_id


@external
def finalise(claim_id: uint256):
    self._check_pending(claim_id)
    assert block.timestamp > self._claim_of[claim_id].challenge_deadline, "escrow: window open"
    self._check_no_games(claim_id)
    task_id: uint256 = self._claim_of[claim_id].task_id
    if self._offer_of[task_id].attestations != 0:
        assert (
            staticcall IAvailability(availability).is_settled(claim_id)
        ), "escrow: result not available"

    worker: address = self._claim_of[claim_id].worker
    reward: uint256 = self._task_of[task_id].reward
    rest: uint256 = self._offer_of[task_id].max_reward - reward + self._take_budget(task_id)
    self._claim_of[claim_id].status = ITaskEscrow.ClaimStatus.FINALISED
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.FINALISED
    log ITaskEscrow.TaskFinalised(
        task_id=task_id, claim_id=claim_id, worker=worker, reward=reward
    )
    extcall INodeRegistry(registry).record_finalised(worker)
    extcall IStakeVault(vault).release(task_id)
    self._pay(splitter, reward + rest)
    extcall IRewardSplitter(splitter).credit(task_id, self._get_payout(worker), reward)
    if rest != 0:
        extcall IRewardSplitter(splitter).credit_account(
            task_id, self._task_of[task_id].submitter, rest
        )


@external
def cancel(task_id: uint256):
    self._check_posted(task_id)
    assert msg.sender == self._task_of[task_id].submitter, "escrow: not the submitter"
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.CANCELLED
    refund: uint256 = self._refund(task_id)
    log ITaskEscrow.TaskCancelled(task_id=task_id, refund=refund)


@external
def expire(task_id: uint256):
    self._check_posted(task_id)
    assert block.timestamp > self._offer_of[task_id].expiry, "escrow: not expired"
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.EXPIRED
    refund: uint256 = self._refund(task_id)
    log ITaskEscrow.TaskExpired(task_id=task_id, refund=refund)


@external
def process_game_opened(claim_id: uint256):
    self._check_game()
    self._check_pending(claim_id)
    assert block.timestamp <= self._claim_of[claim_id].challenge_deadline, "escrow: window closed"
    self._claim_of[claim_id].open_games += 1


@external
def process_game_lost(claim_id: uint256):
    self._check_game()
    self._check_pending(claim_id)
    self._close_game(claim_id)


@external
def process_worker_lost(claim_id: uint256, challenger: address):
    self._check_game()
    self._check_pending(claim_id)
    self._close_game(claim_id)
    awarded: uint256 = self._slash(claim_id, challenger, splitter)
    extcall IRewardSplitter(splitter).credit_account(
        self._claim_of[claim_id].task_id, self._get_payout(challenger), awarded
    )


@external
def process_game_dropped(claim_id: uint256):
    self._check_game()
    self._check_claim(claim_id)
    assert (
        self._claim_of[claim_id].status == ITaskEscrow.ClaimStatus.SLASHED
    ), "escrow: claim not slashed"
    self._close_game(claim_id)


@external
def process_audit_default(claim_id: uint256):
    assert msg.sender == lottery, "escrow: not lottery"
    self._check_pending(claim_id)
    awarded: uint256 = self._slash(claim_id, empty(address), self)
    extcall IChallengeGame(game).process_claim_slashed(claim_id)
    self._task_of[self._claim_of[claim_id].task_id].audit_budget += awarded
    self.total_escrowed += awarded
    self._check_funded()


@external
def process_unavailable(claim_id: uint256):
    assert msg.sender == availability, "escrow: not availability"
    self._check_pending(claim_id)
    self._check_no_games(claim_id)
    task_id: uint256 = self._claim_of[claim_id].task_id
    worker: address = self._claim_of[claim_id].worker
    self._claim_of[claim_id].status = ITaskEscrow.ClaimStatus.VOID
    log ITaskEscrow.ClaimVoided(task_id=task_id, claim_id=claim_id, worker=worker)
    self._give_up(task_id, worker)


@external
def pay_audit(claim_id: uint256, auditor: address, amount: uint256) -> uint256:
    assert msg.sender == lottery or msg.sender == availability, "escrow: not lottery"
    self._check_claim(claim_id)
    task_id: uint256 = self._claim_of[claim_id].task_id
    budget: uint256 = self._task_of[task_id].audit_budget
    # E11: never more than the budget, and nothing of the reward.
    paid: uint256 = min(amount, budget)
    if paid == 0:
        return 0
    self._task_of[task_id].audit_budget = budget - paid
    log ITaskEscrow.AuditPaid(
        task_id=task_id, claim_id=claim_id, auditor=auditor, amount=paid
    )
    self._pay(splitter, paid)
    extcall IRewardSplitter(splitter).credit_account(task_id, self._get_payout(auditor), paid)
    return paid


@internal
@view
def _check_game():
    assert msg.sender == game, "escrow: not game"


@internal
@view
def _check_task(task_id: uint256):
    assert task_id != 0 and task_id <= self.task_count, "escrow: unknown task"


@internal
@view
def _check_posted(task_id: uint256):
    assert self._task_of[task_id].status == ITaskEscrow.TaskStatus.POSTED, "escrow: not posted"


@internal
@view
def _check_claim(claim_id: uint256):
    assert claim_id != 0 and claim_id <= self.claim_count, "escrow: unknown claim"


@internal
@view
def _check_pending(claim_id: uint256):
    self._check_claim(claim_id)
    assert (
        self._claim_of[claim_id].status == ITaskEscrow.ClaimStatus.PENDING
    ), "escrow: claim not pending"


@internal
@view
def _check_no_games(claim_id: uint256):
    assert self._claim_of[claim_id].open_games == 0, "escrow: games open"


@internal
@view
def _check_lease(task_id: uint256):
    assert (
        self._task_of[task_id].status == ITaskEscrow.TaskStatus.ASSIGNED
    ), "escrow: not assigned"
    assert msg.sender == self._task_of[task_id].worker, "escrow: not the worker"


@internal
@view
def _check_terms(terms: ITaskEscrow.Terms, least_seconds: uint256):
    assert terms.records != 0 and terms.records <= MAX_RECORDS, "escrow: records out of range"
    assert terms.segments != 0 and terms.segments <= MAX_SEGMENTS, "escrow: segments out of range"
    assert (
        terms.segment_length != 0 and terms.segment_length <= MAX_SEGMENT_LENGTH
    ), "escrow: segment length out of range"
    assert terms.program_root != empty(bytes32), "escrow: empty root"
    assert terms.genesis_root != empty(bytes32), "escrow: empty root"
    assert terms.step_operations != 0, "escrow: step operations out of range"
    reexecution_seconds: uint256 = convert(terms.reexecution_seconds, uint256)
    assert (
        reexecution_seconds >= least_seconds and reexecution_seconds <= max_reexecution_seconds
    ), "escrow: re-execution time out of range"


@internal
@view
def _check_offer(offer: ITaskEscrow.Offer, least_stake: uint256, least_bond: uint256):
    assert offer.min_reward != 0, "escrow: reward out of range"
    assert offer.min_reward <= offer.max_reward, "escrow: reward out of range"
    assert offer.max_reward <= MAX_AMOUNT, "escrow: reward out of range"
    assert offer.auction_seconds <= MAX_SECONDS, "escrow: auction out of range"
    assert offer.audit_budget <= MAX_AMOUNT, "escrow: audit budget out of range"
    assert offer.attestations <= MAX_ATTESTATIONS, "escrow: attestations out of range"
    assert offer.stake >= least_stake and offer.stake <= MAX_AMOUNT, "escrow: stake out of range"
    assert offer.bond >= least_bond and offer.bond <= MAX_BOND, "escrow: bond out of range"
    assert (
        offer.lease_seconds != 0 and offer.lease_seconds <= max_lease_seconds
    ), "escrow: lease out of range"
    assert (
        offer.heartbeat_seconds != 0 and offer.heartbeat_seconds <= offer.lease_seconds
    ), "escrow: heartbeat out of range"
    assert offer.expiry > block.timestamp, "escrow: expiry in the past"


@internal
@view
def _check_funded():
    # E1: a token that keeps a fee would leave the escrow owing more than it holds.
    assert (
        staticcall IERC20(token).balanceOf(self) >= self.total_escrowed
    ), "escrow: short transfer"


@internal
@view
def _compute_minimums(terms: ITaskEscrow.Terms) -> (uint256, uint256, uint256):
    run: uint256 = pricing.compute_run_operations(
        terms.segments, terms.segment_length, terms.step_operations
    )
    segment: uint256 = pricing.compute_segment_operations(
        terms.segment_length, terms.step_operations
    )
    return (
        pricing.compute_least_amount(min_stake, stake_rate, run),
        pricing.compute_least_amount(min_bond, bond_rate, segment),
        pricing.compute_least_seconds(segment, operations_per_second),
    )


@internal
@view
def _compute_price(task_id: uint256) -> uint256:
    return pricing.compute_reward(
        self._offer_of[task_id].min_reward,
        self._offer_of[task_id].max_reward,
        self._offer_of[task_id].auction_seconds,
        block.timestamp - self._task_of[task_id].posted_at,
    )


@internal
@view
def _get_payout(account: address) -> address:
    return staticcall INodeRegistry(registry).payout_of(account)


@internal
@pure
def _is_last_leaf(
    segments: uint64, root: bytes32, leaf: bytes32, path: DynArray[bytes32, 20]
) -> bool:
    # E7: a longer or shorter path would pass a node off as a leaf.
    leaves: uint256 = convert(segments, uint256)
    if len(path) != merkle.compute_height(leaves):
        return False
    return merkle.compute_root_from_path(leaf, leaves - 1, path) == root


@internal
def _end_lease(task_id: uint256):
    worker: address = self._task_of[task_id].worker
    log ITaskEscrow.LeaseEnded(task_id=task_id, worker=worker)
    self._give_up(task_id, worker)


@internal
def _give_up(task_id: uint256, worker: address):
    # E12: nobody holds a task up twice.
    self.had_lease[task_id][worker] = True
    self._reopen(task_id)
    extcall INodeRegistry(registry).record_abandoned(worker)
    extcall IStakeVault(vault).release(task_id)


@internal
def _slash(claim_id: uint256, challenger: address, recipient: address) -> uint256:
    task_id: uint256 = self._claim_of[claim_id].task_id
    worker: address = self._claim_of[claim_id].worker
    self._claim_of[claim_id].status = ITaskEscrow.ClaimStatus.SLASHED
    self._reopen(task_id)
    extcall INodeRegistry(registry).record_lost(worker)
    awarded: uint256 = extcall IStakeVault(vault).slash(
        task_id, self._offer_of[task_id].stake, recipient
    )
    log ITaskEscrow.ClaimSlashed(
        task_id=task_id,
        claim_id=claim_id,
        worker=worker,
        challenger=challenger,
        awarded=awarded,
    )
    return awarded


@internal
def _reopen(task_id: uint256):
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.POSTED
    self._task_of[task_id].posted_at = block.timestamp
    self._task_of[task_id].worker = empty(address)
    self._task_of[task_id].reward = 0
    self._task_of[task_id].lease_end = 0
    self._task_of[task_id].heartbeat_end = 0
    self._task_of[task_id].progress = 0
    self._task_of[task_id].claim_id = 0


@internal
def _close_game(claim_id: uint256):
    open_games: uint256 = self._claim_of[claim_id].open_games
    assert open_games != 0, "escrow: no open game"
    self._claim_of[claim_id].open_games = open_games - 1


@internal
def _take_budget(task_id: uint256) -> uint256:
    budget: uint256 = self._task_of[task_id].audit_budget
    self._task_of[task_id].audit_budget = 0
    return budget


@internal
def _refund(task_id: uint256) -> uint256:
    # L3: auditors of a slashed claim are paid before the budget goes back.
    assert (
        staticcall IAuditLottery(lottery).reserved_of(task_id) == 0
    ), "escrow: audits open"
    refund: uint256 = self._offer_of[task_id].max_reward + self._take_budget(task_id)
    self._pay(self._task_of[task_id].submitter, refund)
    return refund


@internal
def _pay(account: address, amount: uint256):
    # The one way out: what leaves is no longer owed. [E1]
    self.total_escrowed -= amount
    assert extcall IERC20(token).transfer(
        account, amount, default_return_value=True
    ), "escrow: transfer failed"
