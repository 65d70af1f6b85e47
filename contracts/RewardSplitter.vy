# pragma version ==0.4.3
# pragma nonreentrancy on
"""
@title RewardSplitter
@notice Divides finalised rewards by the split of their task and pays on demand.
        Documentation of every function, its units and reverts: IRewardSplitter.vyi.
"""


from ethereum.ercs import IERC20

from .interfaces import IRewardSplitter

implements: IRewardSplitter


WHOLE: constant(uint256) = 10_000  # basis points


token: public(immutable(address))
escrow: public(immutable(address))

owed_to: public(HashMap[address, uint256])
total_owed: public(uint256)
_split_of: HashMap[uint256, DynArray[IRewardSplitter.Share, 8]]


@deploy
def __init__(token_: address, escrow_: address):
    """
    @param token_ The ERC-20 of this deployment.
    @param escrow_ Where the TaskEscrow will be.
    """
    assert token_.is_contract, "splitter: token without code"
    assert escrow_ != empty(address), "splitter: zero escrow"
    token = token_
    escrow = escrow_


@external
@view
def split_of(task_id: uint256) -> DynArray[IRewardSplitter.Share, 8]:
    return self._split_of[task_id]


@external
def set_split(task_id: uint256, shares: DynArray[IRewardSplitter.Share, 8]):
    self._check_escrow()
    assert len(self._split_of[task_id]) == 0, "splitter: split is set"
    total: uint256 = 0
    for share: IRewardSplitter.Share in shares:
        assert share.beneficiary != empty(address), "splitter: zero beneficiary"
        assert share.basis_points != 0, "splitter: zero share"
        # Bounded one by one, so that the sum cannot overflow.
        assert share.basis_points < WHOLE, "splitter: shares exceed whole"
        total += share.basis_points
    assert total < WHOLE, "splitter: shares exceed whole"
    self._split_of[task_id] = shares
    log IRewardSplitter.SplitSet(task_id=task_id, shares=shares)


@external
def credit(task_id: uint256, worker: address, amount: uint256):
    self._check_escrow()
    rest: uint256 = amount
    for share: IRewardSplitter.Share in self._split_of[task_id]:
        # The escrow keeps rewards below 2**128: the product fits. [E6]
        part: uint256 = amount * share.basis_points // WHOLE
        rest -= part
        self._credit(task_id, share.beneficiary, part)
    # R2: rounded down parts leave the remainder to the worker.
    self._credit(task_id, worker, rest)
    self._check_funded()


@external
def credit_account(task_id: uint256, account: address, amount: uint256):
    self._check_escrow()
    self._credit(task_id, account, amount)
    self._check_funded()


@external
def withdraw(account: address) -> uint256:
    amount: uint256 = self.owed_to[account]
    assert amount != 0, "splitter: nothing owed"
    self.owed_to[account] = 0
    self.total_owed -= amount
    log IRewardSplitter.Withdrawn(account=account, amount=amount)
    assert extcall IERC20(token).transfer(
        account, amount, default_return_value=True
    ), "splitter: transfer failed"
    return amount


@internal
@view
def _check_escrow():
    assert msg.sender == escrow, "splitter: not escrow"


@internal
@view
def _check_funded():
    # R1: never owe what is not here.
    assert staticcall IERC20(token).balanceOf(self) >= self.total_owed, "splitter: not funded"


@internal
def _credit(task_id: uint256, account: address, amount: uint256):
    self.owed_to[account] += amount
    self.total_owed += amount
    log IRewardSplitter.Credited(task_id=task_id, account=account, amount=amount)
