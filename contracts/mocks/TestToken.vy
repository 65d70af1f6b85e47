# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title TestToken
@notice The ERC-20 of local chains and tests: snekmate's, whose deployer can mint.
        It calls nobody, so it needs no reentrancy lock.
"""


from snekmate.auth import ownable
from snekmate.tokens import erc20

initializes: ownable
initializes: erc20[ownable := ownable]

exports: (
    erc20.IERC20,
    erc20.IERC20Detailed,
    erc20.owner,
    erc20.mint,
    erc20.burn,
    erc20.is_minter,
    erc20.set_minter,
)


@deploy
def __init__():
    ownable.__init__()
    erc20.__init__("Crux Test Token", "CRUX", 18, "Crux Test Token", "1")
