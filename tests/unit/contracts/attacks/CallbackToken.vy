# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title CallbackToken
@notice A token that calls an attacker in the middle of every transfer, after the balances moved.
"""


interface Hook:
    def on_transfer(receiver: address): nonpayable


balanceOf: public(HashMap[address, uint256])
hook: public(address)


@external
def set_hook(hook: address):
    self.hook = hook


@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount


@external
def approve(spender: address, amount: uint256) -> bool:
    return True


@external
def transfer(to: address, amount: uint256) -> bool:
    self._transfer(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    self._transfer(owner, to, amount)
    return True


@internal
def _transfer(owner: address, to: address, amount: uint256):
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount
    if self.hook != empty(address):
        extcall Hook(self.hook).on_transfer(to)
