# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title FaultyToken
@notice Tokens as they should not be, for the tests of the contracts that hold tokens: one that
        keeps a fee of every transfer, and one that answers False instead of reverting.
"""


balanceOf: public(HashMap[address, uint256])
fee: public(uint256)
is_refusing: public(bool)


@external
def set_fault(fee: uint256, is_refusing: bool):
    self.fee = fee
    self.is_refusing = is_refusing


@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount


@external
def transfer(to: address, amount: uint256) -> bool:
    return self._transfer(msg.sender, to, amount)


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    return self._transfer(owner, to, amount)


@internal
def _transfer(owner: address, to: address, amount: uint256) -> bool:
    if self.is_refusing:
        return False
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount - self.fee
    return True
