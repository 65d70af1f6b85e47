# pragma version ==0.4.3
# pragma nonreentrancy on
"""
@title TaskEscrow
@notice The life of a task and the home of its reward.
        Documentation of every function, its units and reverts: ITaskEscrow.vyi.
"""


from ethereum.ercs import IERC20

from .interfaces import IRewardSplitter
from .interfaces import IStakeVault
from .interfaces import ITaskEscrow
from .modules import merkle

implements: ITaskEscrow


# Limits of a task; the heights of the game's trees follow from them.
MAX_RECORDS: constant(uint64) = 2**40
MAX_SEGMENTS: constant(uint64) = 2**20
MAX_SEGMENT_LENGTH: constant(uint64) = 2**20
# E6: amounts times basis points stay far below 2**256, so nothing that pays out overflows.
MAX_AMOUNT: constant(uint256) = 2**128 - 1
# Longer times are a mistake in the units, and would lock stake up for good.
MAX_SECONDS: constant(uint256) = 365 * 86_400


token: public(immutable(address))
vault: public(immutable(address))
splitter: public(immutable(address))
game: public(immutable(address))
min_stake: public(immutable(uint256))
challenge_seconds: public(immutable(uint256))
max_lease_seconds: public(immutable(uint256))
max_reexecution_seconds: public(immutable(uint256))

task_count: public(uint256)
claim_count: public(uint256)
total_escrowed: public(uint256)
_terms_of: HashMap[uint256, ITaskEscrow.Terms]
_task_of: HashMap[uint256, ITaskEscrow.Task]
_claim_of: HashMap[uint256, ITaskEscrow.Claim]


@deploy
def __init__(
    token_: address,
    vault_: address,
    splitter_: address,
    game_: address,
    min_stake_: uint256,
    challenge_seconds_: uint256,
    max_lease_seconds_: uint256,
    max_reexecution_seconds_: uint256,
):
    """
    @param token_ The ERC-20 of this deployment.
    @param vault_ A StakeVault that names this contract as its escrow.
    @param splitter_ A RewardSplitter that names this contract as its escrow.
    @param game_ Where the ChallengeGame will be.
    @param min_stake_ The least stake of a task: at least 1, below 2**128.
    @param challenge_seconds_ Time to open a game against a claim: 1 second to a year.
    @param max_lease_seconds_ The longest lease of a task: 1 second to a year.
    @param max_reexecution_seconds_ The most extra clock time of a task: up to a year.
    """
    assert staticcall IStakeVault(vault_).escrow() == self, "escrow: wrong vault"
    assert staticcall IStakeVault(vault_).token() == token_, "escrow: wrong vault"
    assert staticcall IRewardSplitter(splitter_).escrow() == self, "escrow: wrong splitter"
    assert staticcall IRewardSplitter(splitter_).token() == token_, "escrow: wrong splitter"
    assert game_ != empty(address), "escrow: zero game"
    assert min_stake_ != 0 and min_stake_ <= MAX_AMOUNT, "escrow: least stake out of range"
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
    vault = vault_
    splitter = splitter_
    game = game_
    min_stake = min_stake_
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
    terms: ITaskEscrow.Terms = self._terms_of[self._claim_of[claim_id].task_id]
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
    )


@external
def post(
    terms: ITaskEscrow.Terms,
    reward: uint256,
    stake: uint256,
    lease_seconds: uint256,
    expiry: uint256,
    shares: DynArray[IRewardSplitter.Share, 8],
) -> uint256:
    self._check_terms(terms)
    assert reward != 0 and reward <= MAX_AMOUNT, "escrow: reward out of range"
    assert stake >= min_stake and stake <= MAX_AMOUNT, "escrow: stake out of range"
    assert (
        lease_seconds != 0 and lease_seconds <= max_lease_seconds
    ), "escrow: lease out of range"
    assert expiry > block.timestamp, "escrow: expiry in the past"

    self.task_count += 1
    task_id: uint256 = self.task_count
    self._terms_of[task_id] = terms
    self._task_of[task_id] = ITaskEscrow.Task(
        submitter=msg.sender,
        status=ITaskEscrow.TaskStatus.POSTED,
        reward=reward,
        stake=stake,
        lease_seconds=lease_seconds,
        expiry=expiry,
        worker=empty(address),
        lease_end=0,
        claim_id=0,
    )
    self.total_escrowed += reward
    log ITaskEscrow.TaskPosted(
        task_id=task_id,
        submitter=msg.sender,
        terms=terms,
        reward=reward,
        stake=stake,
        lease_seconds=lease_seconds,
        expiry=expiry,
    )
    extcall IRewardSplitter(splitter).set_split(task_id, shares)
    assert extcall IERC20(token).transferFrom(
        msg.sender, self, reward, default_return_value=True
    ), "escrow: transfer failed"
    # E1: a token that keeps a fee would leave the escrow owing more than it holds.
    assert (
        staticcall IERC20(token).balanceOf(self) >= self.total_escrowed
    ), "escrow: short transfer"
    return task_id


@external
def assign(task_id: uint256):
    task: ITaskEscrow.Task = self._task_of[task_id]
    assert task.status == ITaskEscrow.TaskStatus.POSTED, "escrow: not posted"
    assert block.timestamp <= task.expiry, "escrow: expired"
    lease_end: uint256 = block.timestamp + task.lease_seconds
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.ASSIGNED
    self._task_of[task_id].worker = msg.sender
    self._task_of[task_id].lease_end = lease_end
    log ITaskEscrow.TaskAssigned(task_id=task_id, worker=msg.sender, lease_end=lease_end)
    extcall IStakeVault(vault).lock(task_id, msg.sender, task.stake)


