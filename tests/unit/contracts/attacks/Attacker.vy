# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title Attacker
@notice An account that does what it is told, and once more whenever a transfer calls it.
"""


target: address
data: Bytes[4096]
calls: public(uint256)
successes: public(uint256)


@external
def arm(target: address, data: Bytes[4096]):
    self.target = target
    self.data = data
    self.calls = 0
    self.successes = 0


@external
def execute(target: address, data: Bytes[4096]):
    raw_call(target, data)


@external
def on_transfer(receiver: address):
    if self.target == empty(address):
        return
    self.calls += 1
    success: bool = raw_call(self.target, self.data, revert_on_failure=False)
    if success:
        self.successes += 1
