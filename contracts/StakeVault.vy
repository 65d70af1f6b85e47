# pragma version ==0.4.3
# pragma nonreentrancy on
"""
@title StakeVault
@notice Deposits, locks, the unbonding delay and slashing of stake.
        Documentation of every function, its units and reverts: IStakeVault.vyi.
"""


from ethereum.ercs import IERC20

from .interfaces import INodeRegistry
from .interfaces import IStakeVault

implements: IStakeVault


WHOLE: constant(uint256) = 10_000  # basis points
# A worker that challenges its own lie gets the award back, so at least this much of a slashed
# stake is burned, or lying would be cheap.
MIN_BURNED_BPS: constant(uint256) = 5_000
# Longer delays are a mistake in the units, and would lock tokens up for good.
MAX_UNBONDING_SECONDS: constant(uint256) = 365 * 86_400
# Where burned stake goes: nobody holds the key. Zero is refused by many tokens.
BURN_ADDRESS: constant(address) = 0x000000000000000000000000000000000000dEaD


token: public(immutable(address))
registry: public(immutable(address))
escrow: public(immutable(address))
lottery: public(immutable(address))
unbonding_seconds: public(immutable(uint256))
burned_bps: public(immutable(uint256))

free_of: public(HashMap[address, uint256])
locked_of: public(HashMap[address, uint256])
unbonding_of: public(HashMap[address, uint256])
ready_at: public(HashMap[address, uint256])
lock_of: public(HashMap[address, HashMap[uint256, IStakeVault.Lock]])
total_staked: public(uint256)


@deploy
def __init__(
    token_: address,
    registry_: address,
    escrow_: address,
    lottery_: address,
    unbonding_seconds_: uint256,
    burned_bps_: uint256,
):
    """
    @param token_ The ERC-20 of this deployment.
    @param registry_ A NodeRegistry that names the same escrow.
    @param escrow_ Where the TaskEscrow will be.
    @param lottery_ Where the AuditLottery will be.
    @param unbonding_seconds_ At most a year.
    @param burned_bps_ 5,000 to 10,000.
    """
    assert token_.is_contract, "vault: token without code"
    assert escrow_ != empty(address), "vault: zero escrow"
    assert lottery_ != empty(address), "vault: zero lottery"
    assert staticcall INodeRegistry(registry_).escrow() == escrow_, "vault: wrong registry"
    assert unbonding_seconds_ <= MAX_UNBONDING_SECONDS, "vault: unbonding out of range"
    assert burned_bps_ >= MIN_BURNED_BPS, "vault: burned share out of range"
    assert burned_bps_ <= WHOLE, "vault: burned share out of range"
    token = token_
    registry = registry_
    escrow = escrow_
    lottery = lottery_
    unbonding_seconds = unbonding_seconds_
    burned_bps = burned_bps_


@external
def deposit(account: address, amount: uint256):
    assert amount != 0, "vault: zero amount"
    assert account != empty(address), "vault: zero account"
    self.free_of[account] += amount
    self.total_staked += amount
    log IStakeVault.Deposited(account=account, amount=amount)
    assert extcall IERC20(token).transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "vault: transfer failed"
    # V1: a token that keeps a fee would leave the vault owing more than it holds.
    assert staticcall IERC20(token).balanceOf(self) >= self.total_staked, "vault: short transfer"


@external
def request_withdrawal(account: address, amount: uint256):
    is_owner: bool = msg.sender == self._get_payout(account)
    assert is_owner or msg.sender == account, "vault: not yours"
    # V5: who steals the hot key must not begin the delay anew, one unit at a time.
    assert is_owner or self.unbonding_of[account] == 0, "vault: withdrawal pending"
    assert amount != 0, "vault: zero amount"
    self._take_free(account, amount)
    self.unbonding_of[account] += amount
    ready_at: uint256 = block.timestamp + unbonding_seconds
    self.ready_at[account] = ready_at
    log IStakeVault.WithdrawalRequested(account=account, amount=amount, ready_at=ready_at)


@external
def withdraw(account: address) -> uint256:
    amount: uint256 = self.unbonding_of[account]
    assert amount != 0, "vault: nothing requested"
    assert block.timestamp >= self.ready_at[account], "vault: still unbonding"
    payout: address = self._get_payout(account)
    self.unbonding_of[account] = 0
    self.ready_at[account] = 0
    self.total_staked -= amount
    log IStakeVault.Withdrawn(account=account, payout=payout, amount=amount)
    self._pay(payout, amount)
    return amount


@external
def lock(lock_id: uint256, account: address, amount: uint256):
    self._check_locker()
    assert amount != 0, "vault: zero amount"
    holder: address = self.lock_of[msg.sender][lock_id].account
    assert holder == empty(address) or holder == account, "vault: another account's lock"
    self._take_free(account, amount)
    self.locked_of[account] += amount
    self.lock_of[msg.sender][lock_id].account = account
    self.lock_of[msg.sender][lock_id].amount += amount
    log IStakeVault.StakeLocked(
        locker=msg.sender, lock_id=lock_id, account=account, amount=amount
    )


@external
def release(lock_id: uint256):
    self._check_locker()
    lock: IStakeVault.Lock = self._get_lock(lock_id)
    self._reduce_lock(lock_id, lock, lock.amount)
    self.free_of[lock.account] += lock.amount
    log IStakeVault.StakeReleased(
        locker=msg.sender, lock_id=lock_id, account=lock.account, amount=lock.amount
    )


@external
def slash(lock_id: uint256, amount: uint256, recipient: address) -> uint256:
    self._check_locker()
    lock: IStakeVault.Lock = self._get_lock(lock_id)
    assert amount <= lock.amount, "vault: slash exceeds lock"
    self._reduce_lock(lock_id, lock, amount)
    # Rounded down: V4 is at least `burned_bps` of the stake. The lockers slash less than 2**128,
    # so the product fits. [E6]
    awarded: uint256 = amount * (WHOLE - burned_bps) // WHOLE
    burned: uint256 = amount - awarded
    self.total_staked -= amount
    log IStakeVault.StakeSlashed(
        locker=msg.sender,
        lock_id=lock_id,
        account=lock.account,
        burned=burned,
        awarded=awarded,
    )
    self._pay(BURN_ADDRESS, burned)
    if awarded != 0:
        self._pay(recipient, awarded)
    return awarded


@internal
@view
def _check_locker():
    assert msg.sender == escrow or msg.sender == lottery, "vault: not a locker"


@internal
@view
def _get_payout(account: address) -> address:
    return staticcall INodeRegistry(registry).payout_of(account)


@internal
@view
def _get_lock(lock_id: uint256) -> IStakeVault.Lock:
    # Each locker reaches its own locks only. [V3]
    lock: IStakeVault.Lock = self.lock_of[msg.sender][lock_id]
    assert lock.account != empty(address), "vault: no lock"
    return lock


@internal
def _take_free(account: address, amount: uint256):
    free: uint256 = self.free_of[account]
    assert free >= amount, "vault: insufficient stake"
    self.free_of[account] = free - amount


@internal
def _reduce_lock(lock_id: uint256, lock: IStakeVault.Lock, amount: uint256):
    self.locked_of[lock.account] -= amount
    if amount == lock.amount:
        self.lock_of[msg.sender][lock_id] = empty(IStakeVault.Lock)
    else:
        self.lock_of[msg.sender][lock_id].amount = lock.amount - amount


@internal
def _pay(account: address, amount: uint256):
    assert extcall IERC20(token).transfer(
        account, amount, default_return_value=True
    ), "vault: transfer failed"