@external
def abandon(task_id: uint256):
    self._check_lease(task_id)
    self._end_lease(task_id)


@external
def expire_lease(task_id: uint256):
    assert (
        self._task_of[task_id].status == ITaskEscrow.TaskStatus.ASSIGNED
    ), "escrow: not assigned"
    assert block.timestamp > self._task_of[task_id].lease_end, "escrow: lease not over"
    self._end_lease(task_id)


@external
def claim(
    task_id: uint256,
    claim_root: bytes32,
    final_state_root: bytes32,
    path: DynArray[bytes32, 20],
) -> uint256:
    self._check_lease(task_id)
    assert block.timestamp <= self._task_of[task_id].lease_end, "escrow: lease over"
    assert self._is_last_leaf(
        self._terms_of[task_id].segments, claim_root, final_state_root, path
    ), "escrow: final state not in claim"

    self.claim_count += 1
    claim_id: uint256 = self.claim_count
    challenge_deadline: uint256 = block.timestamp + challenge_seconds
    self._claim_of[claim_id] = ITaskEscrow.Claim(
        task_id=task_id,
        worker=msg.sender,
        root=claim_root,
        final_state_root=final_state_root,
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
    return claim_id


@external
def finalise(claim_id: uint256):
    self._check_pending(claim_id)
    claim: ITaskEscrow.Claim = self._claim_of[claim_id]
    assert block.timestamp > claim.challenge_deadline, "escrow: window open"
    assert claim.open_games == 0, "escrow: games open"
    reward: uint256 = self._task_of[claim.task_id].reward
    self._claim_of[claim_id].status = ITaskEscrow.ClaimStatus.FINALISED
    self._task_of[claim.task_id].status = ITaskEscrow.TaskStatus.FINALISED
    log ITaskEscrow.TaskFinalised(
        task_id=claim.task_id, claim_id=claim_id, worker=claim.worker, reward=reward
    )
    extcall IStakeVault(vault).release(claim.task_id)
    self._pay(splitter, reward)
    extcall IRewardSplitter(splitter).credit(claim.task_id, claim.worker, reward)


@external
def cancel(task_id: uint256):
    task: ITaskEscrow.Task = self._task_of[task_id]
    assert task.status == ITaskEscrow.TaskStatus.POSTED, "escrow: not posted"
    assert msg.sender == task.submitter, "escrow: not the submitter"
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.CANCELLED
    log ITaskEscrow.TaskCancelled(task_id=task_id, refund=task.reward)
    self._pay(task.submitter, task.reward)


@external
def expire(task_id: uint256):
    task: ITaskEscrow.Task = self._task_of[task_id]
    assert task.status == ITaskEscrow.TaskStatus.POSTED, "escrow: not posted"
    assert block.timestamp > task.expiry, "escrow: not expired"
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.EXPIRED
    log ITaskEscrow.TaskExpired(task_id=task_id, refund=task.reward)
    self._pay(task.submitter, task.reward)


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
    claim: ITaskEscrow.Claim = self._claim_of[claim_id]
    self._claim_of[claim_id].status = ITaskEscrow.ClaimStatus.SLASHED
    self._reopen(claim.task_id)
    awarded: uint256 = extcall IStakeVault(vault).slash(claim.task_id, splitter)
    extcall IRewardSplitter(splitter).credit_award(claim.task_id, challenger, awarded)
    log ITaskEscrow.ClaimSlashed(
        task_id=claim.task_id,
        claim_id=claim_id,
        worker=claim.worker,
        challenger=challenger,
        awarded=awarded,
    )


@external
def process_game_dropped(claim_id: uint256):
    self._check_game()
    self._check_claim(claim_id)
    assert (
        self._claim_of[claim_id].status == ITaskEscrow.ClaimStatus.SLASHED
    ), "escrow: claim not slashed"
    self._close_game(claim_id)


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
def _check_lease(task_id: uint256):
    assert (
        self._task_of[task_id].status == ITaskEscrow.TaskStatus.ASSIGNED
    ), "escrow: not assigned"
    assert msg.sender == self._task_of[task_id].worker, "escrow: not the worker"


@internal
@view
def _check_terms(terms: ITaskEscrow.Terms):
    assert terms.program_root != empty(bytes32), "escrow: empty root"
    assert terms.genesis_root != empty(bytes32), "escrow: empty root"
    assert terms.records != 0 and terms.records <= MAX_RECORDS, "escrow: records out of range"
    assert terms.segments != 0 and terms.segments <= MAX_SEGMENTS, "escrow: segments out of range"
    assert (
        terms.segment_length != 0 and terms.segment_length <= MAX_SEGMENT_LENGTH
    ), "escrow: segment length out of range"
    assert (
        convert(terms.reexecution_seconds, uint256) <= max_reexecution_seconds
    ), "escrow: re-execution time out of range"


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
    log ITaskEscrow.LeaseEnded(task_id=task_id, worker=self._task_of[task_id].worker)
    self._reopen(task_id)
    extcall IStakeVault(vault).release(task_id)


@internal
def _reopen(task_id: uint256):
    self._task_of[task_id].status = ITaskEscrow.TaskStatus.POSTED
    self._task_of[task_id].worker = empty(address)
    self._task_of[task_id].lease_end = 0
    self._task_of[task_id].claim_id = 0


@internal
def _close_game(claim_id: uint256):
    open_games: uint256 = self._claim_of[claim_id].open_games
    assert open_games != 0, "escrow: no open game"
    self._claim_of[claim_id].open_games = open_games - 1


@internal
def _pay(account: address, reward: uint256):
    # The one way out: what leaves is no longer owed. [E1]
    self.total_escrowed -= reward
    assert extcall IERC20(token).transfer(
        account, reward, default_return_value=True
    ), "escrow: transfer failed"
