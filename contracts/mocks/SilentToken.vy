# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title SilentToken
@notice A token whose transfers return nothing, as some old and widely used ones do.
"""


balanceOf: public(HashMap[address, uint256])


@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount


@external
def transfer(to: address, amount: uint256):
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount


@external
def transferFrom(owner: address, to: address, amount: uint256):
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount
