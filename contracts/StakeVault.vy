# pragma version ==0.4.3
# pragma nonreentrancy on
"""
@title StakeVault
@notice Deposits, locks, the unbonding delay and slashing of stake.
        Documentation of every function, its units and reverts: IStakeVault.vyi.
"""


from ethereum.ercs import IERC20

from .interfaces import IStakeVault

implements: IStakeVault


WHOLE: constant(uint256) = 10_000  # basis points
# A worker that challenges its own lie gets the award back, so the award stays below this
# much of the stake, or lying would be cheap.
MIN_BURNED_BPS: constant(uint256) = 5_000
# Longer delays are a mistake in the units, and would lock tokens up for good.
MAX_UNBONDING_SECONDS: constant(uint256) = 365 * 86_400
# Where burned stake goes: nobody holds the key. Zero is refused by many tokens.
BURN_ADDRESS: constant(address) = 0x000000000000000000000000000000000000dEaD


token: public(immutable(address))
escrow: public(immutable(address))
unbonding_seconds: public(immutable(uint256))
burned_bps: public(immutable(uint256))

free_of: public(HashMap[address, uint256])
locked_of: public(HashMap[address, uint256])
unbonding_of: public(HashMap[address, uint256])
ready_at: public(HashMap[address, uint256])
lock_of: public(HashMap[uint256, IStakeVault.Lock])
total_staked: public(uint256)


@deploy
def __init__(token_: address, escrow_: address, unbonding_seconds_: uint256, burned_bps_: uint256):
    """
    @param token_ The ERC-20 of this deployment.
    @param escrow_ Where the TaskEscrow will be.
    @param unbonding_seconds_ At most a year.
    @param burned_bps_ 5,000 to 10,000.
    """
    assert token_.is_contract, "vault: token without code"
    assert escrow_ != empty(address), "vault: zero escrow"
    assert unbonding_seconds_ <= MAX_UNBONDING_SECONDS, "vault: unbonding out of range"
    assert burned_bps_ >= MIN_BURNED_BPS, "vault: burned share out of range"
    assert burned_bps_ <= WHOLE, "vault: burned share out of range"
    token = token_
    escrow = escrow_
    unbonding_seconds = unbonding_seconds_
    burned_bps = burned_bps_


@external
def deposit(amount: uint256):
    assert amount != 0, "vault: zero amount"
    self.free_of[msg.sender] += amount
    self.total_staked += amount
    log IStakeVault.Deposited(account=msg.sender, amount=amount)
    assert extcall IERC20(token).transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "vault: transfer failed"
    # V1: a token that keeps a fee would leave the vault owing more than it holds.
    assert staticcall IERC20(token).balanceOf(self) >= self.total_staked, "vault: short transfer"


@external
def request_withdrawal(amount: uint256):
    assert amount != 0, "vault: zero amount"
    self._take_free(msg.sender, amount)
    self.unbonding_of[msg.sender] += amount
    ready_at: uint256 = block.timestamp + unbonding_seconds
    self.ready_at[msg.sender] = ready_at
    log IStakeVault.WithdrawalRequested(account=msg.sender, amount=amount, ready_at=ready_at)


@external
def withdraw() -> uint256:
    amount: uint256 = self.unbonding_of[msg.sender]
    assert amount != 0, "vault: nothing requested"
    assert block.timestamp >= self.ready_at[msg.sender], "vault: still unbonding"
    self.unbonding_of[msg.sender] = 0
    self.ready_at[msg.sender] = 0
    self.total_staked -= amount
    log IStakeVault.Withdrawn(account=msg.sender, amount=amount)
    self._pay(msg.sender, amount)
    return amount


@external
def lock(task_id: uint256, worker: address, amount: uint256):
    self._check_escrow()
    assert self.lock_of[task_id].worker == empty(address), "vault: task has a lock"
    self._take_free(worker, amount)
    self.locked_of[worker] += amount
    self.lock_of[task_id] = IStakeVault.Lock(worker=worker, amount=amount)
    log IStakeVault.StakeLocked(task_id=task_id, worker=worker, amount=amount)


@external
def release(task_id: uint256):
    self._check_escrow()
    lock: IStakeVault.Lock = self._take_lock(task_id)
    self.free_of[lock.worker] += lock.amount
    log IStakeVault.StakeReleased(task_id=task_id, worker=lock.worker, amount=lock.amount)


@external
def slash(task_id: uint256, recipient: address) -> uint256:
    self._check_escrow()
    lock: IStakeVault.Lock = self._take_lock(task_id)
    # Rounded down: V4 is at least `burned_bps` of the stake. The escrow keeps stakes below
    # 2**128, so the product fits. [E6]
    awarded: uint256 = lock.amount * (WHOLE - burned_bps) // WHOLE
    burned: uint256 = lock.amount - awarded
    self.total_staked -= lock.amount
    log IStakeVault.StakeSlashed(
        task_id=task_id, worker=lock.worker, burned=burned, awarded=awarded
    )
    self._pay(BURN_ADDRESS, burned)
    if awarded != 0:
        self._pay(recipient, awarded)
    return awarded


@internal
@view
def _check_escrow():
    assert msg.sender == escrow, "vault: not escrow"


@internal
def _take_free(account: address, amount: uint256):
    free: uint256 = self.free_of[account]
    assert free >= amount, "vault: insufficient stake"
    self.free_of[account] = free - amount


@internal
def _take_lock(task_id: uint256) -> IStakeVault.Lock:
    lock: IStakeVault.Lock = self.lock_of[task_id]
    assert lock.worker != empty(address), "vault: no lock"
    self.lock_of[task_id] = empty(IStakeVault.Lock)
    self.locked_of[lock.worker] -= lock.amount
    return lock


@internal
def _pay(account: address, amount: uint256):
    assert extcall IERC20(token).transfer(
        account, amount, default_return_value=True
    ), "vault: transfer failed"
