# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title Bomb
@notice A payee that answers every payment to it with all gas burned, or with 64 KiB of data.
"""


burns_gas: immutable(bool)


@deploy
def __init__(burns_gas_: bool):
    burns_gas = burns_gas_


@external
def on_transfer(receiver: address):
    if receiver == self:
        assert not burns_gas, UNREACHABLE
        raw_revert(abi_encode(empty(bytes32[2048])))
